"""Look runs up: by id, by a filter, and the history of a metric."""

from __future__ import annotations

from bis.client import active, destination
from bis.client.active import queue
from bis.client.entities import Metric, Run
from bis.client.errors import RefusedError
from bis.client.experiments import current_experiment, experiment_named

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from bis.client.connection import Server

_VIEWS = {1: "ACTIVE_ONLY", 2: "DELETED_ONLY", 3: "ALL"}
_RUNS_IN_PAGE, _POINTS_IN_PAGE, _EXPERIMENTS_IN_PAGE = 10_000, 25_000, 1000


def get_run(run_id: str) -> Run:
    """The run as the server has it, with what this process has logged until now; RefusedError when there is none."""
    queue.flush()
    return Run(destination.server().get("mlflow/runs/get", run_id=run_id)["run"])


def last_active_run() -> Run | None:
    """The run that was begun last in this process, as the server has it now."""
    run = active.last()
    return None if run is None else get_run(run.run_id)


def get_metric_history(run_id: str, key: str) -> list[Metric]:
    """All values of a metric, in the order of steps and times."""
    queue.flush()
    query = {"run_id": run_id, "metric_key": key}
    server = destination.server()
    return [Metric(one) for one in _pages(server, "metrics/get-history", query, _POINTS_IN_PAGE)]


def search_runs(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str = "",
    run_view_type: int | str = 1,
    max_results: int = 100_000,
    order_by: Sequence[str] | None = None,
    output_format: str = "pandas",
    search_all_experiments: bool = False,
    experiment_names: Sequence[str] | None = None,
) -> Any:
    """The runs that a filter finds, in the current experiment unless others are named.

    Returns a pandas.DataFrame as MLflow makes it; a list of runs where there is no pandas, or for
    ``output_format="list"``.
    """
    if output_format not in ("pandas", "list"):
        raise TypeError("output_format is 'pandas' or 'list'")
    queue.flush()
    server = destination.server()
    ids = _experiments(server, experiment_ids, experiment_names, search_all_experiments)
    body = {
        "experiment_ids": ids,
        "filter": filter_string,
        "run_view_type": _VIEWS.get(run_view_type, run_view_type)
        if isinstance(run_view_type, int)
        else run_view_type,
        "order_by": list(order_by or ()),
    }
    runs = list(_search(server, body, max_results)) if ids else []
    pandas = _pandas() if output_format == "pandas" else None
    return runs if pandas is None else _table(pandas, runs)


def _experiments(
    server: Server, ids: Sequence[str] | None, names: Sequence[str] | None, everywhere: bool
) -> list[str]:
    if ids and names:
        raise RefusedError("give experiment_ids or experiment_names, not both", "INVALID_PARAMETER_VALUE")
    if ids:
        return [str(one) for one in ids]
    if names:
        found = [experiment_named(server, name) for name in names]
        return [one.experiment_id for one in found if one is not None]
    if everywhere:
        every = _pages(server, "experiments/search", {}, _EXPERIMENTS_IN_PAGE)
        return [str(one["experiment_id"]) for one in every]
    run = active.top()
    if destination.run_of_bis() and run is not None:
        return [run.info.experiment_id]
    return [current_experiment(server)]


def _search(server: Server, body: dict[str, Any], most: int) -> Iterator[Run]:
    token, left = "", most
    while left > 0:
        asked = {**body, "max_results": min(left, _RUNS_IN_PAGE), "page_token": token}
        answer = server.post("mlflow/runs/search", asked)
        for one in answer.get("runs", ()):
            yield Run(one)
        left -= len(answer.get("runs", ()))
        token = answer.get("next_page_token", "")
        if not token:
            return


def _pages(server: Server, endpoint: str, query: dict[str, Any], size: int) -> Iterator[dict[str, Any]]:
    """The entries of an answer that comes in pages: the one list in it."""
    token = ""
    while True:
        more = {"page_token": token} if token else {}
        answer = server.get("mlflow/" + endpoint, max_results=size, **query, **more)
        token = str(answer.pop("next_page_token", ""))
        for entries in answer.values():
            for one in entries:
                yield one
        if not token:
            return


def _pandas() -> Any:
    try:
        import pandas  # type: ignore[import-untyped]
    except ImportError:
        return None
    return pandas


def _table(pandas: Any, runs: list[Run]) -> Any:
    """MLflow's columns: those of the run, then metrics.*, params.*, tags.*; what a run lacks is NaN or None."""
    columns: dict[str, list[Any]] = {
        name: [getattr(run.info, name) for run in runs]
        for name in ("run_id", "experiment_id", "status", "artifact_uri")
    }
    for name in ("start_time", "end_time"):
        times = [getattr(run.info, name) for run in runs]
        columns[name] = pandas.to_datetime(times, unit="ms", utc=True)
    for kind, missing in (("metrics", float("nan")), ("params", None), ("tags", None)):
        logged = [getattr(run.data, kind) for run in runs]
        for key in dict.fromkeys(key for one in logged for key in one):
            columns["{}.{}".format(kind, key)] = [one.get(key, missing) for one in logged]
    return pandas.DataFrame(columns)
