"""Packs a run into one file from which it can be executed again elsewhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError
from bis.repeat.capsule import crate, layout
from bis.repeat.capsule.layout import CRATE, PackedFile
from bis.repeat.capsule.packing import RunPacking
from bis.tracking import tags
from bis.tracking.families import family

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bis.home import Home
    from bis.tracking import Run, Store

MAX_FILE_BYTES = 50_000_000
"""Artifacts above this size stand in a capsule by their digest, unless another limit is given."""


@dataclass(frozen=True)
class Exported:
    """A capsule that was written."""

    file: Path
    run_id: str
    size_bytes: int
    files: tuple[PackedFile, ...]
    absent: tuple[PackedFile, ...]
    """Known by their digests only: artifacts above the limit, large files of the source."""
    can_be_executed: bool
    """Whether it has a plan and the source; of a pipeline, whether its steps have."""
    inside: int = 0
    """How many runs inside the run are in it."""


def export_capsule(
    store: Store,
    home: Home,
    run_id: str,
    file: Path,
    *,
    notify: Callable[[str], None],
    with_inputs: bool = False,
    alone: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
    replace: bool = False,
) -> Exported:
    """Write the capsule of a run that has ended to ``file``, with the runs inside it unless it is to be ``alone``.

    The same run gives the same bytes.

    Raises UsageError when the run has not ended or the file is there, SourceError when its snapshot is not.
    """
    import tempfile
    import zipfile

    run = store.run(run_id)
    if not run.info.status.is_terminated:
        raise UsageError(f"run {run_id[:8]} has not ended", hint="A capsule holds a run that has.")
    if file.exists() and not replace:
        raise UsageError(f"{file} is there already", hint="Choose another name, or add --force.")
    inside = () if alone else _inside(store, run, notify)
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(prefix="bis-export-") as scratch:
            with zipfile.ZipFile(aside, "w") as archive:
                top = RunPacking(archive, store, home, run, Path(scratch), max_file_bytes, notify, set())
                top.fill(with_inputs=with_inputs)
                packed = [_pack_inside(top, each, with_inputs=with_inputs) for each in inside]
                can_be_executed = _can_be_executed(top, packed)
                top.add(CRATE, crate.describe(top.document, top.plan, top.files).encode())
                top.finish()
            aside.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)
    if not can_be_executed:
        notify(f"{_why_not(top)}: its capsule can be read and not executed")
    absent = [*top.absent, *(layout.below(each.prefix, file) for each in packed for file in each.absent)]
    return Exported(
        file, run_id, file.stat().st_size, tuple(top.files), tuple(absent), can_be_executed, len(packed)
    )


def _inside(store: Store, run: Run, notify: Callable[[str], None]) -> list[Run]:
    """The runs inside it that have ended, those that were taken in the place of one included; each once."""
    found = {each.run.info.run_id: each.run for each in family(store, run).descendants()}
    found.pop(run.info.run_id, None)
    for inner in found.values():
        if not inner.info.status.is_terminated:
            notify(f"run {inner.info.run_id[:8]} inside it has not ended, and is not in the capsule")
    return [inner for inner in found.values() if inner.info.status.is_terminated]


def _pack_inside(top: RunPacking, run: Run, *, with_inputs: bool) -> RunPacking:
    packing = RunPacking(
        top.archive,
        top.store,
        top.home,
        run,
        top.scratch,
        top.max_file_bytes,
        top.notify,
        top.trees,
        layout.prefix_of(run.info.run_id),
    )
    packing.fill(with_inputs=with_inputs)
    packing.finish()
    top.files += [layout.below(packing.prefix, file) for file in packing.files]
    return packing


def _can_be_executed(top: RunPacking, inside: Sequence[RunPacking]) -> bool:
    """Whether it has a plan and the source; of a pipeline, whether a step has."""
    steps = [each for each in inside if each.plan is not None]
    if tags.PIPELINE in top.run.tags:
        return bool(steps) and all(each.can_be_executed for each in steps)
    return top.can_be_executed


def _why_not(top: RunPacking) -> str:
    if tags.PIPELINE in top.run.tags:
        return "the steps of this pipeline are not in it"
    return (
        "this run has no plan (bis did not make it)"
        if top.plan is None
        else "this run has no snapshot of its source"
    )
