"""Entry points: what can be run, and binding values to its parameters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import BisError, ParameterError, Position, ProjectError, did_you_mean
from bis.projects import template
from bis.projects.command import build_command
from bis.projects.locations import local_path, without_user
from bis.projects.steps import filled, references

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.projects.parameters import Parameter


@dataclass(frozen=True)
class Binding:
    """Values bound to an entry point.

    ``parameters`` are all values as the user wrote them: the declared ones in the order of the file, then the
    others. Those in ``extra`` are appended to the command. Of the ``path`` parameters, ``local`` has the
    absolute path and ``downloads`` the URI of what is to be fetched first, with its credentials, which
    ``parameters`` has not: what is there is recorded.
    """

    entry_point: str
    template: str
    parameters: dict[str, str]
    extra: tuple[str, ...]
    local: dict[str, str]
    downloads: dict[str, str] = field(repr=False)  # a URI can carry a password
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class EntryPoint:
    """A command with its parameters.

    ``command`` is None when the file gives none; the positions are None for a script.
    """

    name: str
    command: str | None
    parameters: tuple[Parameter, ...]
    directory: Path
    description: str | None = None
    position: Position | None = None
    command_position: Position | None = None
    after: tuple[str, ...] = ()
    """The entry points that have to be run before this one."""
    after_position: Position | None = None
    reuse: bool | None = None
    """Whether a finished run of the same is taken instead of a new one; None where the file does not say."""

    def bind(
        self, values: Mapping[str, str], *, cwd: Path, steps: Mapping[str, str] | None = None
    ) -> Binding:
        """Check ``values`` and give every parameter its value; relative paths of the user start at ``cwd``.

        ``steps`` has what the references to earlier steps stand for, by their text (``steps.other.run_id``).
        Raises ParameterError for a value, ProjectError for the command: nothing is found later than here.
        """
        if self.after and steps is None:
            raise ProjectError(
                f"entry point {self.name!r} comes after {', '.join(self.after)}, and cannot be run alone",
                hint=f"Run the pipeline: bis run URI -e {self.name}",
                where=self.position,
            )
        command = self._command()
        parameters = self._complete(values, steps or {})
        parsed = template.parse(command, [*parameters, *(steps or {})])
        if parsed.fault:
            raise ProjectError(
                parsed.fault.message, hint=parsed.fault.hint, where=self.locate(parsed.fault.text)
            )
        parameters |= {name: text for name, text in (steps or {}).items() if name in parsed.names}
        declared = {parameter.name for parameter in self.parameters}
        extra = tuple(name for name in parameters if name not in declared and name not in parsed.names)
        local, downloads = self._paths(parameters, values, cwd)
        self._built(command, parameters, extra, local)  # whatever is wrong with it is said now
        warnings = self._warnings(extra)
        parameters |= {name: without_user(uri) for name, uri in downloads.items()}
        return Binding(self.name, command, parameters, extra, local, downloads, warnings)

    def preview(self) -> str:
        """The command with each parameter at its default, ``<name>`` where it has none, to be read by people.

        Raises ProjectError as ``bind`` does.
        """
        shown = {p.name: f"<{p.name}>" for p in self.parameters if p.default is None}
        stand_ins = {name: f"__value_{index}__" for index, name in enumerate(shown)}
        values = {p.name: stand_ins.get(p.name, p.default or "") for p in self.parameters}
        for reference in references(self):
            values[reference.text] = stand_ins[reference.text] = f"__{reference.text}__"
            shown[reference.text] = f"<{reference.text}>"
        command, _ = self._parsed(values)
        result = self._built(command, values, (), {})
        for name, stand_in in stand_ins.items():
            result = result.replace(stand_in, shown[name])
        return result.strip()

    def locate(self, text: str) -> Position | None:
        """The line of the command that holds ``text``, looked up in the file; else its first line."""
        where = self.command_position
        if where is None:
            return self.position
        from bis.projects.reading import lines_of  # only on the way to a message

        for number, line in enumerate(lines_of(where.file)[where.line - 1 :], start=where.line):
            column = line.find(text)
            if column >= 0:
                return Position(where.file, number, column + 1)
        return where

    def _parsed(self, parameters: Mapping[str, str]) -> tuple[str, template.Template]:
        command = self._command()
        parsed = template.parse(command, parameters.keys())
        if parsed.fault:
            raise ProjectError(
                parsed.fault.message, hint=parsed.fault.hint, where=self.locate(parsed.fault.text)
            )
        return command, parsed

    def _command(self) -> str:
        if self.command is None:
            raise ProjectError(
                f"entry point {self.name!r} has no command",
                hint='Write   command: "python train.py"   under it.',
                where=self.position,
            )
        return self.command

    def _complete(self, values: Mapping[str, str], steps: Mapping[str, str]) -> dict[str, str]:
        missing = [p.name for p in self.parameters if p.name not in values and p.default is None]
        if missing:
            raise self._missing(missing, values)
        complete: dict[str, str] = {}
        for parameter in self.parameters:
            if parameter.name in values:
                parameter.check(values[parameter.name])
                complete[parameter.name] = values[parameter.name]
            else:
                complete[parameter.name] = filled(parameter.default or "", steps)
        return complete | {name: value for name, value in values.items() if name not in complete}

    def _missing(self, missing: list[str], values: Mapping[str, str]) -> ParameterError:
        names = ", ".join(repr(name) for name in missing)
        undeclared = [name for name in values if name not in {p.name for p in self.parameters}]
        guess = did_you_mean(missing[0], undeclared) if undeclared else None
        given = " ".join(f"-P {name}=VALUE" for name in missing)
        return ParameterError(
            f"entry point {self.name!r} needs a value for {names}",
            hint=f"{guess or ''} Pass {given}".strip(),
            where=next(p.position for p in self.parameters if p.name == missing[0]),
        )

    def _paths(
        self, parameters: Mapping[str, str], values: Mapping[str, str], cwd: Path
    ) -> tuple[dict[str, str], dict[str, str]]:
        local: dict[str, str] = {}
        downloads: dict[str, str] = {}
        for parameter in self.parameters:
            value = parameters[parameter.name]
            # An empty default means "none"; it is passed as it is
            if not parameter.is_path or value == parameter.default == "":
                continue
            by_user = parameter.name in values
            path = local_path(parameter, value, [cwd] if by_user else [cwd, self.directory])
            if path is None:
                downloads[parameter.name] = value
            else:
                local[parameter.name] = path
        return local, downloads

    def _built(
        self, command: str, parameters: Mapping[str, str], extra: tuple[str, ...], local: Mapping[str, str]
    ) -> str:
        try:
            return build_command(command, parameters, extra, local)
        except BisError as error:
            where = error.where or self.command_position or self.position
            raise type(error)(error.message, hint=error.hint, where=where) from error

    def _warnings(self, extra: tuple[str, ...]) -> tuple[str, ...]:
        declared = [parameter.name for parameter in self.parameters]
        guesses = {name: did_you_mean(name, declared) for name in extra} if declared else {}
        return tuple(
            f"parameter {name!r} is not declared and is passed on as --{name}. {guess}"
            for name, guess in guesses.items()
            if guess
        )
