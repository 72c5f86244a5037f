"""Reads ``pyproject.toml``, ``uv.lock`` and ``pylock.toml`` as the declaration of an environment."""

from __future__ import annotations

import importlib
import re
import sys
from typing import TYPE_CHECKING, Any

from bis.environments.documents import read_text
from bis.environments.requirement_lines import RequirementLines
from bis.environments.spec import EnvironmentSpec, LocalRequirement
from bis.errors import Position, SpecError

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILES = ("uv.lock", "pylock.toml")


def read(path: Path, directory: Path) -> EnvironmentSpec | None:
    """Return the spec that a ``pyproject.toml`` declares; None when it only configures tools.

    A packaged project (one with a build system) is itself part of its environment, as editable.
    """
    document = read_toml(path)
    project = document.get("project")
    packaged = "build-system" in document and (project is not None or "poetry" in document.get("tool", {}))
    if not (isinstance(project, dict) or packaged):
        return None
    lock_file = next((directory / name for name in LOCK_FILES if (directory / name).is_file()), None)
    lines = RequirementLines(directory)
    if not packaged and lock_file is None:
        for line in _dependencies(path, project or {}):
            lines.add(line, Position(path, 1))
    return EnvironmentSpec(
        directory,
        manager="uv",
        kind="pyproject",
        file=path,
        python=_python(document),
        requirements=tuple(lines.requirements),
        local=(LocalRequirement(".", editable=True), *lines.local) if packaged else tuple(lines.local),
        options=tuple(lines.options),
        lock_file=lock_file,
        notes=_notes(path, document, lock_file),
    )


def _dependencies(path: Path, project: dict[str, Any]) -> list[str]:
    declared = project.get("dependencies", [])
    if not (isinstance(declared, list) and all(isinstance(each, str) for each in declared)):
        raise SpecError("project.dependencies has to be a list of requirements", where=Position(path, 1))
    return declared


def _python(document: dict[str, Any]) -> str | None:
    project = document.get("project", {})
    if project.get("requires-python"):
        return str(project["requires-python"])
    poetry = document.get("tool", {}).get("poetry", {}).get("dependencies", {}).get("python")
    return _caret(poetry) if isinstance(poetry, str) else None


def _caret(version: str) -> str:
    """Return Poetry's ``^3.8`` as a range; other forms are PEP 440's already.

    >>> _caret("^3.8")
    '>=3.8,<4'
    """
    match = re.fullmatch(r"\^\s*((\d+)[\d.]*)", version.strip())
    return f">={match[1]},<{int(match[2]) + 1}" if match else version


def _notes(path: Path, document: dict[str, Any], lock_file: Path | None) -> tuple[str, ...]:
    if lock_file:
        return (f"the versions of {lock_file.name} are used",)
    if document.get("tool", {}).get("uv", {}).get("sources"):
        return (f"{path.name}: tool.uv.sources has no effect without uv.lock (`uv lock` writes it)",)
    return ()


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file; raise SpecError with the line of a mistake."""
    toml: Any = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    text = read_text(path)
    try:
        document: dict[str, Any] = toml.loads(text)
    except toml.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = Position(path, int(line[1]) if line else 1)
        raise SpecError(f"not TOML: {error}", where=where) from error
    return document
