"""Where a file belongs: in the source tree, the environment, the system, among the declared inputs, or nowhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Place = Literal["tree", "environment", "system", "declared", "undeclared", "output"]

_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/etc",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/nix/store",
    "/gnu/store",
    "/System",
    "/Library",
    "/private/etc",
)
SYSTEM_FOLDERS = tuple(f"{place}/" for place in _SYSTEM)
# Folders of a user that hold nothing but secrets.
_SECRET_FOLDERS = ("/.ssh/", "/.aws/", "/.azure/", "/.gnupg/", "/.kube/", "/.docker/", "/.config/gcloud/")
_OF_TOOLS = (".git/", ".hg/", ".svn/", ".venv/")


@dataclass(frozen=True)
class Found:
    """One file: ``path`` as the record has it (relative to the root of the source within it), its place, and for a
    declared input the name of the parameter."""

    path: str
    place: Place
    parameter: str | None = None

    @property
    def inside(self) -> bool:
        """Whether it lies within the source."""
        return not self.path.startswith("/")


class Places:
    """Decides by the path alone; whether a file of the source is in the snapshot is asked of ``in_tree`` at once."""

    def __init__(
        self,
        *,
        root: Path,
        own: Path,
        environment: Iterable[str | Path],
        declared: Mapping[str, str],
        artifacts: Path | None = None,
    ) -> None:
        """``own`` is bis's home, and ``artifacts`` the place in it where the results of runs are, which others read."""
        self._artifacts = () if artifacts is None else _both(artifacts)
        self._roots = _both(root)
        self._own = (*_both(own), *_both(Path(__file__).parents[2]))  # its home, and its code: the probe
        places = {folder for place in environment for folder in _both(place)}
        self._environment = tuple(place for place in places if place not in ("/", "/usr/"))
        self._declared = [(folder, name) for name, path in declared.items() for folder in _both(path)]

    def relative(self, path: str) -> str | None:
        """The path within the source, or None outside of it."""
        for root in self._roots:
            if path.startswith(root):
                return path[len(root) :]
        return None

    def parameter(self, path: str) -> str | None:
        """The path parameter that the file is, or lies in."""
        inside = f"{path}/"
        return next((name for folder, name in self._declared if inside.startswith(folder)), None)

    def is_own(self, path: str) -> bool:
        """Whether the file is one that bis keeps for itself; sources and inputs may lie in its home as well."""
        if not path.startswith(self._own) or path.startswith(self._artifacts):
            return False
        return self.relative(path) is None and self.parameter(path) is None

    def is_kept(self, path: str) -> bool:
        """Whether the file is an artifact in bis's home."""
        return path.startswith(self._artifacts)

    def of(self, path: str, *, in_tree: frozenset[str]) -> Found:
        """Where a file that was there before the run belongs; ``in_tree`` are the source's paths in its snapshot."""
        relative = self.relative(path)
        if relative is not None and relative in in_tree:
            return Found(relative, "tree")
        parameter = self.parameter(path)
        if parameter is not None:
            return Found(path if relative is None else relative, "declared", parameter)
        if path.startswith(self._environment):
            return Found(path, "environment")
        if relative is not None:
            return Found(relative, "undeclared")
        return Found(path, "system" if path.startswith(SYSTEM_FOLDERS) else "undeclared")


def is_passed_over(relative: str) -> bool:
    """Whether a path of the source is a tool's or is generated, and so neither input nor output."""
    from bis.sources import is_generated

    return relative.startswith(_OF_TOOLS) or is_generated(relative)


def is_secret(path: str) -> bool:
    """Whether a file is likely to hold secrets, by its name or its folder: it is never read for the record."""
    from bis import sources

    return sources.is_secret(path) or any(folder in path for folder in _SECRET_FOLDERS)


def as_text(path: str) -> str:
    """The path, or another word of the system, as text that any JSON reader takes; other bytes stand as ``\\xff``."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _both(path: str | Path) -> tuple[str, ...]:
    """The folder as it was named and without links, each with a slash at its end."""
    named = os.path.normpath(path)
    return tuple({folder.rstrip("/") + "/" for folder in (named, os.path.realpath(named))})
