"""How busy the machine and the run's processes are, logged to the run by bis itself while the command lives."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from bis.client.system_metrics import Sampling
from bis.errors import BisError
from bis.tracking import Metric, open_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.home import Home


def sampling(
    home: Home,
    tracking_uri: str | None,
    run_id: str,
    session: int,
    interval_s: float,
    *,
    notify: Callable[[str], None],
) -> Sampling:
    """Samples for a run of the store at ``tracking_uri`` (None: the home's), with its processes: those of ``session``.

    It is to be started. A sample that cannot be logged is left out, and said once.
    """
    said: list[BisError] = []

    def log(values: Mapping[str, float], step: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        metrics = [Metric(name, value, now_ms, step) for name, value in values.items()]
        try:
            # a connection of this thread's own; a sample is rare
            with contextlib.closing(open_store(home, tracking_uri)) as store:
                store.log_batch(run_id, metrics)
        except BisError as error:
            if not said:
                notify(f"system metrics are not logged: {error.message}")
            said.append(error)

    return Sampling(log, interval_s=interval_s, session=session)
