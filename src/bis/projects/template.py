"""The placeholders of a command: ``{name}``, with ``{{`` and ``}}`` for literal braces, as in MLflow.

MLflow hands the command to ``str.format``. What of its language makes sense for text that goes to a shell is
kept: ``{name}``, ``{name!s}``, ``{name:s}``, doubled braces. Attributes, ``!r`` and number formats are
refused: they would work on the quoted value and break its quoting. Beyond MLflow, names may hold ``.`` and
``[``, and ``${HOME}`` is left to the shell where MLflow stops with a KeyError.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import did_you_mean
from bis.projects.shell import MARK

if TYPE_CHECKING:
    from collections.abc import Collection

_SPECIAL = re.compile("[{}$\0]")
# Compiled when they are met, which is seldom
_SHELL_VARIABLE = r"\$\{[#!]?(?:[A-Za-z_][A-Za-z0-9_]*|[0-9]+|[@*#?$!-])[^{}]*\}"
_FORMAT_SUFFIX = r"((?s:.*?))(?:!s)?(?::s?)?"


class Fault:
    """What is wrong in a command, and the text by which its line is found."""

    def __init__(self, text: str, message: str, hint: str) -> None:
        self.text = text
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Template:
    """A parsed command: its text with a MARK for each placeholder, and the names of these in order."""

    text: str
    names: tuple[str, ...]
    shell_variables: tuple[str, ...]
    fault: Fault | None


def parse(command: str, names: Collection[str]) -> Template:
    """Read ``command``; ``names`` are the parameters that have a value; a mistake is in ``fault``."""
    text: list[str] = []
    used: list[str] = []
    variables: list[str] = []
    fault: Fault | None = None
    at = 0
    while at < len(command) and fault is None:
        char = command[at]
        if command.startswith(("{{", "}}"), at):
            text.append(char)
            at += 2
        elif char == "{":
            name, at_end, fault = _placeholder(command, at, names)
            text.append(MARK)
            used.append(name)
            at = at_end
        elif char == "}":
            fault = Fault(
                "}", "a single '}' in the command", "Write }} for a brace that is meant for the shell."
            )
        elif char == "$" and (variable := _shell_variable(command, at, names)):
            text.append(variable)
            variables.append(variable)
            at += len(variable)
        elif char == MARK:
            fault = Fault("command", "the command holds a NUL character", "Delete it.")
        else:
            end = _next_special(command, at + 1)
            text.append(command[at:end])
            at = end
    return Template("".join(text), tuple(used), tuple(variables), fault)


def _next_special(command: str, at: int) -> int:
    found = _SPECIAL.search(command, at)
    return found.start() if found else len(command)


def _shell_variable(command: str, at: int, names: Collection[str]) -> str | None:
    """``${VAR}`` that is no parameter (``${{`` is an escape, and never matches)."""
    if not command.startswith("${", at):
        return None
    found = re.compile(_SHELL_VARIABLE).match(command, at)
    if found is None or found.group()[2:-1] in names:
        return None
    return found.group()


def _placeholder(command: str, at: int, names: Collection[str]) -> tuple[str, int, Fault | None]:
    """The name at ``{``, and the place after its ``}``."""
    end = command.find("}", at)
    if end < 0:
        return "", at, Fault("{", "a '{' in the command that is never closed", _BRACES)
    field = command[at + 1 : end]
    if field in names:
        return field, end + 1, None
    suffixed = re.fullmatch(_FORMAT_SUFFIX, field)
    if suffixed and suffixed.group(1) in names:
        return suffixed.group(1), end + 1, None
    return "", at, _undeclared(field, names)


_BRACES = "Write {{ and }} for braces that are meant for the shell."


def _undeclared(field: str, names: Collection[str]) -> Fault:
    placeholder = "{" + field + "}"
    head = re.split(r"[.\[!:]", field, maxsplit=1)[0]
    if head != field and head in names:
        return Fault(
            placeholder,
            f"{placeholder} in the command: formats and attributes of a parameter are not supported",
            f"Write {{{head}}}.",
        )
    guess = did_you_mean(field.strip(), names) or _declare_hint(field)
    return Fault(placeholder, f"{placeholder} in the command is not declared under 'parameters'", guess)


def _declare_hint(field: str) -> str:
    if re.fullmatch(r"[\w.-]+", field):
        return f"Declare it under 'parameters', or pass it with -P {field}=VALUE. {_BRACES}"
    return _BRACES
