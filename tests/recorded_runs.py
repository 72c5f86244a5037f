"""Recorded runs made by hand: what the tests of comparison and causes have in common."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bis.repeat.recorded import History, RecordedRun
from bis.repeat.recorded_files import BytesContent
from bis.tracking import Metric, Run, RunInfo, RunStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


def recorded_run(
    mark: str = "a",
    *,
    metrics: Mapping[str, History | float] | None = None,
    params: Mapping[str, str] | None = None,
    artifacts: Mapping[str, bytes] | None = None,
    own: Mapping[str, bytes] | None = None,
    plan: Mapping[str, Any] | None = None,
    record: Mapping[str, Any] | None = None,
    status: RunStatus = RunStatus.FINISHED,
    tags: Mapping[str, str] | None = None,
) -> RecordedRun:
    """A run whose id is 32 times ``mark``."""
    run_id = mark * 32
    info = RunInfo(
        run_id,
        f"merry-fox-{mark}",
        "0",
        "me",
        status,
        0,
        1,
        "active",
        f"mlflow-artifacts:/0/{run_id}/artifacts",
    )
    histories = {
        name: value if isinstance(value, History) else History.of(value)
        for name, value in (metrics or {}).items()
    }
    finals = tuple(Metric(name, history.values[-1], 0) for name, history in histories.items())
    return RecordedRun(
        run=Run(info, finals, dict(params or {}), dict(tags or {})),
        plan_text=None if plan is None else json.dumps(plan),
        record=record,
        histories=histories,
        artifacts={name: BytesContent(data) for name, data in (artifacts or {}).items()},
        own={name: BytesContent(data) for name, data in (own or {}).items()},
    )
