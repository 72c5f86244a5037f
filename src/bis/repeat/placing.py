"""What a run found beside its snapshot, put where it was: folders without files, and inputs that Git ignores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import NotRepeatableError
from bis.sources import is_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.repeat.recorded import RecordedRun


def make_folders(original: RecordedRun, root: Path) -> None:
    """Make the folders that the run found and that a snapshot, which has files alone, does not bring."""
    for folder in (original.record or {}).get("folders") or ():
        target = _inside(root, str(folder))
        if not target.exists():
            target.mkdir(parents=True)


def place_inputs(inputs: Mapping[str, Path], root: Path) -> None:
    """Copy inputs (path from the top of the source, to where they lie now) to where the run found them.

    They are copies, so that the run cannot write into what was only read. A likely secret is linked instead, as
    nothing of it may be left behind.
    """
    import shutil

    for name, now in inputs.items():
        target = _inside(root, name)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if is_secret(name):
            target.symlink_to(now.absolute())
        else:
            shutil.copy(now, target)


def _inside(root: Path, name: str) -> Path:
    """The path below ``root``; raises NotRepeatableError for one that leads out, itself or by a link of the tree."""
    target = root / name
    if not target.resolve().is_relative_to(root.resolve()):
        raise NotRepeatableError(f"the record names {name!r}, which is not in the source of the run")
    return target
