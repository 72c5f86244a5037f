"""Writes the reference pages that come from the code: the command line, the Python API, the server's API.

    python docs/reference.py            write cli.md, api.md and openapi.json in docs/reference
    python docs/reference.py --check    fail when one of them is not what the code says

The pages do not depend on the version of Python: argparse's own help does, so it is not used.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bis
import bis.client
import bis.errors
from bis.cli.main import build_parser
from bis.server.app import TABLE
from bis.server.openapi import document_json

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).parent / "reference"
_GENERATED = "<!-- Written by docs/reference.py from the code. Do not edit: run `make docs`. -->\n"
_OF_A_PIPELINE = (
    "A pipeline gives a `PipelineRun`, with the results of its last step. It has these members but `outcome` and"
    " `result`; and `steps`, what has become of each step, by its name."
)


def cli_page() -> str:
    """The command line: every command with its arguments and options, from the parsers."""
    parser = build_parser()
    lines = ["# The command line", "", _GENERATED, parser.description.strip() if parser.description else ""]
    lines += ["", "`bis --version` prints the version. Every command takes `-h`, `--help`.", ""]
    lines += _commands(parser)
    return "\n".join(lines).rstrip() + "\n"


def _commands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _command(command)
                yield from _commands(command)


def _command(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from (f"## {parser.prog}", "", parser.description or "", "")
    yield from ("```text", _usage(parser), "```", "")
    for group in parser._action_groups:
        actions = [action for action in group._group_actions if _is_shown(action)]
        if actions:
            title = (group.title or "").removeprefix("positional ").capitalize()
            yield from (f"| {title} | |", "| --- | --- |", *map(_row, actions), "")
    if parser.epilog:
        title, _, example = parser.epilog.partition("\n")
        yield from (title.capitalize(), "", "```text", inspect.cleandoc(example), "```", "")


def _is_shown(action: argparse.Action) -> bool:
    return not isinstance(action, argparse._HelpAction)


def _usage(parser: argparse.ArgumentParser) -> str:
    shown = [action for action in parser._actions if _is_shown(action)]
    options = "[OPTIONS]" if any(action.option_strings for action in shown) else ""
    places = [_place(action) for action in shown if not action.option_strings]
    return " ".join(word for word in (parser.prog, options, *places) if word)


def _place(action: argparse.Action) -> str:
    name = _value(action) + ("..." if action.nargs in ("+", "*") else "")
    return name if action.required else f"[{name}]"


def _value(action: argparse.Action) -> str:
    """What stands for the value, as argparse's own help has it."""
    if action.metavar is None and action.choices is not None:
        return f"{{{','.join(map(str, action.choices))}}}"
    return str(action.metavar or action.dest)


def _row(action: argparse.Action) -> str:
    if isinstance(action, argparse._SubParsersAction):
        names = ", ".join(f"`{name}`" for name in action.choices)
        return f"| `{action.metavar}` | {names} |"
    value = "" if action.nargs == 0 else f" {_value(action)}"
    names = ", ".join(f"`{option}{value}`" for option in action.option_strings) or f"`{_value(action)}`"
    return f"| {_cell(names)} | {_cell(action.help or '')} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def api_page() -> str:
    """The Python API: what ``bis`` and ``bis.errors`` export, from signatures and docstrings."""
    lines = ["# The Python API", "", _GENERATED]
    lines += ["## bis", "", _indented_code(inspect.getdoc(bis) or ""), ""]
    for name in (name for name in ("run", "ProjectRun") if name in bis.__all__):
        lines += _documented(f"bis.{name}", getattr(bis, name))
    lines += [_OF_A_PIPELINE, ""]
    lines += ["`bis.__version__` is the version, as text.", ""]
    lines += ["## bis, in a script", "", _indented_code(inspect.getdoc(bis.client) or ""), ""]
    functions = [name for name in bis.client.__all__ if inspect.isfunction(getattr(bis.client, name))]
    for function in functions:
        lines += _documented(f"bis.{function}", getattr(bis.client, function))
    lines += ["## bis.errors", "", _prose(inspect.getdoc(bis.errors) or ""), ""]
    lines += _error_rows()
    lines += _documented("bis.errors.BisError", bis.errors.BisError)
    lines += ["Its members are `message`, `hint` (what to do, or None), `where` (a `Position`, or None).", ""]
    lines += _documented("bis.errors.Position", bis.errors.Position)
    lines += ["Its members are `file`, `line` and `column`; as text it is `file:line`.", ""]
    return "\n".join(lines).rstrip() + "\n"


