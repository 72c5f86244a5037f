"""Histories of metrics over REST: of one run whole, of several for a chart."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bis.server.encoding import metric, page
from bis.server.routes import reads
from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.server.encoding import Json
    from bis.server.routes import Call, Routes
    from bis.tracking.model import Metric

MOST_RUNS = 100
MOST_POINTS = 25_000
"""Of one answer to MLflow's pages, and of one page of a history where the client asks for pages."""
MOST_SAMPLED = 2500
"""Steps of one run in a chart."""


def _history(call: Call) -> Json | bytes:
    """A page of the history, or without ``max_results`` the rest of it: MLflow 1.x reads no second page."""
    run_id, key = call.fields.run_id(), call.fields.required("metric_key")
    most, token = call.fields.max_results(0, 2**31), call.fields.text("page_token")
    found = call.store.metric_history(
        run_id, key, max_results=min(most or MOST_POINTS, MOST_POINTS), page_token=token
    )
    if most or found.next_token is None:
        return page("metrics", [metric(point) for point in found.items], found)
    parts = [_joined(found.items)]
    while found.next_token is not None:  # as text: objects of a million points are 600 MB
        found = call.store.metric_history(run_id, key, max_results=MOST_POINTS, page_token=found.next_token)
        parts.append(_joined(found.items))
    return b'{"metrics":[%s]}' % b",".join(parts)


def _joined(points: Iterable[Metric]) -> bytes:
    return json.dumps([metric(point) for point in points], separators=(",", ":"))[1:-1].encode()


def _bulk(call: Call) -> Json:
    """The first points of each run, in MLflow's order; the field is ``run_id`` here."""
    run_ids = _run_ids(call, "run_id")
    key = call.fields.required("metric_key")
    most = min(call.fields.whole("max_results", MOST_POINTS), MOST_POINTS)
    points: list[Json] = []
    for run_id in run_ids:
        if len(points) < most:
            found = call.store.metric_history(run_id, key, max_results=most - len(points))
            points += [_of_run(run_id, point) for point in found.items]
    return {"metrics": points}


def _bulk_interval(call: Call) -> Json:
    """Points at the same steps of all runs, evenly chosen, with each run's first and last step."""
    fields = call.fields
    run_ids, key = _run_ids(call, "run_ids"), fields.required("metric_key")
    most = fields.max_results(MOST_SAMPLED, MOST_SAMPLED)
    start, end = fields.integer("start_step"), fields.integer("end_step")
    if (start is None) is not (end is None):
        raise invalid("If either start step or end step are specified, both must be specified.")
    if start is not None and end is not None and start > end:
        raise invalid(
            f"end_step must be greater than start_step. Found start_step={start} and end_step={end}."
        )
    found = call.store.sampled_histories(run_ids, key, most, start, end)
    return {"metrics": [_of_run(run_id, point) for run_id, points in found.items() for point in points]}


def _run_ids(call: Call, name: str) -> list[str]:
    run_ids = sorted(set(call.fields.texts(name)))
    if not run_ids:
        raise invalid(f"Missing value for required parameter '{name}': at least one run has to be named.")
    if len(run_ids) > MOST_RUNS:
        raise invalid(f"A request cannot specify more than {MOST_RUNS} run_ids. Received {len(run_ids)}.")
    return run_ids


def _of_run(run_id: str, point: Metric) -> Json:
    return {**metric(point), "run_id": run_id}


ROUTES: Routes = (
    reads(
        "GET",
        "mlflow/metrics/get-history",
        _history,
        "run_id! run_uuid metric_key! max_results:int page_token",
        "metrics:Metric[] next_page_token",
    ),
    reads(
        "GET",
        "mlflow/metrics/get-history-bulk",
        _bulk,
        "run_id[]! metric_key! max_results:int",
        "metrics:MetricOfRun[]",
    ),
    reads(
        "GET",
        "mlflow/metrics/get-history-bulk-interval",
        _bulk_interval,
        "run_ids[]! metric_key! start_step:int end_step:int max_results:int",
        "metrics:MetricOfRun[]",
    ),
)
