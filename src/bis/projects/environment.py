"""The environment that an MLproject file declares: ``docker_env``, ``python_env``, ``conda_env`` or none.

What is found by convention when none is declared (``python_env.yaml``, ``conda.yaml``, ...) is not looked
at here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from bis.errors import Position, ProjectError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from bis.projects.reading import Entry, Value, Warn

    Kind = Literal["python_env", "conda_env", "docker_env"]

KINDS = ("python_env", "conda_env", "docker_env")
_DOCKER_KEYS = ("image", "volumes", "environment")


@dataclass(frozen=True)
class DockerEnvironment:
    """``docker_env``; each variable is copied from the host (a name) or set (name, value)."""

    image: str
    volumes: tuple[str, ...] = ()
    environment: tuple[str | tuple[str, str], ...] = ()


@dataclass(frozen=True)
class EnvironmentDeclaration:
    """What the project says it runs in; ``file`` for python_env and conda_env, ``docker`` for docker_env."""

    kind: Kind
    file: Path | None
    docker: DockerEnvironment | None
    position: Position


def read_environment(
    entries: dict[str, Entry], directory: Path, root: Path, warn: Warn
) -> EnvironmentDeclaration | None:
    """The declaration; None when there is none or its value is null (as in MLflow). Raises ProjectError."""
    declared = [entries[kind] for kind in KINDS if kind in entries]
    if len(declared) > 1:
        last = max(declared, key=lambda entry: entry.position.line)
        raise ProjectError(
            f"only one environment can be declared, not {' and '.join(entry.key for entry in declared)}",
            hint="Keep one of them.",
            where=last.position,
        )
    if not declared or _is_empty(declared[0].value):
        return None
    entry = declared[0]
    kind = cast("Kind", entry.key)
    if kind == "docker_env":
        return EnvironmentDeclaration(kind, None, _read_docker(entry.value, warn), entry.position)
    file = _read_file(entry, directory, root)
    _warn_of_other_kind(entry, file, warn)
    return EnvironmentDeclaration(kind, file, None, entry.position)


def _is_empty(value: Value) -> bool:
    return value.is_null or value.text == "" or (value.is_mapping and not value.node.value)


def _read_file(entry: Entry, directory: Path, root: Path) -> Path:
    where = entry.value.position
    text = entry.value.text
    if text is None:
        raise ProjectError(
            f"'{entry.key}' must be the path of a file",
            hint=f"Write the packages to a file, and   {entry.key}: FILE",
            where=where,
        )
    file = directory / text
    if not file.resolve().is_relative_to(root.resolve()):
        raise ProjectError(f"the {entry.key} file {text} lies outside of the project", where=where)
    if not file.is_file():
        near = [path.name for path in directory.iterdir() if path.suffix in (".yaml", ".yml")]
        what = "is not a file" if file.exists() else "does not exist"
        raise ProjectError(f"the {entry.key} file {text} {what}", hint=did_you_mean(text, near), where=where)
    return file


def _warn_of_other_kind(entry: Entry, file: Path, warn: Warn) -> None:
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    keys = {line.partition(":")[0].rstrip() for line in lines if ":" in line}
    if entry.key == "python_env" and "channels" in keys:
        warn(f"'python_env' names {file.name}, which is a conda file; write conda_env", entry.position)
    elif entry.key == "conda_env" and not keys.isdisjoint(("python", "build_dependencies")):
        warn(f"'conda_env' names {file.name}, which is a python_env file; write python_env", entry.position)


def _read_docker(value: Value, warn: Warn) -> DockerEnvironment:
    if not value.is_mapping:
        raise ProjectError(
            "'docker_env' must hold an image", hint="Write   image: NAME", where=value.position
        )
    entries = value.entries(warn)
    for key, entry in entries.items():
        if key not in _DOCKER_KEYS:
            guess = did_you_mean(key, _DOCKER_KEYS) or ""
            warn(f"unknown key {key!r} of docker_env is ignored. {guess}".rstrip(), entry.position)
    image = entries["image"].value.text if "image" in entries else None
    if not image:
        raise ProjectError("'docker_env' names no image", hint="Write   image: NAME", where=value.position)
    return DockerEnvironment(image, _volumes(entries.get("volumes")), _variables(entries.get("environment")))


def _volumes(entry: Entry | None) -> tuple[str, ...]:
    if entry is None or _is_empty(entry.value):
        return ()
    texts = [item.text for item in entry.value.items()] if entry.value.is_list else [None]
    if None in texts:
        raise ProjectError(
            "'volumes' must be a list of strings",
            hint='Write   volumes: ["/data:/data"]',
            where=entry.value.position,
        )
    return tuple(text for text in texts if text is not None)


def _variables(entry: Entry | None) -> tuple[str | tuple[str, str], ...]:
    if entry is None or _is_empty(entry.value):
        return ()
    found = [_variable(item) for item in entry.value.items()] if entry.value.is_list else [None]
    if None in found:
        raise ProjectError(
            "'environment' must be a list of names (copied from here) and of [name, value] pairs",
            hint='Write   environment: [["NEW_VAR", "value"], "VAR_TO_COPY"]',
            where=entry.value.position,
        )
    return tuple(variable for variable in found if variable is not None)


def _variable(item: Value) -> str | tuple[str, str] | None:
    if not item.is_list:
        return item.text
    pair = [part.printed for part in item.items()]
    if len(pair) != 2 or pair[0] is None or pair[1] is None:
        return None
    return pair[0], pair[1]
