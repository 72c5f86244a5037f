"""What may be deleted: runs that were deleted long ago, snapshots that no run refers to, parts of uploads."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from bis.sources.pruning import Pruned, prune_snapshots
from bis.tracking import View, open_store, tags
from bis.tracking.artifacts import ArtifactDirectory
from bis.tracking.model import all_items

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.home import Home
    from bis.tracking import Page, Run, Store
    from bis.tracking.artifact_store import ArtifactStore
    from bis.tracking.deletion import Removed
    from bis.tracking.sql_store import SqlStore

_COMMIT = "mlflow.source.git.commit"


def remove_runs(store: SqlStore, older_than_days: float, *, dry_run: bool = False) -> Removed:
    """Remove for good what was deleted more than that many days ago, while the store is in use."""
    from bis.tracking.deletion import remove_deleted

    before_s = time.time() - older_than_days * 24 * 3600
    return remove_deleted(store, int(before_s * 1000) + 1, dry_run=dry_run)


def remove_unfinished(artifacts: ArtifactStore, *, dry_run: bool = False) -> int:
    """Remove what uploads left in a directory a day ago or longer; returns how many. Buckets hide their own."""
    if not isinstance(artifacts, ArtifactDirectory):
        return 0
    count = 0
    for file in artifacts.abandoned():
        if not dry_run:
            file.unlink(missing_ok=True)
        count += 1
    return count


def collect(home: Home, *, dry_run: bool = False) -> Pruned:
    """Delete the snapshots that no run of the home refers to, and pack the others.

    A run that was deleted can be restored, so its snapshot stays. Runs on other servers have their source among their
    artifacts.
    """
    store = open_store(home)
    try:
        return prune_snapshots(
            home,
            trees=lambda: {
                run.tags[tags.SOURCE_TREE] for run in _runs(store) if tags.SOURCE_TREE in run.tags
            },
            commits=lambda: {run.tags[_COMMIT] for run in _runs(store) if _COMMIT in run.tags},
            dry_run=dry_run,
        )
    finally:
        store.close()


def _runs(store: Store) -> Iterator[Run]:
    """All runs of all experiments, deleted ones too."""
    for experiment in all_items(lambda token: store.search_experiments(view=View.ALL, page_token=token)):
        yield from all_items(partial(_page, store, experiment.experiment_id))


def _page(store: Store, experiment_id: str, token: str | None) -> Page[Run]:
    return store.search_runs([experiment_id], max_results=1000, page_token=token, view=View.ALL)
