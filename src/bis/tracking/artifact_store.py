"""What every place for artifacts does: a directory, or a bucket of an object store."""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from bis.errors import TrackingError
from bis.tracking.refusals import absent, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from bis.tracking.model import FileInfo

CHUNK_BYTES = 1 << 20
"""What is read or written at a time."""

_LONGEST_NAME = 255
_LONGEST_PATH = 1000
"""Bytes of a name and characters of a path that every disk and every object store takes."""

_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:/")


class Target(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> object: ...


class StoredFile(Protocol):
    """One artifact, open for reading: all that is read of it is of one version.

    ``etag`` changes with its content, quoted as HTTP wants it; ``modified`` is in seconds since 1970 UTC.
    """

    size_bytes: int
    etag: str
    modified: float

    def chunks(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes from ``start`` on, a part at a time."""
        ...


class ArtifactStore(Protocol):
    """Files by name below a root. Names go through ``checked_path``, so that none leaves the root."""

    @property
    def uri(self) -> str:
        """The address of the root, without credentials."""
        ...

    def below(self, path: str) -> ArtifactStore:
        """The store whose root is the directory ``path`` of this one."""
        ...

    def open(self, path: str) -> AbstractContextManager[StoredFile]:
        """The file at ``path``; refused as absent when there is none."""
        ...

    def writing(self, path: str) -> AbstractContextManager[Target]:
        """A file to fill; it appears at ``path``, whole, when the block ends, and not at all when it raises."""
        ...

    def listing(self, path: str = "") -> list[FileInfo]:
        """What lies in the directory ``path``, by name; empty for a file, as MLflow's clients expect."""
        ...

    def files(self, path: str = "") -> Iterator[FileInfo]:
        """All files at or below ``path``, each with its path below the root."""
        ...

    def delete(self, path: str) -> None:
        """Remove the file or directory at ``path``; refused as absent when there is none."""
        ...

    def write(self, path: str, content: bytes) -> None:
        """Write one file."""
        with self.writing(path) as file:
            file.write(content)

    def add(self, local: Path, path: str) -> None:
        """Copy the file, or the directory with all it holds, to ``path``."""
        for file, name in local_files(local):
            with self.writing(f"{path}/{name}".strip("/")) as target, file.open("rb") as source:
                copy(source, target)

    def copy_to(self, path: str, destination: Path) -> Path:
        """Copy the file or directory at ``path`` below ``destination``; returns where it is now."""
        from bis.tracking.artifacts import ArtifactDirectory

        target, is_empty = ArtifactDirectory(destination), True
        for found in self.files(path):
            is_empty = False
            with self.open(found.path) as source, target.writing(found.path) as file:
                write_all(source.chunks(), file)
        if is_empty and not self._is_directory(path):
            raise unknown_artifact(path)
        return destination / path

    def _is_directory(self, path: str) -> bool: ...


def open_artifacts(place: str | Path) -> ArtifactStore:
    """The store at a directory, a ``file:`` URI, or ``s3://``, ``gs://``, ``az://``. Nothing is made or asked yet.

    Raises TrackingError for another address, and for one that holds credentials.
    """
    from bis.tracking.artifacts import ArtifactDirectory

    folder = place if isinstance(place, Path) else folder_of(place)
    if folder is not None:
        return ArtifactDirectory(folder)
    from bis.tracking.object_artifacts import ObjectArtifacts

    return ObjectArtifacts.at(str(place))


def folder_of(place: str) -> Path | None:
    """The directory that ``open_artifacts`` has for an address; None for one of a bucket."""
    from bis.tracking.artifacts import local_directory

    scheme, separator, _ = place.partition("://")
    if separator and scheme.lower() in OBJECT_SCHEMES:
        return None
    return local_directory(place) if _ANY_SCHEME.match(place) else Path(place)


OBJECT_SCHEMES = ("s3", "s3a", "gs", "az", "abfs", "abfss")


def checked_path(path: str) -> str:
    """``path`` without its empty and ``.`` segments; refused when it could leave its root.

    It must have been decoded already, once: ``%2e%2e`` is the name of a file here.
    """
    if "\0" in path or "\\" in path or path.startswith("/") or _ANY_SCHEME.match(path):
        raise invalid(f"Invalid path: {path[:200]!r}")
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if ".." in segments:
        raise invalid(f"Invalid path: {path[:200]!r}")
    if len(path) > _LONGEST_PATH or any(_is_too_long(segment) for segment in segments):
        raise invalid(f"Invalid path: {path[:200]!r}... is too long")
    return "/".join(segments)


def _is_too_long(name: str) -> bool:
    return len(name) * 4 > _LONGEST_NAME and len(name.encode("utf-8", "surrogatepass")) > _LONGEST_NAME


def unknown_artifact(path: str) -> TrackingError:
    """The error for a path where nothing is."""
    return absent(f"No such artifact: {path[:200]!r}")


def local_files(local: Path) -> list[tuple[Path, str]]:
    """The files to upload for ``local``, each with its path below it ("" for a file itself)."""
    if local.is_file():
        return [(local, "")]
    if not local.is_dir():
        raise TrackingError(f"no such file or directory: {local}", hint="Check the path of the artifact.")
    return [(file, file.relative_to(local).as_posix()) for file in sorted(local.rglob("*")) if file.is_file()]


def copy(source: IO[bytes], target: Target) -> None:
    """Copy a stream without holding it in memory."""
    while chunk := source.read(CHUNK_BYTES):
        target.write(chunk)


def write_all(parts: Iterable[bytes], target: Target) -> None:
    """Write the parts one after the other."""
    for part in parts:
        target.write(part)


@contextmanager
def told(path: str) -> Iterator[None]:
    """What the disk refuses, in words: 507 to a client when it is full."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise invalid(f"Invalid path: {path[:200]!r} is in the way of, or below, another artifact") from error
    except OSError as error:
        raise TrackingError(
            f"cannot write the artifact {path[:200]!r}: {error.strerror}",
            hint="Check that its disk has space and that its directory can be written.",
        ) from error
