"""The input files of a run, when it is asked that they travel with it: found on this disk, checked, named by digest."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.file_digests import sha256_of
from bis.repeat.capsule.layout import PackedFile
from bis.sources import is_secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bis.plans import Plan
    from bis.tracking import Store

DIRECTORY = "bis/inputs"
"""The artifacts that packed inputs are: each file by its SHA-256."""
LISTING = "bis/inputs.json"
"""The artifact that names them: path, size_bytes and sha256 of each."""


@dataclass(frozen=True)
class FoundInput:
    """A file that the run read from outside its source and environment, as it lies here."""

    path: str
    """As the record has it: absolute, or from the top of the source for a file that Git ignores."""
    place: str
    """Where it lies."""
    size_bytes: int
    sha256: str

    def to_dict(self) -> dict[str, Any]:
        """The entry of the listing, which does not say where the file lies here."""
        return {"path": self.path, "size_bytes": self.size_bytes, "sha256": self.sha256}

    @property
    def packed(self) -> PackedFile:
        """The file as an artifact of the run."""
        return PackedFile(f"{DIRECTORY}/{self.sha256}", self.size_bytes, self.sha256)


def find_inputs(
    plan: Plan | None, record: dict[str, Any], *, notify: Callable[[str], None]
) -> list[FoundInput]:
    """The declared and the recorded inputs that are here and unchanged; the others are named in notes.

    A file whose name says that it holds a secret is never taken.
    """
    recorded = {entry["path"]: entry.get("sha256") for entry in _recorded(record)}
    declared = {path: None for root in _declared(plan) for path in _files(Path(root))}
    found = []
    top = _top(plan, record)
    for path, sha256 in {**declared, **recorded}.items():
        taken = _take(path, os.path.join(top, path), sha256, notify)  # noqa: PTH118 - a record has text
        if taken:
            found.append(taken)
    return found


def packed_input(store: Store, run_id: str, sha256: str, directory: Path) -> Path | None:
    """The input with this digest that was packed with a run, brought below ``directory``; None when it has none."""
    name = f"{DIRECTORY}/{sha256}"
    if all(file.path != name for file in store.list_artifacts(run_id, DIRECTORY)):
        return None
    place = store.download_artifacts(run_id, name, directory)
    return place if sha256_of(place) == sha256 else None


def _declared(plan: Plan | None) -> Iterator[str]:
    if plan is not None:
        in_tree = getattr(plan, "in_tree", {})
        yield from (path for name, path in plan.local.items() if name not in in_tree)


def _recorded(record: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for entry in record.get("files", ()):
        if entry.get("place") in ("declared", "undeclared") and entry.get("access") == "read":
            yield entry


def _files(root: Path) -> Iterator[str]:
    if root.is_file():
        yield str(root)
    elif root.is_dir():
        for directory, _, names in os.walk(root):
            yield from (f"{directory}/{name}" for name in sorted(names))


def _top(plan: Plan | None, record: dict[str, Any]) -> str:
    """The top of the source in which the run was executed."""
    inner = "" if plan is None else plan.source.subdirectory
    directory = str(record.get("directory") or "/")
    return os.path.normpath(os.path.join(directory, *[".."] * len(Path(inner).parts)))  # noqa: PTH118


def _take(path: str, place: str, sha256: str | None, notify: Callable[[str], None]) -> FoundInput | None:
    if is_secret(path):
        notify(f"{path} is not packed: its name says that it holds a secret")
        return None
    try:
        digest, size_bytes = sha256_of(place), Path(place).stat().st_size
    except OSError as error:
        notify(f"{path} is not packed: {error.strerror}")
        return None
    if sha256 not in (None, digest):
        notify(f"{path} is not packed: it has changed since the run read it")
        return None
    return FoundInput(path, place, size_bytes, digest)
