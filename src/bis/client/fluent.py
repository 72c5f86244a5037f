"""MLflow's fluent functions: begin and end runs, and log parameters, metrics and tags to the one that is active."""

from __future__ import annotations

import os

from bis.client import active, destination
from bis.client.active import ActiveRun, queue
from bis.client.errors import TrackingError
from bis.client.values import checked_key, checked_tags, metric_value, text_of_param, whole_number

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bis.client.metric_queue import Owner

_STATUSES = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_PARAMS_IN_BATCH = _TAGS_IN_BATCH = 100  # of a request


def start_run(
    run_id: str | None = None,
    experiment_id: str | int | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
) -> ActiveRun:
    """Begin a run, or go on with the one that ``run_id`` names; use it as a context manager, or call ``end_run``.

    In a script that bis runs, the first call takes the run that bis began; runs begun later are its children.
    ``log_system_metrics`` logs how busy the machine is (default: MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING).
    """
    enclosing = _enclosing(nested)
    notes = _with_description(checked_tags(tags or {}), description)
    of_bis = None if run_id or enclosing else active.take_run_of_bis()
    existing = (
        run_id or of_bis or (None if destination.run_of_bis() else os.environ.pop("MLFLOW_RUN_ID", None))
    )
    experiment = None if experiment_id is None else str(experiment_id)
    if existing:
        run = _resume(str(existing), run_name, notes)
        if of_bis and experiment not in (None, run.info.experiment_id):
            from bis.client.experiments import follow

            follow(run.server, of_bis, str(experiment), str(experiment))
    else:
        parent = parent_run_id or (enclosing.run_id if enclosing else destination.run_of_bis())
        if parent:
            notes["mlflow.parentRunId"] = parent
        run = active.create(destination.server(), experiment_id=experiment, name=run_name, tags=notes)
    active.push(run)
    if log_system_metrics or (log_system_metrics is None and _wants_system_metrics()):
        run.sample()
    return run


def end_run(status: str = "FINISHED") -> None:
    """End the active run, if there is one: send what waits and set its status.

    Raises TrackingError when something that was logged could not be recorded.
    """
    if status not in _STATUSES:
        raise TypeError("{!r} is no status of a run: {}".format(status, ", ".join(_STATUSES)))
    if active.stack():
        active.pop().end(status)


def active_run() -> ActiveRun | None:
    """The run that this thread logs to; None before anything was begun or logged."""
    return active.top()


def log_param(key: str, value: Any, synchronous: bool | None = None) -> Any:
    """Log a parameter; returns its value. One that has another value already raises RefusedError."""
    run = active.current()
    body = {"run_id": run.run_id, "key": checked_key(key, "parameter"), "value": text_of_param(key, value)}
    run.server.post("mlflow/runs/log-parameter", body)
    return value


def log_params(params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    """Log several parameters."""
    pairs = [
        {"key": checked_key(key, "parameter"), "value": text_of_param(key, value)}
        for key, value in params.items()
    ]
    _log_pairs("params", pairs, _PARAMS_IN_BATCH, run_id)


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
) -> None:
    """Log a value of a metric. It is sent within a second or so, with the time of this call; ``synchronous``: at once.

    ``timestamp`` is in milliseconds since 1970; NaN and infinite values are kept.
    """
    log_metrics({key: value}, step, synchronous, run_id, timestamp)


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
) -> None:
    """Log values of several metrics at one step and time, as ``log_metric``."""
    values = [(checked_key(key, "metric"), metric_value(key, value)) for key, value in metrics.items()]
    when = None if timestamp is None else whole_number("timestamp", timestamp, least=0)
    owner = owner_of(run_id)
    active.watch_exit()
    queue.put(owner, values, whole_number("step", step or 0), when)
    if synchronous:
        queue.flush(owner)


def set_tag(key: str, value: Any, synchronous: bool | None = None) -> None:
    """Set a tag; it replaces the one with that key."""
    set_tags({key: value})


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> None:
    """Set several tags."""
    _log_pairs("tags", _entries(checked_tags(tags)), _TAGS_IN_BATCH, run_id)


def delete_tag(key: str) -> None:
    """Delete a tag of the active run."""
    run = active.current()
    run.server.post("mlflow/runs/delete-tag", {"run_id": run.run_id, "key": key})


def flush() -> None:
    """Send the metrics that wait, of every run; raises TrackingError when they cannot be sent, or were refused."""
    queue.flush()


def owner_of(run_id: str | None) -> Owner:
    """Where something is logged: the run of that id, else the active one."""
    if run_id is not None:
        return destination.server(), str(run_id)
    return active.current().owner


def _log_pairs(kind: str, pairs: list[dict[str, str]], most: int, run_id: str | None) -> None:
    server, where = owner_of(run_id)
    for begin in range(0, len(pairs), most):
        server.post("mlflow/runs/log-batch", {"run_id": where, kind: pairs[begin : begin + most]})


def _entries(pairs: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def _enclosing(nested: bool) -> ActiveRun | None:
    """The run that a new one goes into; raises TrackingError when this thread has one and ``nested`` is not said."""
    runs = active.stack()
    if runs and not nested and runs[-1].is_implicit_run_of_bis and not active.is_run_of_bis_begun():
        runs.pop()  # something was logged before the script began the run
        return None
    if runs and not nested:
        raise TrackingError(
            "run {} is active already: end it with end_run() first, or pass nested=True".format(
                runs[-1].run_id[:8]
            )
        )
    return active.top() if nested else None


def _resume(run_id: str, name: str | None, notes: dict[str, str]) -> ActiveRun:
    server = destination.server()
    info = server.get("mlflow/runs/get", run_id=run_id)["run"]["info"]
    if info.get("lifecycle_stage") == "deleted":
        raise TrackingError("run {} is deleted: restore it, or begin another one".format(run_id[:8]))
    update = {"run_id": run_id, "status": "RUNNING", **({"run_name": name} if name else {})}
    server.post("mlflow/runs/update", update)
    if notes:
        server.post("mlflow/runs/log-batch", {"run_id": run_id, "tags": _entries(notes)})
    return ActiveRun(server, run_id)


def _with_description(tags: dict[str, str], description: str | None) -> dict[str, str]:
    if description is None:
        return tags
    if "mlflow.note.content" in tags:
        raise TrackingError("a description and the tag mlflow.note.content say the same: give one of them")
    return {**tags, "mlflow.note.content": description}


def _wants_system_metrics() -> bool:
    return os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "").lower() in ("true", "1")
