"""A directory of artifacts: the one place where a path that a client names becomes a path on disk."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.artifact_store import (
    CHUNK_BYTES,
    ArtifactStore,
    checked_path,
    told,
    unknown_artifact,
)
from bis.tracking.model import FileInfo
from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = "mlflow-artifacts:"
"""What an address below a store's artifact root begins with."""

_PART_SUFFIX = ".bis-part"


class _OpenFile:
    """A file of a directory; what is read stays of one version, also when another takes its place."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        status = os.fstat(file.fileno())
        self.size_bytes = status.st_size
        self.modified = status.st_mtime
        self.etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'

    def chunks(self, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        self._file.seek(start)
        left = self.size_bytes - start if length is None else length
        while left > 0:
            chunk = self._file.read(min(left, CHUNK_BYTES))
            if not chunk:
                raise OSError("the file became shorter while it was read")
            left -= len(chunk)
            yield chunk


@dataclass(frozen=True)
class ArtifactDirectory(ArtifactStore):
    """Files below ``root``, which is made with the first of them. No path leaves it, through links
    neither.
    """

    root: Path

    @property
    def uri(self) -> str:
        """The path of the root."""
        return str(self.root)

    def below(self, path: str) -> ArtifactDirectory:
        """The directory ``path`` of this one."""
        return ArtifactDirectory(self.resolve(path))

    def resolve(self, path: str) -> Path:
        """Where ``path`` is, whether there is something or not; refused when that is not below the root."""
        root = os.path.realpath(self.root)
        try:
            found = os.path.realpath(os.path.join(root, checked_path(path)))  # noqa: PTH118  realpath is exact for links
        except (OSError, ValueError) as error:
            raise invalid(f"Invalid path: {path[:200]!r}") from error
        if found != root and not found.startswith(root.rstrip(os.sep) + os.sep):
            raise invalid(f"Invalid path: {path[:200]!r}")
        return Path(found)

    def file(self, path: str) -> Path:
        """The existing file at ``path``."""
        found = self.resolve(path)
        if not found.is_file():
            raise unknown_artifact(path)
        return found

    @contextmanager
    def open(self, path: str) -> Iterator[_OpenFile]:
        """The existing file at ``path``, open for reading."""
        with self.file(path).open("rb", buffering=0) as file:
            yield _OpenFile(file)

    def listing(self, path: str = "") -> list[FileInfo]:
        """What lies in the directory ``path``, by name; empty for a file, as MLflow's clients expect."""
        found, prefix = self.resolve(path), checked_path(path)
        if not found.is_dir():
            return []
        with os.scandir(found) as entries:
            kept = sorted(
                (entry for entry in entries if not entry.name.endswith(_PART_SUFFIX)), key=lambda e: e.name
            )
        return [_information(entry, f"{prefix}/{entry.name}" if prefix else entry.name) for entry in kept]

    def files(self, path: str = "") -> Iterator[FileInfo]:
        """All files at or below ``path``, each with its path below the root."""
        found = self.resolve(path)
        if found.is_file():
            yield FileInfo(checked_path(path), is_dir=False, size_bytes=found.stat().st_size)
        for entry in self.listing(path):
            if not entry.is_dir:
                yield entry
            elif not (self.root / entry.path).is_symlink():  # a link to a parent would have no end
                yield from self.files(entry.path)

    @contextmanager
    def writing(self, path: str) -> Iterator[IO[bytes]]:
        """A file to fill; it appears at ``path``, whole, when the block ends, and not at all when it
        raises.
        """
        target = self.resolve(path)
        if target == Path(os.path.realpath(self.root)):
            raise invalid("An artifact needs a path")
        aside = target.with_name(f".{os.urandom(8).hex()}{_PART_SUFFIX}")
        with told(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with aside.open("xb") as file:
                    yield file
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)

    def delete(self, path: str) -> None:
        """Remove the file or directory at ``path``; refused as absent when there is none."""
        found = self.resolve(path)
        if found == Path(os.path.realpath(self.root)):
            raise invalid("An artifact needs a path")
        if not found.exists():
            raise unknown_artifact(path)
        if found.is_dir():
            import shutil  # only to delete a directory

            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)

    def abandoned(self, older_than_s: float = 24 * 3600) -> Iterator[Path]:
        """What uploads have left that a killed server did not end; nothing has written to it for that long."""
        before = time.time() - older_than_s
        for directory, _, names in os.walk(self.root):
            for name in names:
                file = Path(directory, name)
                if name.startswith(".") and name.endswith(_PART_SUFFIX) and file.lstat().st_mtime < before:
                    yield file

    def _is_directory(self, path: str) -> bool:
        return self.resolve(path).is_dir()


def local_directory(uri: str) -> Path:
    """The directory that a path or ``file:`` URI names; other schemes are told apart in words."""
    if uri.startswith("/"):
        return Path(uri)
    if uri.startswith("file:"):
        from urllib.parse import unquote, urlsplit  # only for experiments that keep their artifacts elsewhere

        parts = urlsplit(uri)
        if parts.netloc in ("", "localhost"):
            return Path(unquote(parts.path))
    scheme = uri.partition(":")[0]
    raise TrackingError(
        f"artifacts at {scheme}:// cannot be reached from here",
        hint="The experiment keeps them there by its artifact_location; use MLflow's client for them.",
    )


def upload_path(local: Path, path: str | None) -> str:
    """The artifact path for a local file (its name, below ``path``) or directory (``path`` itself)."""
    directory = checked_path(path or "")
    if local.is_dir():
        return directory
    return f"{directory}{'/' if directory else ''}{local.name}"


def _information(entry: os.DirEntry[str], path: str) -> FileInfo:
    if entry.is_dir():
        return FileInfo(path, is_dir=True)
    return FileInfo(path, is_dir=False, size_bytes=entry.stat(follow_symlinks=entry.is_file()).st_size)
