"""Builds the command that bash runs, from an entry point's template and the values of its parameters."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import ParameterError, ProjectError
from bis.projects import shell
from bis.projects.quoting import quote
from bis.projects.template import parse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Linux takes at most 32 pages as one argument of a new process, the closing NUL included (MAX_ARG_STRLEN,
#: execve(2)); the whole command is one argument of ``bash -c``. Held on every system: a plan runs anywhere.
MAX_COMMAND_BYTES = 131_071


def build_command(
    template: str, parameters: Mapping[str, str], extra: Sequence[str], replaced: Mapping[str, str]
) -> str:
    """``template`` with every value in place, each quoted so that bash hands it on as exactly that text.

    ``parameters`` are all values by name; the names in ``extra`` are appended as ``--name value``, the others
    fill placeholders. ``replaced`` has the values that differ from what the user wrote (local paths).
    Raises ProjectError for a bad template, ParameterError for a value that no command line can carry.
    """
    parsed = parse(template, parameters.keys())
    if parsed.fault:
        raise ProjectError(parsed.fault.message, hint=parsed.fault.hint)
    values = {**parameters, **replaced}
    for name, value in values.items():
        _check_carried(name, value)
    filled, open_end = shell.fill(parsed.text, [(name, values[name]) for name in parsed.names])
    if extra and open_end:
        raise _not_appendable(extra[0], open_end)
    result = _with_extra(filled, [(name, values[name]) for name in extra])
    _check_length(result)
    return result


def _with_extra(command: str, extra: Sequence[tuple[str, str]]) -> str:
    if not extra:
        return command
    words = [f"--{quote(name)} {quote(value)}" for name, value in extra]
    return " ".join([_without_last_newline(command), *words])


def _not_appendable(name: str, open_end: str) -> ParameterError:
    return ParameterError(
        f"{name!r} is not declared and cannot be appended, because the command {open_end}",
        hint="Declare it under 'parameters' and use its placeholder in the command.",
    )


def _without_last_newline(command: str) -> str:
    """A command without the newline that a ``|`` block ends with: what is appended belongs to its last line.

    MLflow appends behind the newline, and bash then takes ``--name`` for a command.
    """
    stripped = command.rstrip(" \t\n")
    tail = command[len(stripped) :]
    if "\n" not in tail:
        return command
    backslashes = len(stripped) - len(stripped.rstrip("\\"))
    return stripped + tail[0] if backslashes % 2 else stripped


def _check_carried(name: str, value: str) -> None:
    if "\0" in name or "\0" in value:
        raise ParameterError(
            f"parameter {name.replace(chr(0), '')!r} holds a NUL character, which no command line can carry",
            hint="Write the value to a file and pass the file's path.",
        )
    try:
        size = len(os.fsencode(value)) + len(os.fsencode(name))
    except UnicodeEncodeError as error:
        raise ParameterError(f"the value of {name!r} holds characters that cannot be encoded") from error
    if size > MAX_COMMAND_BYTES:
        raise _too_long(f"the value of {name!r}", size)


def _check_length(command: str) -> None:
    size = len(os.fsencode(command))
    if size > MAX_COMMAND_BYTES:
        raise _too_long("the command with its values", size)


def _too_long(what: str, size: int) -> ParameterError:
    return ParameterError(
        f"{what} is {size:,} bytes long, and a command line carries at most {MAX_COMMAND_BYTES:,}",
        hint="Write the value to a file and pass the file's path.",
    )
