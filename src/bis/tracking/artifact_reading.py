"""Small artifacts, read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.tracking.store import Store


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
