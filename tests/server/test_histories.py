"""Histories for charts over REST, in MLflow's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from raw_http import Wire

MLFLOW = "/api/2.0/mlflow"
AJAX = "/ajax-api/2.0/mlflow"


@pytest.fixture
def run_ids(wire: Wire) -> list[str]:
    """Two runs, one of 1,000 points and one of three at the same step."""
    ids = []
    for steps in (range(1000), (7, 7, 7)):
        reply = wire.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"})
        ids.append(reply.json["run"]["info"]["run_id"])
        points = [
            {"key": "loss", "value": time, "timestamp": time, "step": step} for time, step in enumerate(steps)
        ]
        wire.ask("POST", f"{MLFLOW}/runs/log-batch", {"run_id": ids[-1], "metrics": points})
    return ids


def _steps(reply: Any, run_id: str) -> list[int]:
    return [point["step"] for point in reply["metrics"] if point["run_id"] == run_id]


def test_a_chart_has_evenly_chosen_points_with_the_first_and_the_last(wire: Wire, run_ids: list[str]) -> None:
    query = f"run_ids={run_ids[0]}&run_ids={run_ids[1]}&metric_key=loss"
    path = f"{AJAX}/metrics/get-history-bulk-interval?{query}"
    assert _steps(wire.ask("GET", path).json, run_ids[0]) == list(range(1000))
    few = _steps(wire.ask("GET", f"{path}&max_results=10").json, run_ids[0])
    assert few == [0, 111, 222, 333, 444, 555, 666, 777, 888, 999]
    between = wire.ask("GET", f"{path}&max_results=3&start_step=100&end_step=200").json
    assert _steps(between, run_ids[0]) == [100, 150, 200]
    assert _steps(wire.ask("GET", f"{path}&max_results=2").json, run_ids[1]) == [7, 7]
    assert _steps(wire.ask("GET", f"{path}&max_results=1").json, run_ids[0]) == [999]


@pytest.mark.parametrize("most", [2, 3, 7, 999, 1000, 2500])
def test_a_chart_has_as_many_points_as_it_asks_for(wire: Wire, run_ids: list[str], most: int) -> None:
    path = f"{AJAX}/metrics/get-history-bulk-interval?run_ids={run_ids[0]}&metric_key=loss&max_results={most}"
    steps = _steps(wire.ask("GET", path).json, run_ids[0])
    assert len(steps) == min(most, 1000)
    assert (steps[0], steps[-1]) == (0, 999)


def test_whole_histories_come_run_by_run(wire: Wire, run_ids: list[str]) -> None:
    path = f"{AJAX}/metrics/get-history-bulk?run_id={run_ids[0]}&run_id={run_ids[1]}&metric_key=loss"
    reply = wire.ask("GET", path).json
    assert sorted(_steps(reply, run_ids[0])) == list(range(1000))
    assert _steps(reply, run_ids[1]) == [7, 7, 7]
    assert len(wire.ask("GET", f"{path}&max_results=5").json["metrics"]) == 5
    nothing = f"{AJAX}/metrics/get-history-bulk?run_id={run_ids[0]}&metric_key=no"
    assert wire.ask("GET", nothing).json == {"metrics": []}


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("metric_key=loss", 400, "run_ids"),
        ("run_ids=no&metric_key=loss", 404, "Run with id=no not found"),
        ("run_ids=RUN", 400, "metric_key"),
        ("run_ids=RUN&metric_key=loss&start_step=1", 400, "both must be specified"),
        ("run_ids=RUN&metric_key=loss&start_step=2&end_step=1", 400, "end_step must be greater"),
        ("run_ids=RUN&metric_key=loss&max_results=0", 400, "max_results"),
        ("run_ids=RUN&metric_key=loss&max_results=2501", 400, "max_results"),
        ("&".join(f"run_ids={n}" for n in range(101)) + "&metric_key=loss", 400, "more than 100"),
    ],
)
def test_a_chart_of_nothing_is_refused(
    wire: Wire, run_ids: list[str], query: str, status: int, message: str
) -> None:
    query = query.replace("RUN", run_ids[0])
    reply = wire.ask("GET", f"{AJAX}/metrics/get-history-bulk-interval?{query}")
    assert (reply.status, message in reply.json["message"]) == (status, True)


def test_the_datasets_of_experiments_are_summed_up(wire: Wire, run_id: str) -> None:
    dataset = {"name": "iris", "digest": "d", "source_type": "local", "source": "{}"}
    context = [{"key": "mlflow.data.context", "value": "train"}]
    used = [{"dataset": dataset, "tags": context}, {"dataset": {**dataset, "name": "other"}}]
    wire.ask("POST", f"{MLFLOW}/runs/log-inputs", {"run_id": run_id, "datasets": used})
    reply = wire.ask("POST", f"{AJAX}/experiments/search-datasets", {"experiment_ids": ["0", "5"]}).json
    assert reply["dataset_summaries"] == [
        {"experiment_id": "0", "name": "iris", "digest": "d", "context": "train"},
        {"experiment_id": "0", "name": "other", "digest": "d"},
    ]
    assert wire.ask("POST", f"{AJAX}/experiments/search-datasets", {}).status == 400
    many = {"experiment_ids": [str(number) for number in range(21)]}
    assert wire.ask("POST", f"{AJAX}/experiments/search-datasets", many).status == 400
