"""Loads a directory as a Project: finds its MLproject file, reads it, and says what is odd in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import Position, ProjectError, did_you_mean
from bis.projects import template
from bis.projects.entry_points import EntryPoint
from bis.projects.environment import KINDS, EnvironmentDeclaration, read_environment
from bis.projects.parameter_reading import read_parameters
from bis.projects.reading import Entry, Value, read
from bis.projects.scripts import SUFFIXES, script_entry_point, scripts_in
from bis.projects.steps import references

if TYPE_CHECKING:
    from pathlib import Path

    from bis.projects.reading import Warn

_SPARK = "databricks_spark_job"
_KEYS = ("name", "entry_points", *KINDS, _SPARK)
_DIALECT = ("uv_env", "renv_env")  # keys that chap-core adds to the format
_ENTRY_POINT_KEYS = ("parameters", "command", "description", "after", "reuse")


@dataclass(frozen=True)
class ProjectWarning:
    """Something odd in a project that does not stop it from running."""

    message: str
    where: Position

    def __str__(self) -> str:
        return f"{self.where}: {self.message}"


@dataclass(frozen=True)
class Project:
    """A directory and what its MLproject file says; ``file`` is None when it has none."""

    directory: Path
    file: Path | None
    name: str | None
    environment: EnvironmentDeclaration | None
    entry_points: dict[str, EntryPoint]
    warnings: tuple[ProjectWarning, ...]
    spark_job: Position | None = None

    def entry_point(self, name: str) -> EntryPoint:
        """The declared entry point, else the script of that name (.py, .sh, .R). Raises ProjectError."""
        if self.spark_job:
            raise ProjectError(
                "databricks_spark_job is not supported: it runs on Databricks only", where=self.spark_job
            )
        found = self.entry_points.get(name) or script_entry_point(self.directory, name)
        if found is None:
            raise self._not_found(name)
        return found

    def _not_found(self, name: str) -> ProjectError:
        scripts = scripts_in(self.directory)
        if name.endswith(SUFFIXES):
            what = f"there is no entry point and no script {name!r}"
        elif self.file is None:
            what = f"{self.directory} has no MLproject file, and {name!r} is not a script"
        else:
            what = f"there is no entry point {name!r}"
        hints = [
            did_you_mean(name, [*self.entry_points, *scripts]),
            f"Entry points: {', '.join(self.entry_points)}." if self.entry_points else None,
            f"Scripts that -e can name: {', '.join(scripts[:10])}." if scripts else None,
            _elsewhere(self.directory) if self.file is None and not scripts else None,
            *(warning.message for warning in self.warnings if self.file is None),
        ]
        where = Position(self.file, 1) if self.file else None
        return ProjectError(what, hint=" ".join(hint for hint in hints if hint) or None, where=where)


def _elsewhere(directory: Path) -> str | None:
    """A hint for who stands one step beside the project."""
    try:
        above = [*directory.parent.glob("[Mm][Ll][Pp][Rr][Oo][Jj][Ee][Cc][Tt]")]
        files = sorted(directory.glob("*/[Mm][Ll][Pp][Rr][Oo][Jj][Ee][Cc][Tt]"))
    except OSError:
        return None
    if any(file.is_file() for file in above):
        return f"There is a project in the directory above: {directory.parent}"
    names = [file.parent.name for file in files if file.is_file()]
    return f"There are projects in {', '.join(names[:5])}: name one of them." if names else None


def load(directory: Path, *, root: Path | None = None) -> Project:
    """The project in ``directory``; without an MLproject file an empty one, whose scripts can still be run.

    ``root`` (default: the directory) is what the environment file may not lie outside of: the top of the
    source tree, for a project in a subdirectory. Raises ProjectError with the position of the mistake.
    """
    return _Loading(directory, root or directory).load()


class _Loading:
    def __init__(self, directory: Path, root: Path) -> None:
        self.directory = directory
        self.root = root
        self.warnings: list[ProjectWarning] = []

    def warn(self, message: str, where: Position) -> None:
        self.warnings.append(ProjectWarning(message, where))

    def load(self) -> Project:
        file = self._find()
        document = read(file, self.warn) if file else None
        if file is None or document is None:
            return self._project(None, {})
        if document.root is None or document.root.is_null:
            self.warn("the file is empty", Position(file, 1))
            return self._project(file, {})
        if not document.root.is_mapping:
            raise ProjectError(
                "an MLproject file must be a mapping",
                hint="Write   entry_points:   and below it   main:   with a command.",
                where=document.root.position,
            )
        entries = document.root.entries(self.warn)
        self._warn_of_keys(entries)
        return self._project(file, entries)

    def _find(self) -> Path | None:
        try:
            paths = sorted(
                path for path in self.directory.iterdir() if path.name.lower().startswith("mlproject")
            )
        except OSError as error:
            raise ProjectError(f"cannot read the project {self.directory}: {error.strerror}") from error
        found = [path for path in paths if path.name.lower() == "mlproject" and path.is_file()]
        found.sort(key=lambda path: path.name != "MLproject")
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            self.warn(f"there are {names}; {found[0].name} is used", Position(found[0], 1))
        if not found:
            for path in paths:
                if path.name.lower() in ("mlproject.yaml", "mlproject.yml"):
                    self.warn(f"{path.name} is not read: rename it to MLproject.", Position(path, 1))
        return found[0] if found else None

    def _project(self, file: Path | None, entries: dict[str, Entry]) -> Project:
        environment = read_environment(entries, self.directory, self.root, self.warn)
        spark = entries.get(_SPARK)
        return Project(
            self.directory,
            file,
            self._name(entries.get("name")),
            environment,
            self._entry_points(entries.get("entry_points")),
            tuple(sorted(self.warnings, key=lambda warning: warning.where.line)),
            spark.position if spark and not spark.value.is_null else None,
        )

    def _name(self, entry: Entry | None) -> str | None:
        if entry is None or entry.value.is_null:
            return None
        name = entry.value.text
        if name is None:
            raise ProjectError("'name' must be a word", where=entry.value.position)
        if entry.value.printed != name:
            self.warn(
                f'YAML reads the name {name!r} as a value; write "{name}" between quotes', entry.position
            )
        return name

    def _warn_of_keys(self, entries: dict[str, Entry]) -> None:
        for key, entry in entries.items():
            if key == _SPARK and not entry.value.is_null:
                self.warn(f"{key} is not supported: it runs on Databricks only", entry.position)
            elif key in _DIALECT:
                self.warn(
                    f"{key!r} is a dialect of the format and is ignored; declare python_env", entry.position
                )
            elif key not in _KEYS:
                guess = did_you_mean(key, _KEYS) or ""
                self.warn(f"unknown key {key!r} is ignored. {guess}".rstrip(), entry.position)

    def _entry_points(self, entry: Entry | None) -> dict[str, EntryPoint]:
        if entry is None or entry.value.is_null:
            if entry is not None:
                self.warn("'entry_points' is empty", entry.position)
            return {}
        if not entry.value.is_mapping:
            raise ProjectError(
                "'entry_points' must be a mapping from names to commands",
                hint="Write   entry_points:   and below it   main:   with a command.",
                where=entry.value.position,
            )
        found = entry.value.entries(self.warn)
        return {name: self._entry_point(point) for name, point in found.items()}

    def _entry_point(self, entry: Entry) -> EntryPoint:
        if entry.value.is_null:
            self.warn(f"entry point {entry.key!r} is empty", entry.position)
            return EntryPoint(entry.key, None, (), self.directory, position=entry.position)
        if not entry.value.is_mapping:
            raise ProjectError(
                f"entry point {entry.key!r} must be a mapping with a command",
                hint=f'Write   {entry.key}:   and below it   command: "python train.py"',
                where=entry.value.position,
            )
        fields = entry.value.entries(self.warn)
        for key, field in fields.items():
            if key not in _ENTRY_POINT_KEYS:
                guess = did_you_mean(key, _ENTRY_POINT_KEYS) or ""
                message = f"unknown key {key!r} of entry point {entry.key!r} is ignored. {guess}"
                self.warn(message.rstrip(), field.position)
        return self._read_entry_point(entry, fields)

    def _read_entry_point(self, entry: Entry, fields: dict[str, Entry]) -> EntryPoint:
        parameters = fields.get("parameters")
        description = fields.get("description")
        command = fields.get("command")
        point = EntryPoint(
            entry.key,
            _command(entry, command.value) if command else None,
            read_parameters(parameters.value, self.warn) if parameters else (),
            self.directory,
            description.value.printed if description else None,
            entry.position,
            command.value.position if command else None,
            _after(entry, fields.get("after")),
            fields["after"].position if "after" in fields else None,
            _reuse(entry, fields.get("reuse")),
        )
        _warn_of_command(point, self.warn)
        return point


def _command(entry: Entry, value: Value) -> str | None:
    if not isinstance(value.text, str) and not value.is_null:
        raise ProjectError(
            f"the command of entry point {entry.key!r} must be a string",
            hint="Write it on the lines below   command: >-   or between quotes.",
            where=value.position,
        )
    return value.text


def _after(entry: Entry, field: Entry | None) -> tuple[str, ...]:
    """The steps before an entry point: a name, or a list of names."""
    if field is None or field.value.is_null:
        return ()
    values = field.value.items() if field.value.is_list else [field.value]
    names = [value.text for value in values]
    if field.value.is_mapping or not all(names):
        raise ProjectError(
            f"the 'after' of entry point {entry.key!r} must be a list of entry points",
            hint="Write   after: [prepare, split]",
            where=field.position,
        )
    return tuple(dict.fromkeys(str(name) for name in names))


def _reuse(entry: Entry, field: Entry | None) -> bool | None:
    if field is None or field.value.is_null:
        return None
    if field.value.printed not in ("True", "False"):
        raise ProjectError(
            f"the 'reuse' of entry point {entry.key!r} must be true or false", where=field.value.position
        )
    return field.value.printed == "True"


def _warn_of_command(point: EntryPoint, warn: Warn) -> None:
    if point.command is None:
        warn(f"entry point {point.name!r} has no command", point.position or Position(point.directory, 1))
        return
    names = [parameter.name for parameter in point.parameters]
    try:
        names += [reference.text for reference in references(point)]
    except ProjectError as error:
        warn(error.message, error.where or _place(point, ""))
        return
    parsed = template.parse(point.command, names)
    if parsed.fault:
        warn(f"{parsed.fault.message}. {parsed.fault.hint}", _place(point, parsed.fault.text))
        return
    for parameter in point.parameters:
        if parameter.name not in parsed.names:
            warn(
                f"parameter {parameter.name!r} is declared, and the command does not use it",
                parameter.position or _place(point, ""),
            )
        if f"${{{parameter.name}}}" in point.command:
            shown = f"${{{parameter.name}}}"
            warn(f"{shown} is read as the value; MLflow leaves the $ before it", _place(point, shown))
    for variable in parsed.shell_variables:
        message = f"{variable} is left to the shell; MLflow stops here. Write {{{{ and }}}} for both"
        warn(message, _place(point, variable))


def _place(point: EntryPoint, text: str) -> Position:
    return point.locate(text) or Position(point.directory, 1)
