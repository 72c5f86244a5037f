"""Packs a run into one file from which it can be executed again elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import UsageError
from bis.file_digests import sha256_of
from bis.plans import Plan
from bis.repeat.capsule import crate, layout
from bis.repeat.capsule.inputs import LISTING, find_inputs
from bis.repeat.capsule.layout import (
    ABSENT,
    CHANGES,
    CRATE,
    LOCK,
    MANIFEST,
    PLAN,
    RECORD,
    RUN,
    SOURCE,
    CapsuleError,
    Manifest,
    PackedFile,
)
from bis.repeat.capsule.run_document import RunDocument
from bis.repeat.recorded import logged_models
from bis.tracking import tags
from bis.tracking.families import children

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bis.home import Home
    from bis.tracking import Store
    from bis.tracking.registry_model import LoggedModel

MAX_FILE_BYTES = 50_000_000
"""Artifacts above this size stand in a capsule by their digest, unless another limit is given."""
MAX_CHANGES_CHARACTERS = 10_000_000

_PIECE_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NEEDED = (LOCK, RECORD, SOURCE, CHANGES)
"""What a capsule is for, whatever its size."""
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".png", ".jpg", ".jpeg", ".parquet")
"""Not compressed again. A zip is: else a capsule that was cut short could be taken for the zip that is in it."""


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
    """Whether it has a plan and the source."""


def export_capsule(
    store: Store,
    home: Home,
    run_id: str,
    file: Path,
    *,
    notify: Callable[[str], None],
    with_inputs: bool = False,
    max_file_bytes: int = MAX_FILE_BYTES,
    replace: bool = False,
) -> Exported:
    """Write the capsule of a run that has ended to ``file``; the same run gives the same bytes.

    Raises UsageError when the run has not ended or the file is there, SourceError when its snapshot is not.
    """
    import tempfile
    import zipfile

    run = store.run(run_id)
    if not run.info.status.is_terminated:
        raise UsageError(f"run {run_id[:8]} has not ended", hint="A capsule holds a run that has.")
    inside = len(children(store, run_id))
    if inside:
        notify(f"the {inside} runs inside run {run_id[:8]} are not in the capsule: export each that you want")
    if file.exists() and not replace:
        raise UsageError(f"{file} is there already", hint="Choose another name, or add --force.")
    aside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory(prefix="bis-export-") as scratch:
            with zipfile.ZipFile(aside, "w") as archive:
                packing = _Packing(archive, store, home, run_id, scratch, max_file_bytes)
                notes = list[str]()
                models = logged_models(store, run, notes=notes)
                for note in notes:
                    notify(f"a model of the run is not in the capsule: {note}")
                document = RunDocument.of(store, run, models)
                can_be_executed = packing.fill(document, models, with_inputs, notify)
            aside.replace(file)
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)
    size_bytes = file.stat().st_size
    return Exported(file, run_id, size_bytes, tuple(packing.files), tuple(packing.absent), can_be_executed)


@dataclass
class _Packing:
    """A capsule being written."""

    archive: zipfile.ZipFile
    store: Store
    home: Home
    run_id: str
    scratch: str
    max_file_bytes: int
    files: list[PackedFile] = field(default_factory=list)
    absent: list[PackedFile] = field(default_factory=list)

    def fill(
        self,
        run: RunDocument,
        models: Iterable[LoggedModel],
        with_inputs: bool,
        notify: Callable[[str], None],
    ) -> bool:
        """Write all of it; the manifest last. Returns whether it can be executed again."""
        artifacts = dict(_walk(self.store, self.run_id))
        plan_text, lock = self._text(artifacts, PLAN), self._text(artifacts, LOCK)
        plan = None if plan_text is None else Plan.from_json(plan_text)
        if plan_text is None:
            why = "a pipeline has no plan of its own" if tags.PIPELINE in run.tags else "bis did not make it"
            notify(f"this run has no plan ({why}): its capsule can be read and not executed")
        else:
            self.add(PLAN, layout.without_lock(plan_text, lock).encode())
            self._add_source(plan, artifacts, notify)
        self.add(RUN, run.to_json().encode())
        for path in artifacts:
            if path not in (f"bis/{PLAN}", f"bis/{ABSENT}") and layout.member_of(path) not in self._names:
                self._add_artifact(layout.member_of(path), self._fetch(path))
        for model in models:
            self._add_model(model)
        self._add_absent(self._text(artifacts, ABSENT))
        if with_inputs:
            self._add_inputs(plan, self._text(artifacts, RECORD), notify)
        self.add(CRATE, crate.describe(run, plan, self.files).encode())
        whole = None if plan_text is None else layout.sha256_of(plan_text.encode())
        manifest = Manifest(self.run_id, tuple(self.files), tuple(self.absent), whole)
        self._write(MANIFEST, manifest.to_json().encode())
        return plan is not None and SOURCE in self._names

    def add(self, name: str, content: bytes) -> None:
        """Write a file and list it in the manifest."""
        self._write(name, content)
        self.files.append(PackedFile(name, len(content), layout.sha256_of(content)))

    @property
    def _names(self) -> set[str]:
        return {file.path for file in self.files}

    def _add_source(
        self, plan: Plan | None, artifacts: dict[str, int], notify: Callable[[str], None]
    ) -> None:
        tree = plan.source.tree if plan else None
        if plan is None or tree is None:
            notify("this run has no snapshot of its source: its capsule can be read and not executed")
            return
        if f"bis/{SOURCE}" not in artifacts:
            self._pack_source(tree, notify)
        if plan.source.dirty and plan.source.commit and f"bis/{CHANGES}" not in artifacts:
            from bis.sources.bases import read_changes

            changes = read_changes(self.home, plan.source.commit, tree)
            if changes and len(changes) <= MAX_CHANGES_CHARACTERS:
                self.add(CHANGES, changes.encode())

    def _pack_source(self, tree: str, notify: Callable[[str], None]) -> None:
        from pathlib import Path

        from bis.sources.packs import write_pack

        place = Path(self.scratch) / "source"
        with place.open("wb") as target:
            large_files = write_pack(self.home, tree, target)
        self._add_file(SOURCE, place)
        for large in large_files:
            notify(f"{large.path} is in the capsule by its digest only: snapshots do not hold files so large")
            self.absent.append(PackedFile(f"{SOURCE}/{large.path}", large.size_bytes, large.sha256))

    def _add_artifact(self, member: str, place: Path) -> None:
        size_bytes = place.stat().st_size
        if size_bytes > self.max_file_bytes and member not in _NEEDED:
            self.absent.append(PackedFile(member, size_bytes, sha256_of(place)))
        else:
            self._add_file(member, place)
        place.unlink()

    def _add_model(self, model: LoggedModel) -> None:
        from pathlib import Path

        directory = Path(self.scratch) / model.model_id
        self.store.download_from(model.artifact_uri, "", directory)
        for place in sorted(path for path in directory.rglob("*") if path.is_file()):
            path = place.relative_to(directory).as_posix()
            self._add_artifact(layout.member_of_model(model.model_id, path), place)

    def _add_absent(self, known: str | None) -> None:
        """List what the capsule in which the run came here did not hold."""
        try:
            self.absent += layout.absent_from_json(known) if known else ()
        except ValueError as error:
            raise CapsuleError(f"bis/{ABSENT} of run {self.run_id[:8]} is damaged: {error}") from error

    def _add_inputs(self, plan: Plan | None, record: str | None, notify: Callable[[str], None]) -> None:
        from pathlib import Path

        found = find_inputs(plan, json.loads(record) if record else {}, notify=notify)
        for each in found:
            member = layout.member_of(each.packed.path)
            if member not in self._names:
                self._add_file(member, Path(each.place))
        if layout.member_of(LISTING) not in self._names:
            listing = json.dumps([each.to_dict() for each in found], indent=1) + "\n"
            self.add(layout.member_of(LISTING), listing.encode())

    def _add_file(self, name: str, place: Path) -> None:
        """Copy a file into the capsule and list what was copied, whatever becomes of the file meanwhile."""
        digest, size_bytes = hashlib.sha256(), 0
        with place.open("rb") as source, self.archive.open(_member(name), "w", force_zip64=True) as target:
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                size_bytes += len(piece)
                target.write(piece)
        self.files.append(PackedFile(name, size_bytes, digest.hexdigest()))

    def _text(self, artifacts: dict[str, int], name: str) -> str | None:
        if f"bis/{name}" not in artifacts:
            return None
        try:
            return self._fetch(f"bis/{name}").read_text("utf-8")
        except UnicodeDecodeError as error:
            raise CapsuleError(f"bis/{name} of run {self.run_id[:8]} is damaged: it is not text") from error

    def _fetch(self, path: str) -> Path:
        from pathlib import Path

        return self.store.download_artifacts(self.run_id, path, Path(self.scratch))

    def _write(self, name: str, content: bytes) -> None:
        self.archive.writestr(_member(name), content)


def _member(name: str) -> zipfile.ZipInfo:
    import zipfile

    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3
    member.external_attr = 0o100644 << 16
    member.compress_type = zipfile.ZIP_STORED if name.endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
    return member


def _walk(store: Store, run_id: str, path: str = "") -> Iterator[tuple[str, int]]:
    """Each artifact with its size, in the order of paths."""
    for entry in store.list_artifacts(run_id, path):
        if entry.is_dir:
            yield from _walk(store, run_id, entry.path)
        else:
            yield entry.path, entry.size_bytes or 0
