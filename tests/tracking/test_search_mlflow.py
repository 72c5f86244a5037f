"""MLflow's own expressions, held against MLflow's answers: its store and ours hold the same runs."""

from __future__ import annotations

import json
import math
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking import Dataset, DatasetInput, Metric, Param, RunStatus, Tag
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from pathlib import Path

    from bis.tracking.model import Page
    from bis.tracking.sql_store import SqlStore

FILTERS = [
    "",
    "metrics.loss < 1",
    "metric.loss >= 0.5",
    "metrics.loss = 0.5",
    "metrics.loss != 0.5",
    "metrics.odd != 3",  # NaN and infinity
    "metrics.odd > 3",
    "metrics.`val loss` <= -1e-3",
    'metrics."val loss" > -1',
    "metrics.loss > 0 AND metrics.loss < 2",
    "params.depth = '10'",
    "params.depth != '10'",
    "parameter.depth LIKE '1%'",
    "params.depth ILIKE '_0'",
    "params.note = ''",
    "params.none != 'x'",
    "param.model IS NULL",
    "params.model IS NOT NULL",
    "tags.team = 'Blue'",
    "tag.team ILIKE 'blue%'",
    "tags.team LIKE 'blue%'",
    "tags.team LIKE 'Bl_e'",
    "tags.`a.b/c` != 'x'",
    "tags.team IS NULL",
    "tags.mlflow.runName = 'b'",
    "run_name = 'b'",
    "attributes.run_name LIKE '%'",
    "attribute.`Run name` != 'b'",
    "status = 'FINISHED'",
    "attr.status != 'FINISHED'",
    "user_id ILIKE 'ADA'",
    "start_time > 2 AND start_time <= 4",
    "created = 3",
    "end_time < 100",
    "end_time != 9",
    "attributes.artifact_uri LIKE '%/artifacts'",
    "datasets.name = 'iris'",
    "dataset.digest LIKE 'd%'",
    "datasets.name IN ('iris', 'wine')",
    "dataset.context = 'eval'",
    "metrics.loss < 1 and tags.team = 'Blue' AND",
    'tags.team = "Blue"',
    "run_id = 'nothing'",
]
ORDERS = [
    [],
    ["metrics.loss"],
    ["metrics.loss DESC"],
    ["metric.odd ASC"],
    ["metrics.odd desc", "run_name DESC"],
    ["params.depth"],
    ["params.depth DESC", "metrics.loss"],
    ["tags.team", "attribute.start_time ASC"],
    ["attributes.status DESC"],
    ["end_time"],
    ["end_time DESC"],
    ["metrics.none", "Created"],
]
RUNS: list[dict[str, Any]] = [
    {
        "name": "a",
        "metrics": {"loss": 0.5, "odd": math.nan},
        "params": {"depth": "9", "note": ""},
        "tags": {"team": "Blue"},
    },
    {
        "name": "b",
        "metrics": {"loss": 1.5, "odd": math.inf},
        "params": {"depth": "10", "model": "net"},
        "tags": {"team": "blue_1"},
    },
    {
        "name": "c",
        "metrics": {"loss": 0.5, "odd": -math.inf, "val loss": -1.0},
        "params": {"depth": "100"},
        "tags": {"a.b/c": "y"},
    },
    {
        "name": "d",
        "metrics": {"odd": 3.0, "val loss": 0.0},
        "params": {"model": "Net"},
        "tags": {"team": "Blue"},
    },
    {"name": "e", "metrics": {}, "params": {}, "tags": {"team": "x"}},
]

ASKED_OF_MLFLOW = """
import json, sys
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunStatus, RunTag, ViewType
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
asked = json.load(sys.stdin)
store = SqlAlchemyStore("sqlite:///" + sys.argv[1], sys.argv[2])
for number, run in enumerate(asked["runs"]):
    id = store.create_run("0", "Ada", number + 1, [RunTag("mlflow.runName", run["name"])], run["name"]).info.run_id
    for key, value in run["metrics"].items():
        store.log_metric(id, Metric(key, float(value), 1, 0))
    params = [Param(*pair) for pair in run["params"].items()]
    store.log_batch(id, [], params, [RunTag(*pair) for pair in run["tags"].items()])
    if number % 2 == 0:
        store.update_run_info(id, RunStatus.FINISHED, 9 - number, None)
    if number == 2:
        dataset = Dataset("iris", "d1", "local", "{}")
        store.log_inputs(id, [DatasetInput(dataset, [InputTag("mlflow.data.context", "eval")])])
def names(filter, order):
    return "".join(run.info.run_name for run in store.search_runs(["0"], filter, ViewType.ACTIVE_ONLY, 100, order))
print(json.dumps([[names(text, []) for text in asked["filters"]], [names("", order) for order in asked["orders"]]]))
"""


@pytest.mark.slow
def test_what_mlflow_can_be_asked_has_the_same_answer(local: SqlStore, tmp_path: Path) -> None:
    asked = {"runs": RUNS, "filters": FILTERS, "orders": ORDERS}
    answered = subprocess.run(
        [client_python(LATEST), "-c", ASKED_OF_MLFLOW, tmp_path / "mlflow.db", tmp_path.as_uri()],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.returncode == 0, answered.stderr
    filtered, ordered = json.loads(answered.stdout.splitlines()[-1])
    _fill(local)
    assert {text: _names(local.search_runs(["0"], filter=text)) for text in FILTERS} == dict(
        zip(FILTERS, filtered, strict=True)
    )
    assert [_names(local.search_runs(["0"], order_by=order)) for order in ORDERS] == ordered


def _fill(store: SqlStore) -> None:
    for number, run in enumerate(RUNS):
        run_id = store.create_run("0", name=run["name"], user_id="Ada", start_time=number + 1).info.run_id
        store.log_batch(
            run_id,
            [Metric(key, value, 1) for key, value in run["metrics"].items()],
            [Param(*pair) for pair in run["params"].items()],
            [Tag(*pair) for pair in run["tags"].items()],
        )
        if number % 2 == 0:
            store.update_run(run_id, status=RunStatus.FINISHED, end_time=9 - number)
        if number == 2:
            dataset = Dataset("iris", "d1", "local", "{}")
            store.log_inputs(run_id, [DatasetInput(dataset, (Tag("mlflow.data.context", "eval"),))])


def _names(page: Page[Any]) -> str:
    return "".join(run.info.name for run in page.items)
