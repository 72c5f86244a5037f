"""The copy of a project that a container works in: the original is never written."""

from __future__ import annotations

import filecmp
import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from bis.execution.container.mounts import Mount
from bis.sources import is_generated, restore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bis.home import Home
    from bis.sources import Source

_MOST_MOUNTS = 100
"""Files and folders beside the snapshot that are shown to the container."""
_LEFT_OUT = frozenset((".git", ".hg", ".svn", ".venv"))


class Workspace:
    """A source whose root is a fresh directory with the files of the snapshot.

    What lies beside them, as data that Git ignores, is ``beside``: shown to the container where it lies, read-only.
    """

    def __init__(self, original: Source, directory: Path, home: Home, notify: Callable[[str], None]) -> None:
        if original.tree is None:
            shutil.copytree(
                original.root, directory, symlinks=True, ignore=shutil.ignore_patterns(*_LEFT_OUT)
            )
        else:
            for missing in restore(original.tree, directory, home, originals=original.root):
                notify(f"{missing.path} is too large for a snapshot and was not found any more")
        self.source = replace(
            original, root=directory, directory=directory / original.subdirectory, lease=None
        )
        found = list(_beside(original.root, directory, ""))
        if len(found) > _MOST_MOUNTS:
            notify(
                f"{len(found)} files and folders are ignored by Git; the container sees {_MOST_MOUNTS} of them:"
                " name the others as volumes of docker_env"
            )
        self._beside = found[:_MOST_MOUNTS]
        self._originals = original.root
        for path in self._beside:
            _placeholder(original.root / path, directory / path)

    def mounts(self, target: str) -> list[Mount]:
        """The workspace at ``target``, and what lies beside its files."""
        beside = [Mount(self._originals / path, f"{target}/{path}") for path in self._beside]
        return [Mount(self.source.root, target, writable=True), *beside]

    def copy_of(self, path: str) -> str:
        """A file of the original as the snapshot has it, in the workspace; the path itself where that is another."""
        within = os.path.relpath(path, self._originals)
        copy = self.source.root / within
        is_same = not within.startswith("../") and copy.is_file() and filecmp.cmp(path, copy, shallow=False)
        return str(copy) if is_same else path

    def link_beside(self) -> None:
        """Let the places of what lay beside lead to it, when the container is gone: what was read there is hashed."""
        for path in self._beside:
            place = self.source.root / path
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
            place.symlink_to(self._originals / path)


def _beside(original: Path, copy: Path, below: str) -> Iterator[str]:
    """Paths of what the original has and the copy has not; a folder that is missing whole is one path."""
    with os.scandir(original / below) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            path = f"{below}{entry.name}"
            if entry.name in _LEFT_OUT or is_generated(path) or entry.is_symlink():
                continue
            if not os.path.lexists(copy / path):
                yield path
            elif entry.is_dir():
                yield from _beside(original, copy, f"{path}/")


def _placeholder(original: Path, place: Path) -> None:
    """What the engine mounts upon; it would make it itself, as root."""
    if original.is_dir():
        place.mkdir()
    else:
        place.touch()
