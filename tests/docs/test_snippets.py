"""What the documentation shows is what happens: its snippets are run, page by page, in a folder of their own.

In a ``console`` block, ``$`` begins a command and the lines below it are all that it prints; ``...`` stands for
anything, a line of ``...`` for any lines. A command ends with 0, unless ``echo $?`` follows it. What differs from
day to day (ids, dates, times, numbers of packages, values of metrics) is compared by its form. A ``python`` block
is one script. A block below ``<!-- not run: reason -->`` is only shown.

The French pages have the code of the English ones (``test_links``), which are run.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bis.environments.interpreters import installed
from bis.environments.python_request import PythonRequest
from bis.home import Home
from docs.pages import REPOSITORY, blocks, name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis_command import Bis
    from docs.pages import Block

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "docs/tutorial.md",
    *sorted((REPOSITORY / "docs/how-to").glob("*.md")),
]
LIMIT_S = 600

_MARK = "\x01"
_FORMS = [  # what varies, and what stands for it
    (re.compile(r"\b(sha256:)?(?=[0-9a-f]*[0-9])[0-9a-f]{8,64}\b"), "<id>"),
    (re.compile(r"(?<=<id>) +[a-z]+-[a-z]+\b"), " <name>"),
    (re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?Z?)?"), "<date>"),
    (re.compile(r"\b\d+(\.\d+)? (s|B|kB|MB|GB)\b"), "<amount>"),
    (re.compile(r"\b\d+ packages?\b"), "<packages>"),
    (re.compile(r"\b0\.\d{3,}\b|(?<=accuracy )[01]\.\d+|(?<=accuracy = )\S+"), "<value>"),
    (re.compile(r"\b3\.\d+\.\d+\b"), "<python>"),
    (re.compile(r" +$", re.MULTILINE), ""),
    (re.compile(r"(?<=\S)  +"), "  "),
]


@dataclass(frozen=True)
class Command:
    """A command of a page, and the lines that it is said to print (None: the page does not show them)."""

    text: str
    shown: str
    line: int


def commands(page: Path) -> Iterator[Command]:
    """The commands of a page in order; a Python block is a command too."""
    for block in blocks(page):
        if block.reason is None and block.language == "console":
            yield from _console(block)
        elif block.reason is None and block.language == "python":
            yield Command(f"python -c {shlex.quote(block.text)}", "...", block.line)


def _console(block: Block) -> Iterator[Command]:
    lines = block.text.splitlines()
    assert lines[0].startswith("$ "), f"line {block.line}: a console block begins with a command"
    number = 0
    while number < len(lines):
        begin = number
        text = [lines[number].removeprefix("$ ")]
        while text[-1].endswith("\\") or _opens_document(text):
            number += 1
            text.append(lines[number].removeprefix("> "))
        number += 1
        printed = []
        while number < len(lines) and not lines[number].startswith("$ "):
            printed.append(lines[number])
            number += 1
        yield Command("\n".join(text), "\n".join(printed), block.line + begin)


def _opens_document(text: list[str]) -> bool:
    opened = re.search(r"<<'?(\w+)'?", text[0])
    return opened is not None and (len(text) == 1 or text[-1] != opened[1])


def script(page_commands: list[Command]) -> str:
    """One bash script for the page, so that ``cd`` and ``export`` last; it marks where each command ends."""
    lines = ["status=0", 'last() { return "$status"; }']
    for command in page_commands:
        lines += ["last", command.text, f'status=$?; printf "{_MARK}%s{_MARK}\\n" "$status"']
    return "\n".join(lines)


def run(page_commands: list[Command], bis: Bis) -> list[tuple[str, int]]:
    """What each command printed, and how it ended."""
    done = subprocess.run(
        ["bash", "-c", script(page_commands)],
        check=False,
        cwd=bis.cwd,
        env=bis.environ(**_variables(bis)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    parts = done.stdout.split(_MARK)
    printed = [parts[0], *(part.removeprefix("\n") for part in parts[2::2])]
    return list(zip(printed, map(int, parts[1::2]), strict=False))


def _variables(bis: Bis) -> dict[str, str]:
    programs = bis.cwd / ".programs"
    programs.mkdir()
    for name, module in (("bis", "-m bis "), ("python", "")):
        program = programs / name
        program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {module}"$@"\n')
        program.chmod(0o755)
    who = {f"GIT_{role}_NAME": "You" for role in ("AUTHOR", "COMMITTER")}
    who |= {f"GIT_{role}_EMAIL": "you@example.org" for role in ("AUTHOR", "COMMITTER")}
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "GIT_CONFIG_GLOBAL": os.devnull, **who}


def form(text: str) -> str:
    """The text with a word for all that varies."""
    for pattern, word in _FORMS:
        text = pattern.sub(word, text)
    return text.strip("\n")


def matches(shown: str, printed: str) -> bool:
    """Whether the shown lines are the printed ones, up to what varies and what is left out."""
    pattern = re.escape(form(shown))
    pattern = re.sub(r"(?m)^\\\.\\\.\\\.(\\?\n|$)", "(?:.*\n)*?", pattern)
    pattern = pattern.replace(r"\.\.\.", ".*")
    return re.fullmatch(pattern, form(printed) + "\n") is not None or (
        re.fullmatch(pattern, form(printed)) is not None
    )


def needs_python_38(page_commands: list[Command]) -> bool:
    """Whether the page runs the tutorial project, which declares Python 3.8."""
    return any(command.text.startswith("bis init") for command in page_commands)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_snippets_of_a_page_do_what_it_says(page: Path, bis: Bis) -> None:
    page_commands = list(commands(page))
    if not page_commands:
        pytest.skip("nothing on the page is run")
    if needs_python_38(page_commands) and not installed(Home(bis.home), PythonRequest.parse("3.8")):
        pytest.skip("the tutorial project needs Python 3.8, which is not here")
    results = run(page_commands, bis)
    following = [*(command.text for command in page_commands[1:]), ""]
    for command, (printed, status), after in zip(page_commands, results, following, strict=True):
        place = f"{name_of(page)}:{command.line}: $ {command.text}\n"
        assert status == 0 or after == "echo $?", f"{place}ended with {status}:\n{printed}"
        assert matches(command.shown, printed), f"{place}printed\n{printed}\nand not\n{command.shown}"


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n...\nb", "a\nx\ny\nb\n", True),
        ("a\n...\nb", "a\nb\n", True),
        ("a\n...", "a\nx\n", True),
        ("a ... b", "a x y b\n", True),
        ("a", "a\nb\n", False),
        ("run  c87540a1 clever-bass", "run  0a1b2c3d neat-lake\n", True),
        ("69 packages in 0.8 s", "71 packages in 12.1 s\n", True),
        ("", "something\n", False),
        ("finished", "failed\n", False),
    ],
)
def test_output_is_compared_by_what_is_shown(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
