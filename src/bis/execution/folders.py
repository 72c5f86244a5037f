"""The folders of a project as a run found them: a snapshot has files alone, and a script may count on an empty one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.sources import is_generated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_MOST_LOOKED_AT = 5_000
"""Entries that are looked at: this happens before each command."""
_MOST_EMPTY = 200
_OF_TOOLS = frozenset({".git", ".hg", ".svn", ".venv"})


@dataclass(frozen=True)
class FoundFolders:
    """Absolute paths, as they were before the command started."""

    there: frozenset[str] = frozenset()
    empty: frozenset[str] = frozenset()

    @classmethod
    def of(cls, directory: Path) -> FoundFolders:
        """The folders below ``directory``: not tools' own and generated ones, nor what is beyond 5,000 entries."""
        there: set[str] = set()
        empty: set[str] = set()
        for folder, inside in _walk(os.fspath(directory)):
            there.add(folder)
            if not inside:
                empty.add(folder)
        return cls(frozenset(there), frozenset(sorted(empty)[:_MOST_EMPTY]))

    def of_note(self, written: Iterable[str], listed: Iterable[str]) -> set[str]:
        """Those that a run may need: it wrote into them, listed them, or they were empty."""
        used = {os.path.dirname(path) for path in written} | set(listed)  # noqa: PTH120 - many, and they are text
        return (used & self.there) | self.empty


def _walk(top: str) -> Iterator[tuple[str, int]]:
    """Each folder below ``top`` with the number of its entries."""
    left, folders = _MOST_LOOKED_AT, [top]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError:
            continue
        left -= len(entries)
        if left < 0:
            return
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        if folder != top:
            yield folder, len(entries)
        folders += [entry.path for entry in entries if _is_of_the_project(entry)]


def _is_of_the_project(entry: os.DirEntry[str]) -> bool:
    if entry.name in _OF_TOOLS or not entry.is_dir(follow_symlinks=False):
        return False
    return not is_generated(f"{entry.name}/_")
