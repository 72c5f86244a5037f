"""Artifacts of a run, listed at any depth; small ones, read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking.model import FileInfo
    from bis.tracking.store import Store


def artifact_files(store: Store, run_id: str, path: str = "") -> Iterator[FileInfo]:
    """All files in a directory of the run's artifacts, and below it."""
    for entry in store.list_artifacts(run_id, path):
        if entry.is_dir:
            yield from artifact_files(store, run_id, entry.path)
        else:
            yield entry


def artifact_bytes(store: Store, run_id: str, path: str) -> bytes | None:
    """The content of a run's artifact, or None when it has none of that name."""
    import tempfile
    from pathlib import Path, PurePosixPath

    from bis.tracking.artifacts import ArtifactDirectory
    from bis.tracking.sql_store import SqlStore

    if isinstance(store, SqlStore) and isinstance(store.artifacts, ArtifactDirectory):
        file = store.artifact_path(run_id, path)
        return file.read_bytes() if file.is_file() else None
    if all(file.path != path for file in store.list_artifacts(run_id, str(PurePosixPath(path).parent))):
        return None
    with tempfile.TemporaryDirectory() as directory:
        return store.download_artifacts(run_id, path, Path(directory)).read_bytes()


def artifact_text(store: Store, run_id: str, path: str) -> str | None:
    """The text of a run's artifact, or None when it has none of that name."""
    content = artifact_bytes(store, run_id, path)
    return None if content is None else content.decode()
