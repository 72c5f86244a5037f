"""What a snapshot remembers until the next one of the same root."""

from __future__ import annotations

import json
import os
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING, Any

from bis.file_stamps import Stamp
from bis.home_files import read_document, replace_text
from bis.sources.large_files import Known
from bis.sources.source import LargeFile

if TYPE_CHECKING:
    from pathlib import Path

# Raised when what enters a snapshot, or this file, changes: older states are not read.
_FORMAT = 1


@dataclass(frozen=True)
class Snapshot:
    """A tree id, and the files that stand in it by their hash only."""

    tree: str
    large_files: tuple[LargeFile, ...] = ()


@dataclass(frozen=True)
class State:
    """What was found the last time; valid only together with the index beside it.

    ``nested`` and ``absent`` are candidates that are no files: repositories inside the tree, and tracked
    files that are not on the disk.
    """

    listing: str
    tree: str
    limit_bytes: int
    large: dict[bytes, Known]
    nested: tuple[bytes, ...]
    absent: tuple[bytes, ...]

    @property
    def snapshot(self) -> Snapshot:
        return Snapshot(self.tree, tuple(known.file for _, known in sorted(self.large.items())))


def read_state(file: Path) -> State | None:
    """The state kept in ``file``; None when there is none that can be used."""
    document = read_document(file)
    if document is None or document.get("format") != _FORMAT:
        return None
    known = [_known(entry) for entry in document["large"]]
    return State(
        document["listing"],
        document["tree"],
        document["limit_bytes"],
        {os.fsencode(each.file.path): each for each in known},
        tuple(os.fsencode(path) for path in document["nested"]),
        tuple(os.fsencode(path) for path in document["absent"]),
    )


def write_state(file: Path, state: State) -> None:
    """Keep ``state``; a reader sees all of it or nothing."""
    document = {
        "format": _FORMAT,
        "listing": state.listing,
        "tree": state.tree,
        "limit_bytes": state.limit_bytes,
        "large": [[*astuple(known.file), *known.stamp] for known in state.large.values()],
        "nested": [os.fsdecode(path) for path in state.nested],
        "absent": [os.fsdecode(path) for path in state.absent],
    }
    replace_text(file, json.dumps(document), durable=False)


def _known(entry: list[Any]) -> Known:
    path, size_bytes, sha256, *stamp = entry
    return Known(LargeFile(path, size_bytes, sha256), Stamp(*stamp))
