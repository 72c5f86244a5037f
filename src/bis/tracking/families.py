"""Runs inside runs: the children of one, by MLflow's own tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.tracking.tags import PARENT

if TYPE_CHECKING:
    from bis.tracking.model import Run
    from bis.tracking.store import Store


def children(store: Store, run_id: str) -> list[Run]:
    """The runs that were begun inside ``run_id``, the earliest first."""
    found: list[Run] = []
    token = None
    while True:
        page = store.search_runs(
            filter=f"tags.`{PARENT}` = '{run_id}'",
            order_by=("attributes.start_time ASC",),
            page_token=token,
        )
        found += page.items
        token = page.next_token
        if not token:
            return found


def artifact_text(store: Store, run_id: str, path: str) -> str | None:
    """A small artifact's text, or None when the run has none of that name."""
    import tempfile
    from pathlib import Path, PurePosixPath

    from bis.tracking.sqlite import SqliteStore

    if isinstance(store, SqliteStore):
        file = store.artifact_path(run_id, path)
        return file.read_text(encoding="utf-8") if file.is_file() else None
    if all(file.path != path for file in store.list_artifacts(run_id, str(PurePosixPath(path).parent))):
        return None
    with tempfile.TemporaryDirectory() as directory:
        return store.download_artifacts(run_id, path, Path(directory)).read_text(encoding="utf-8")
