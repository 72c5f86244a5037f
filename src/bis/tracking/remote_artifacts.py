"""Artifacts of runs that a server tracks: through its proxy, or in a directory that is on this disk too."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bis.errors import TrackingError
from bis.tracking.artifact_store import checked_path, local_files
from bis.tracking.artifacts import ArtifactDirectory, local_directory
from bis.tracking.model import FileInfo

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.tracking.artifact_store import Target
    from bis.tracking.rest import RestClient

_PROXY = "mlflow-artifacts/artifacts"


class RemoteArtifacts:
    """Reads and writes below the addresses that a server gives for artifacts."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def add(self, uri: str, local: Path, path: str) -> None:
        """Upload the file, or the directory with all it holds, to ``path`` below the address."""
        root = self._proxied(uri)
        if root is None:
            ArtifactDirectory(local_directory(uri)).add(local, path)
            return
        for file, name in local_files(local):
            with file.open("rb") as content:
                url = self._url(root, f"{path}/{name}".strip("/"))
                self._rest.upload(url, content, file.stat().st_size)

    def write(self, uri: str, path: str, content: bytes) -> None:
        """Write one file."""
        import io

        root = self._proxied(uri)
        if root is None:
            ArtifactDirectory(local_directory(uri)).write(path, content)
        else:
            self._rest.upload(self._url(root, checked_path(path)), io.BytesIO(content), len(content))

    def listing(self, uri: str, path: str) -> list[FileInfo]:
        """What lies in the directory ``path`` below the address."""
        path, root = checked_path(path), self._proxied(uri)
        if root is None:
            return ArtifactDirectory(local_directory(uri)).listing(path)
        asked = "/".join(part for part in (root, path) if part)
        answer = self._rest.get(_PROXY, path=asked)
        return [_file(entry, path) for entry in answer.get("files", [])]

    def download(self, uri: str, path: str, destination: Path) -> Path:
        """Copy what is at ``path`` below ``destination``; returns where it is now."""
        path, root = checked_path(path), self._proxied(uri)
        if root is None:
            return ArtifactDirectory(local_directory(uri)).copy_to(path, destination)
        target = ArtifactDirectory(destination)
        names = [file.path for file in self.files(uri, path)]
        for name in names or [path]:  # a file lists as nothing
            with target.writing(name) as file:
                self._rest.download(self._url(root, name), file)
        return destination / path

    def read(self, uri: str, path: str, target: Target) -> None:
        """Write the file at ``path`` below an address of the server's proxy to the target."""
        self._rest.download(self._url(self._proxied(uri) or "", checked_path(path)), target)

    def files(self, uri: str, path: str = "") -> Iterator[FileInfo]:
        """All files below the directory ``path``."""
        for entry in self.listing(uri, path):
            if entry.is_dir:
                yield from self.files(uri, entry.path)
            else:
                yield entry

    def _url(self, root: str, path: str) -> str:
        return self._rest.url(f"api/2.0/{_PROXY}", root, path)

    def _proxied(self, uri: str) -> str | None:
        """The path below the server's proxy; None for an address elsewhere."""
        parts = urlsplit(uri)
        if parts.scheme == "mlflow-artifacts":
            if parts.netloc not in ("", self._rest.host):
                raise TrackingError(f"the artifacts are on another server, {parts.netloc}")
            return parts.path.strip("/")
        before, proxy, path = uri.partition(f"/api/2.0/{_PROXY}/")
        return path.strip("/") if proxy and before == self._rest.address else None


def _file(entry: dict[str, object], directory: str) -> FileInfo:
    name = str(entry["path"]).rpartition("/")[2]  # MLflow gives names, but gave paths
    is_dir = bool(entry.get("is_dir"))
    size = None if is_dir else int(str(entry.get("file_size") or 0))
    return FileInfo(checked_path(f"{directory}/{name}".strip("/")), is_dir, size)
