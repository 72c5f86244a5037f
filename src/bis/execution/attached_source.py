"""The source of a run that a server records: kept among its artifacts, so that they alone are enough to repeat it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import BisError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.home import Home
    from bis.plans import PlannedSource
    from bis.tracking import Store

SOURCE = "source.zip"
CHANGES = "changes.patch"
"""Artifacts below ``bis/``: the snapshot, and how it differs from its commit."""

MAX_SOURCE_BYTES = 200_000_000
"""A larger tree is not sent: it stays among the snapshots of the home, where `bis gc` leaves it."""


def attach_source(
    store: Store, run_id: str, source: PlannedSource, home: Home, *, notify: Callable[[str], None]
) -> None:
    """Send the snapshot, and the uncommitted changes in it as a patch.

    A tree that is too large, or that the server does not take, is no reason not to run: it is kept here.
    """
    if source.tree is None:
        return
    import tempfile
    from pathlib import Path

    from bis.sources.packs import size_bytes
    from bis.sources.pruning import keep

    if size_bytes(home, source.tree) > MAX_SOURCE_BYTES:
        keep(home, source.tree)
        notify(
            "the source is too large to be kept on the server: this run can be repeated from this machine only"
        )
        return
    try:
        with tempfile.TemporaryDirectory(prefix="bis-source-") as directory:
            _send(store, run_id, source, source.tree, home, Path(directory))
    except BisError as error:
        keep(home, source.tree)
        notify(f"the source could not be kept on the server ({error.message}): this machine keeps it")


def _send(store: Store, run_id: str, source: PlannedSource, tree: str, home: Home, directory: Path) -> None:
    from bis.sources.bases import read_changes
    from bis.sources.packs import write_pack

    place = directory / SOURCE
    with place.open("wb") as file:
        write_pack(home, tree, file)
    store.log_artifact(run_id, place, "bis")
    changes = read_changes(home, source.commit, tree) if source.dirty and source.commit else None
    if changes:
        store.log_text(run_id, changes, f"bis/{CHANGES}")
