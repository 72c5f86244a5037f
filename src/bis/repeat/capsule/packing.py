"""One run being written into a capsule: at its top, or below a directory of its own as a run inside the first."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.file_digests import sha256_of
from bis.plans import Plan
from bis.repeat.capsule import layout
from bis.repeat.capsule.inputs import LISTING, find_inputs
from bis.repeat.capsule.layout import (
    ABSENT,
    CHANGES,
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
from bis.repeat.recorded_files import logged_models
from bis.tracking.artifact_reading import artifact_files

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bis.home import Home
    from bis.tracking import Run, Store
    from bis.tracking.registry_model import LoggedModel

MAX_CHANGES_CHARACTERS = 10_000_000
_WRITTEN_ANEW = (f"bis/{PLAN}", f"bis/{ABSENT}", f"bis/{SOURCE}")
"""Artifacts that are no files of the capsule: they are written as they are now, or shared by several runs."""

_PIECE_BYTES = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)
_NEEDED = (LOCK, RECORD, SOURCE, CHANGES)
"""What a capsule is for, whatever its size."""
_COMPRESSED = (".gz", ".xz", ".bz2", ".zst", ".png", ".jpg", ".jpeg", ".parquet")
"""Not compressed again. A zip is: else a capsule that was cut short could be taken for the zip that is in it."""


@dataclass
class RunPacking:
    """A capsule being written."""

    archive: zipfile.ZipFile
    store: Store
    home: Home
    run: Run
    scratch: Path
    max_file_bytes: int
    notify: Callable[[str], None]
    trees: set[str]
    """The snapshots that are in the capsule: runs of one source share it."""
    prefix: str = ""
    """The directory of a run inside the first."""
    files: list[PackedFile] = field(default_factory=list)
    """What was written, by its path below the prefix."""
    absent: list[PackedFile] = field(default_factory=list)
    document: RunDocument = field(init=False)
    plan: Plan | None = None
    plan_sha256: str | None = None
    can_be_executed: bool = False
    """Whether the run has a plan, and the capsule its source."""

    def fill(self, *, with_inputs: bool) -> None:
        """Write all of the run, but for the manifest."""
        artifacts = [file.path for file in artifact_files(self.store, self.run_id)]
        models = self._models()
        self.document = RunDocument.of(self.store, self.run, models)
        plan_text, lock = self._text(artifacts, PLAN), self._text(artifacts, LOCK)
        if plan_text is not None:
            self.plan = Plan.from_json(plan_text)
            self.add(PLAN, layout.without_lock(plan_text, lock).encode())
            self._add_source(self.plan, artifacts)
        self.plan_sha256 = None if plan_text is None else layout.sha256_of_bytes(plan_text.encode())
        self.add(RUN, self.document.to_json().encode())
        for path in artifacts:
            if path not in _WRITTEN_ANEW and layout.member_of(path) not in self._names:
                self._add_artifact(layout.member_of(path), self._fetch(path))
        for model in models:
            self._add_model(model)
        self._add_absent(self._text(artifacts, ABSENT))
        if with_inputs:
            self._add_inputs(self._text(artifacts, RECORD))

    def finish(self) -> None:
        """Write the manifest, which comes last."""
        manifest = Manifest(self.run_id, tuple(self.files), tuple(self.absent), self.plan_sha256)
        self.add(MANIFEST, manifest.to_json().encode())

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self.run.info.run_id

    def add(self, name: str, content: bytes) -> None:
        """Write a file and list it in the manifest."""
        self._write(name, content)
        self.files.append(PackedFile(name, len(content), layout.sha256_of_bytes(content)))

    @property
    def _names(self) -> set[str]:
        return {file.path for file in self.files}

    def _models(self) -> list[LoggedModel]:
        notes = list[str]()
        models = logged_models(self.store, self.run, notes=notes)
        for note in notes:
            self.notify(f"a model of run {self.run_id[:8]} is not in the capsule: {note}")
        return models

    def _add_source(self, plan: Plan, artifacts: Sequence[str]) -> None:
        tree = plan.source.tree
        if tree is None:
            return
        self.can_be_executed = True
        if tree not in self.trees and f"bis/{SOURCE}" not in artifacts:
            self._pack_source(tree)
        elif tree not in self.trees:
            self._add_artifact(SOURCE, self._fetch(f"bis/{SOURCE}"))
        self.trees.add(tree)
        if plan.source.dirty and plan.source.commit and f"bis/{CHANGES}" not in artifacts:
            from bis.sources.bases import read_changes

            changes = read_changes(self.home, plan.source.commit, tree)
            if changes and len(changes) <= MAX_CHANGES_CHARACTERS:
                self.add(CHANGES, changes.encode())

    def _pack_source(self, tree: str) -> None:
        from bis.sources.packs import write_pack

        place = self.scratch / "source"
        with place.open("wb") as target:
            large_files = write_pack(self.home, tree, target)
        self._add_file(SOURCE, place)
        for large in large_files:
            self.notify(
                f"{large.path} is in the capsule by its digest only: snapshots do not hold files so large"
            )
            self.absent.append(PackedFile(f"{SOURCE}/{large.path}", large.size_bytes, large.sha256))

    def _add_artifact(self, member: str, place: Path) -> None:
        size_bytes = place.stat().st_size
        if size_bytes > self.max_file_bytes and member not in _NEEDED:
            self.absent.append(PackedFile(member, size_bytes, sha256_of(place)))
        else:
            self._add_file(member, place)
        place.unlink()

    def _add_model(self, model: LoggedModel) -> None:
        directory = self.scratch / model.model_id
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

    def _add_inputs(self, record: str | None) -> None:
        from pathlib import Path

        found = find_inputs(self.plan, json.loads(record) if record else {}, notify=self.notify)
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
        with (
            place.open("rb") as source,
            self.archive.open(_member(self.prefix + name), "w", force_zip64=True) as target,
        ):
            while piece := source.read(_PIECE_BYTES):
                digest.update(piece)
                size_bytes += len(piece)
                target.write(piece)
        self.files.append(PackedFile(name, size_bytes, digest.hexdigest()))

    def _text(self, artifacts: Sequence[str], name: str) -> str | None:
        if f"bis/{name}" not in artifacts:
            return None
        try:
            return self._fetch(f"bis/{name}").read_text("utf-8")
        except UnicodeDecodeError as error:
            raise CapsuleError(f"bis/{name} of run {self.run_id[:8]} is damaged: it is not text") from error

    def _fetch(self, path: str) -> Path:
        return self.store.download_artifacts(self.run_id, path, self.scratch)

    def _write(self, name: str, content: bytes) -> None:
        self.archive.writestr(_member(self.prefix + name), content)


def _member(name: str) -> zipfile.ZipInfo:
    import zipfile

    member = zipfile.ZipInfo(name, _EPOCH)
    member.create_system = 3
    member.external_attr = 0o100644 << 16
    member.compress_type = zipfile.ZIP_STORED if name.endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
    return member