def _documented(name: str, value: Any) -> Iterator[str]:
    yield from (f"### {name}", "")
    if not inspect.isclass(value):
        yield from (_signature(name, value), "", _prose(inspect.getdoc(value) or ""), "")
        return
    yield from (_prose(inspect.getdoc(value) or ""), "")
    members = [(key, member) for key, member in vars(value).items() if not key.startswith("_")]
    rows = [
        f"| `{key}{_call(member)}` | {_cell(_prose(inspect.getdoc(member) or ''))} |"
        for key, member in members
        if isinstance(member, property) or inspect.isfunction(member)
    ]
    if rows:
        yield from ("| member | |", "| --- | --- |", *rows, "")


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    if not signature.parameters:
        return f"```text\n{name}() -> {signature.return_annotation}\n```"
    lines = [f"{name}("]
    starred = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            lines.append("    *,")
            starred = True
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        lines.append(f"    {parameter.name}: {parameter.annotation}{default},")
    lines.append(f") -> {signature.return_annotation}")
    return "\n".join(["```text", *lines, "```"])


def _call(member: Any) -> str:
    if isinstance(member, property):
        return ""
    words = [
        str(parameter) for name, parameter in inspect.signature(member).parameters.items() if name != "self"
    ]
    return f"({', '.join(words)})"


def _error_rows() -> Iterator[str]:
    yield from ("| error | exit status | raised when |", "| --- | --- | --- |")
    for value in vars(bis.errors).values():
        if inspect.isclass(value) and issubclass(value, bis.errors.BisError):
            base = "" if value is bis.errors.BisError else f" (a `{value.__bases__[0].__name__}`)"
            first = (inspect.getdoc(value) or "").partition("\n")[0]
            yield f"| `{value.__name__}`{base} | {value.exit_status} | {_cell(_prose(first))} |"
    yield ""


def _prose(text: str) -> str:
    """A docstring as Markdown: its double backticks are single ones there."""
    return text.replace("``", "`")


def _indented_code(text: str) -> str:
    """A docstring whose indented lines are code."""
    lines: list[str] = []
    inside = False
    for line in _prose(text).splitlines():
        if line.startswith("    ") and not inside:
            lines.append("<!-- not run: the address is made up -->\n```python")
            inside = True
        elif inside and line and not line.startswith("    "):
            lines[-1:] = ["```", ""]
            inside = False
        lines.append(line.removeprefix("    ") if inside else line)
    return "\n".join([*lines, "```"] if inside else lines)


def pages() -> dict[Path, str]:
    """The text of each generated page."""
    return {
        REFERENCE / "cli.md": cli_page(),
        REFERENCE / "api.md": api_page(),
        REFERENCE / "openapi.json": document_json(TABLE).decode(),
    }


def main() -> int:
    """Write the pages, or compare them."""
    parser = argparse.ArgumentParser(description="Write the reference pages that come from the code.")
    parser.add_argument("--check", action="store_true", help="fail when a page is stale; write nothing")
    check = parser.parse_args().check
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if not check:
            path.write_text(pages()[path], encoding="utf-8")
        sys.stderr.write(
            f"{path.name} {'is not what the code says: run make docs' if check else 'written'}\n"
        )
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
