"""A directory of artifacts: the one place where a path that a client names becomes a path on disk."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.model import FileInfo
from bis.tracking.refusals import absent, invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEME = "mlflow-artifacts:"
"""What an address below a store's artifact root begins with."""

_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:/")
_PART_SUFFIX = ".bis-part"
_CHUNK_BYTES = 1 << 20


def checked_path(path: str) -> str:
    """``path`` without its empty and ``.`` segments; refused when it could leave its root.

    It must have been decoded already, once: ``%2e%2e`` is the name of a file here.
    """
    if "\0" in path or "\\" in path or path.startswith("/") or _ANY_SCHEME.match(path):
        raise invalid(f"Invalid path: {path[:200]!r}")
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if ".." in segments:
        raise invalid(f"Invalid path: {path[:200]!r}")
    return "/".join(segments)


@dataclass(frozen=True)
class ArtifactDirectory:
    """Files below ``root``, which is made with the first of them. No path leaves it, through links
    neither.
    """

    root: Path

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
            raise absent(f"No such artifact: {path[:200]!r}")
        return found

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

    def files(self, path: str = "") -> Iterator[str]:
        """The paths of all files at or below ``path``."""
        if self.resolve(path).is_file():
            yield checked_path(path)
        for entry in self.listing(path):
            if not entry.is_dir:
                yield entry.path
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
        with _told(path):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                with aside.open("xb") as file:
                    yield file
                aside.replace(target)
            finally:
                aside.unlink(missing_ok=True)

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
        names, target = list(self.files(path)), ArtifactDirectory(destination)
        if not names and not self.resolve(path).is_dir():
            raise absent(f"No such artifact: {path[:200]!r}")
        for name in names:
            with self.file(name).open("rb") as source, target.writing(name) as file:
                copy(source, file)
        return destination / path

    def delete(self, path: str) -> None:
        """Remove the file or directory at ``path``; nothing there is no error."""
        found = self.resolve(path)
        if found == Path(os.path.realpath(self.root)):
            raise invalid("An artifact needs a path")
        if found.is_dir():
            import shutil  # only to delete a directory

            shutil.rmtree(found)
        else:
            found.unlink(missing_ok=True)


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


def local_files(local: Path) -> list[tuple[Path, str]]:
    """The files to upload for ``local``, each with its path below it ("" for a file itself)."""
    if local.is_file():
        return [(local, "")]
    if not local.is_dir():
        raise TrackingError(f"no such file or directory: {local}", hint="Check the path of the artifact.")
    return [(file, file.relative_to(local).as_posix()) for file in sorted(local.rglob("*")) if file.is_file()]


def copy(source: IO[bytes], target: IO[bytes]) -> None:
    """Copy a stream without holding it in memory."""
    while chunk := source.read(_CHUNK_BYTES):
        target.write(chunk)


def _information(entry: os.DirEntry[str], path: str) -> FileInfo:
    if entry.is_dir():
        return FileInfo(path, is_dir=True)
    return FileInfo(path, is_dir=False, size_bytes=entry.stat(follow_symlinks=entry.is_file()).st_size)


@contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise invalid(f"Invalid path: {path[:200]!r} is in the way of, or below, another artifact") from error
    except OSError as error:
        raise TrackingError(
            f"cannot write the artifact {path[:200]!r}: {error.strerror}",
            hint="Check that its disk has space and that its directory can be written.",
        ) from error
