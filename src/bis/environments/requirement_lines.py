"""Requirement lines as pip reads them: ``-r`` and ``-c`` files, options, local paths, packages.

The grammar is pip's (pip documentation, "Requirements File Format"); nothing is resolved here.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.environments.documents import read_text
from bis.environments.spec import LocalRequirement
from bis.errors import Position, SpecError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_OPTION = re.compile(r"(--?[A-Za-z][A-Za-z-]*)(?:\s*=\s*|\s+|(?<=^-\w)(?=\S)|$)(.*)", re.DOTALL)
_COMMENT = re.compile(r"(^|\s+)#.*$")
_NAMED_PATH = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^]]*\])?\s*@\s*(?P<target>.*)")
_EXTRAS = re.compile(r"(?P<path>.*?)(?P<extras>\[[^]]*\])?$")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tar.bz2", ".tgz")

_SHORT = {
    "-i": "--index-url",
    "-f": "--find-links",
    "-r": "--requirement",
    "-c": "--constraint",
    "-e": "--editable",
}
_KEPT = {"--index-url", "--extra-index-url", "--find-links", "--no-binary", "--only-binary", "--trusted-host"}
_FLAGS = {"--pre", "--no-index"}
_WITHOUT_EFFECT = {
    "--prefer-binary",
    "--require-hashes",
    "--use-feature",
    "--process-dependency-links",
    "--use-pep517",
}
_READ = {"--requirement", "--constraint", "--editable"}


@dataclass
class RequirementLines:
    """What the lines of one declaration come to; ``add`` is called once a line or file."""

    project: Path
    requirements: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    local: list[LocalRequirement] = field(default_factory=list)
    options: list[str] = field(default_factory=list)
    _reading: list[Path] = field(default_factory=list)

    def add_file(self, path: Path, where: Position | None = None, *, constrains: bool = False) -> None:
        """Add every line of a requirements file; a file that names itself again is read once."""
        path = path.resolve()
        if path in self._reading:
            return
        text = read_text(path, where)
        self._reading.append(path)
        for number, line in logical_lines(text):
            self.add(line, Position(path, number), constrains=constrains)
        self._reading.pop()

    def add(self, line: str, where: Position, *, constrains: bool = False) -> None:
        """Add one line; relative paths in it are relative to the file that ``where`` names."""
        line = _COMMENT.sub("", line).strip()
        if not line:
            return
        option = _OPTION.fullmatch(line) if line.startswith("-") else None
        if option:
            name = _SHORT.get(option[1], option[1])
            self._add_option(name, option[2].strip().strip("'\""), where, constrains=constrains)
        elif line.startswith("-"):
            raise SpecError(f"cannot read the requirement {line!r}", where=where)
        elif constrains:
            self.constraints.append(line)
        else:
            local = local_requirement(line, self.project, where)
            self.local.append(local) if local else self.requirements.append(line)

    def _add_option(self, name: str, value: str, where: Position, *, constrains: bool) -> None:
        if name in _READ and not value:
            raise SpecError(f"{name} needs a value", where=where)
        if name in {"--requirement", "--constraint"}:
            self._add_named_file(value, where, constrains=constrains or name == "--constraint")
        elif name == "--editable":
            self._add_editable(value, where)
        elif name in _FLAGS:
            self.options.append(name)
        elif name == "--find-links" and "://" not in value:
            self.options.append(f"{name}={_relative(_absolute(value, where), self.project)}")
        elif name in _KEPT:
            self.options.append(f"{name}={value}")
        elif name not in _WITHOUT_EFFECT:
            known = (*_KEPT, *_FLAGS, *_READ)
            raise SpecError(f"unknown option {name}", where=where, hint=did_you_mean(name, known))

    def _add_named_file(self, value: str, where: Position, *, constrains: bool) -> None:
        if "://" in value:
            raise SpecError(
                "requirements files are not read from the network, since nothing would pin them",
                where=where,
                hint="Copy the file into the project and name it here.",
            )
        self.add_file(where.file.parent / value, where, constrains=constrains)

    def _add_editable(self, value: str, where: Position) -> None:
        local = local_requirement(value, self.project, where, editable=True)
        if local:
            self.local.append(local)
        else:  # a checkout of a repository: there is nothing of the user's to edit, so a copy will do
            self.requirements.append(value)


def lines_for_uv(options: Sequence[str], directory: Path | None) -> list[str]:
    """Return the options that uv takes from a requirements file, paths made absolute."""
    found = []
    for option in options:
        name, _, value = option.partition("=")
        if name == "--find-links" and "://" not in value and directory is not None:
            found.append(f"{name}={directory / value}")
        elif name not in {"--pre", "--trusted-host"}:
            found.append(option)
    return found


def flags_for_uv(options: Sequence[str]) -> list[str]:
    """Return the flags that make uv treat indexes as pip does, for options that it does not take from a file."""
    flags = []
    if any(each.startswith("--extra-index-url") for each in options):
        flags.append("--index-strategy=unsafe-best-match")  # pip looks at all indexes for the best version
    trusted = [each.partition("=")[2] for each in options if each.startswith("--trusted-host")]
    return flags + [f"--allow-insecure-host={host}" for host in trusted]


def logical_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines with their numbers, those that end in a backslash joined with the next.

    >>> logical_lines("six \\\\\\n>=1\\nattrs")
    [(1, 'six >=1'), (3, 'attrs')]
    """
    found: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        first, before = begun or (number, "")
        begun = None
        joined = before + line
        if joined.endswith("\\") and not line.lstrip().startswith("#"):
            begun = (first, joined[:-1])
        else:
            found.append((first, joined))
    return [*found, begun] if begun else found


def local_requirement(
    line: str, project: Path, where: Position, *, editable: bool = False
) -> LocalRequirement | None:
    """Return the local package that a line names, or None when it names one of an index or a repository."""
    target, _, marker = (part.strip() for part in line.partition(" ;"))
    named = _NAMED_PATH.fullmatch(target)
    extras = (named["extras"] or "") if named else ""
    if named:
        target = named["target"]
    if not _is_local(target, editable=editable):
        return None
    if not named:
        split = _EXTRAS.fullmatch(target)
        target, extras = (split["path"], split["extras"] or "") if split else (target, "")
    path = _absolute(target, where)
    return LocalRequirement(_relative(path, project), extras, marker, editable)


def _is_local(target: str, *, editable: bool) -> bool:
    if target.startswith("file:"):
        return True
    if "://" in target or target.startswith(("git+", "hg+", "svn+", "bzr+")):
        return False
    return editable or target.startswith((".", "/")) or "/" in target or target.endswith(_ARCHIVES)


def _absolute(target: str, where: Position) -> str:
    if target.startswith("file:"):
        from urllib.parse import unquote

        target = unquote(target.removeprefix("file:").removeprefix("//localhost"))
        target = "/" + target.lstrip("/") if target.startswith("//") else target
    path = os.path.normpath(os.path.join(where.file.parent, target))  # noqa: PTH118  # keeps links as they are
    if not os.path.exists(path):  # noqa: PTH110  # a str all the way
        raise SpecError(
            f"there is no {target!r} to install", where=where, hint="The path is relative to this file."
        )
    return path


def _relative(path: str, project: Path) -> str:
    relative = os.path.relpath(path, project)
    return path if relative.startswith("../../..") else relative
