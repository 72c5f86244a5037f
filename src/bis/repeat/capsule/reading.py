"""Opens a capsule: nothing in it is believed before its digests were computed, and none of its names is a path here."""

from __future__ import annotations

import contextlib
import hashlib
import stat
from dataclasses import replace
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from bis.repeat.capsule.layout import (
    LOCK,
    MANIFEST,
    PLAN,
    RUN,
    CapsuleError,
    Manifest,
    PackedFile,
    inside,
    prefix_of,
    sha256_of_bytes,
    with_lock,
)

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator
    from pathlib import Path

# A capsule that unpacks to more than both is taken for a bomb.
MAX_UNPACKED_BYTES = 10_000_000_000
MAX_RATIO = 200
_PIECE_BYTES = 1 << 20


class OpenCapsule:
    """A capsule, or one of the runs inside it, whose every file has the size and SHA-256 that its manifest says."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest, shown: str, prefix: str = "") -> None:
        self._archive = archive
        self._shown = shown
        self._prefix = prefix
        self.manifest = manifest
        self._names = {file.path for file in manifest.files}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def read(self, name: str) -> bytes:
        """The content of a small file."""
        return self._archive.read(self._prefix + name)

    def stream(self, name: str) -> IO[bytes]:
        """The content of a file, to be read in pieces."""
        return self._archive.open(self._prefix + name)

    def inside(self) -> list[OpenCapsule]:
        """The runs inside the one of the capsule, in the order in which they began."""
        found: dict[str, list[PackedFile]] = {}
        for file in self.manifest.files:
            place = inside(file.path)
            if place is not None:
                found.setdefault(place[0], []).append(replace(file, path=place[1]))
        return [self._inner(run_id, files) for run_id, files in found.items()]

    def _inner(self, run_id: str, files: list[PackedFile]) -> OpenCapsule:
        prefix, shown = prefix_of(run_id), f"run {run_id[:8]} in {self._shown}"
        own = [file for file in files if file.path != MANIFEST]
        if len(own) == len(files):
            raise CapsuleError(f"{shown} is not whole: it has no {MANIFEST}", hint=_AGAIN)
        manifest = Manifest.from_json(self.read(prefix + MANIFEST), shown=shown)
        if manifest.run_id != run_id or set(manifest.files) != set(own) or RUN not in {f.path for f in own}:
            raise CapsuleError(f"{shown} is not what it says: its manifest is of something else", hint=_AGAIN)
        return OpenCapsule(self._archive, manifest, shown, prefix)

    def plan_text(self) -> str | None:
        """The plan as it was, the lock in it; None for a run without one."""
        if PLAN not in self:
            return None
        lock = self.read(LOCK).decode("utf-8") if LOCK in self else None
        text = with_lock(self.read(PLAN).decode("utf-8"), lock)
        if sha256_of_bytes(text.encode()) != self.manifest.plan_sha256:
            raise CapsuleError(
                f"{self._shown} is not what it says: plan and lock do not belong together", hint=_AGAIN
            )
        return text


@contextlib.contextmanager
def open_capsule(file: Path) -> Iterator[OpenCapsule]:
    """Check the whole of a capsule and open it; raise CapsuleError for one that is not to be trusted in every byte."""
    import zipfile
    import zlib

    shown = file.name
    try:
        with zipfile.ZipFile(file) as archive:
            _check_members(archive, shown)
            manifest = _read_manifest(archive, shown)
            _check_listed(archive, manifest, shown)
            _check_digests(archive, manifest, file.stat().st_size, shown)
            yield OpenCapsule(archive, manifest, shown)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise CapsuleError(f"{shown} is damaged or not whole: {error}", hint=_AGAIN) from error
    except UnicodeDecodeError as error:
        raise CapsuleError(f"{shown} is damaged: a document of it is no text", hint=_AGAIN) from error
    except OSError as error:
        raise CapsuleError(f"{shown} cannot be read: {error.strerror or error}") from error


_AGAIN = "Fetch it again from where it came, or export it anew: bis export RUN FILE.zip"


def _check_members(archive: zipfile.ZipFile, shown: str) -> None:
    seen: set[str] = set()
    for member in archive.infolist():
        name = member.filename
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name or "\\" in name or name[1:2] == ":":
            raise CapsuleError(f"{shown} is refused: the name {name!r} leaves its directory")
        if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG) or member.is_dir():
            raise CapsuleError(f"{shown} is refused: {name!r} is a link or no plain file")
        if member.flag_bits & 0x1:
            raise CapsuleError(f"{shown} is refused: {name!r} is encrypted")
        if name in seen:
            raise CapsuleError(f"{shown} is refused: it has {name!r} twice")
        seen.add(name)


def _read_manifest(archive: zipfile.ZipFile, shown: str) -> Manifest:
    try:
        text = archive.read(MANIFEST)
    except KeyError:
        raise CapsuleError(
            f"{shown} is not a capsule of bis: it has no {MANIFEST}",
            hint="bis export RUN FILE.zip makes one.",
        ) from None
    return Manifest.from_json(text, shown=shown)


def _check_listed(archive: zipfile.ZipFile, manifest: Manifest, shown: str) -> None:
    present = set(archive.namelist()) - {MANIFEST}
    listed = {file.path for file in manifest.files}
    if listed != present or len(manifest.files) != len(listed) or RUN not in listed:
        odd = sorted(listed ^ present)[:3]
        raise CapsuleError(
            f"{shown} is not what it says: its manifest and its files differ ({', '.join(odd)})", hint=_AGAIN
        )


def _check_digests(archive: zipfile.ZipFile, manifest: Manifest, packed_bytes: int, shown: str) -> None:
    room = max(MAX_UNPACKED_BYTES, MAX_RATIO * packed_bytes)
    for file in manifest.files:
        digest, size_bytes = hashlib.sha256(), 0
        with archive.open(file.path) as stream:
            while piece := stream.read(_PIECE_BYTES):
                digest.update(piece)
                size_bytes += len(piece)
                if size_bytes > room:
                    raise CapsuleError(f"{shown} is refused: it unpacks to far more than it is")
        room -= size_bytes
        if digest.hexdigest() != file.sha256 or size_bytes != file.size_bytes:
            raise CapsuleError(f"{shown} is damaged: {file.path!r} is not what its digest says", hint=_AGAIN)
