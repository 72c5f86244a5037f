"""Runs whose bis was killed: marked FAILED by the next bis, with the output they had."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bis.errors import BisError, RunNotFoundError
from bis.execution.running import LOG, abandoned, discard
from bis.tracking import RunStatus, Tag, open_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.execution.running import Owner
    from bis.home import Home

ABANDONED_TAG = "bis.abandoned"


def sweep(home: Home, *, notify: Callable[[str], None]) -> None:
    """End every run of this home that was left behind. One whose server does not answer is left for the next time."""
    with abandoned(home) as found:
        for path, owner in found:
            if owner is None or _end(home, owner, path, notify):
                discard(path)


def _end(home: Home, owner: Owner, path: Path, notify: Callable[[str], None]) -> bool:
    try:
        store = open_store(home, owner.tracking_uri)
        try:
            run = store.run(owner.run_id)
            if run.info.status.is_terminated:
                return True
            log = path / LOG
            ended_ms = int(log.stat().st_mtime * 1000) if log.exists() else time.time_ns() // 1_000_000
            if log.exists():
                store.log_artifact(owner.run_id, log, "bis")
            store.log_batch(owner.run_id, tags=[Tag(ABANDONED_TAG, "true")])
            store.update_run(
                owner.run_id, status=RunStatus.FAILED, end_time=max(ended_ms, run.info.start_time)
            )
        finally:
            store.close()
    except RunNotFoundError:
        return True  # the process died before the run was made
    except BisError as error:
        notify(f"run {owner.run_id} was left behind and could not be ended: {error.message}")
        return False
    notify(f"run {owner.run_id} had lost its bis and was marked FAILED")
    return True
