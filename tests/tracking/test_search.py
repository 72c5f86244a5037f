"""Searches: what is found, in what order, page by page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.tracking import Dataset, DatasetInput, Metric, Param, RefusedError, RunStatus, Tag

if TYPE_CHECKING:
    from bis.tracking.sql_store import SqlStore


@pytest.fixture
def runs(local: SqlStore) -> SqlStore:
    """Runs named a, b, c, with metrics, parameters, tags; c has little."""
    for number, name in enumerate("abc"):
        run_id = local.create_run("0", name=name, user_id="Ada", start_time=number + 1).info.run_id
        if name != "c":
            local.log_batch(
                run_id,
                [Metric("loss", 0.5 - number, 1), Metric("x", math.nan if name == "a" else math.inf, 1)],
                [Param("depth", str(9 + number)), Param("my key", "v")],
                [Tag("Team", "Blue" if name == "a" else "blue_1")],
            )
        if name == "b":
            local.set_tag(run_id, "mlflow.source.name", "train.py")
    local.set_tag(run_id, "city", "évry")
    local.update_run(run_id, status=RunStatus.FINISHED, end_time=9)
    local.log_inputs(
        run_id, [DatasetInput(Dataset("iris", "d1", "local", "{}"), (Tag("mlflow.data.context", "eval"),))]
    )
    return local


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "cba"),
        ("metrics.loss < 0", "b"),
        ("metrics.loss != 0.5", "b"),  # a missing key never matches
        ("metrics.x != 1", "ba"),  # NaN matches only !=
        ("metrics.x > 1", "b"),
        ("metrics.x <= 1", ""),
        ("metrics.x = nan", "a"),
        ("metrics.x != nan", "b"),
        ("metrics.x = +inf", "b"),
        ("metrics.x IN (nan, inf)", "ba"),
        ("metrics.x > nan", ""),
        ("metrics.loss IS NULL", "c"),
        ("metrics.loss BETWEEN -1 AND 0", "b"),
        ("metrics.loss NOT BETWEEN -1 AND 0", "a"),
        ("NOT metrics.loss < 0", "ca"),  # NOT turns the answer round, whatever made it
        ("NOT (metrics.loss < 0 OR run_name = 'c')", "a"),
        ("metrics.loss < 0 OR params.depth = '9'", "ba"),
        ("(run_name = 'a' OR run_name = 'b') AND metrics.loss < 0", "b"),
        ("params.depth > 9", "b"),  # numbers, not texts
        ("params.depth = 9.0", "a"),
        ("params.depth IN (9, 11)", "a"),
        ("params.depth BETWEEN 9 AND 10", "ba"),
        ("params.`my key` != 3", ""),  # a text that is no number
        ("params.depth NOT IN ('9')", "b"),
        ("params.depth IS NULL", "c"),
        ("params.depth = '10'", "b"),
        ("params.depth != '10'", "a"),
        ("params.`my key` = 'v'", "ba"),
        ("params.depth IN ('9', '11')", "a"),
        ("tags.Team LIKE 'Blue%'", "a"),
        ("tags.Team LIKE 'b_ue%'", "b"),
        ("tags.Team LIKE 'blue*'", ""),
        ("tags.Team ILIKE 'BLUE%'", "ba"),
        ("tags.Team NOT LIKE 'b%'", "a"),
        (r"tags.Team LIKE '%\_1'", "b"),
        (r"tags.Team LIKE '%\%'", ""),
        ("tags.Team IS NULL", "c"),
        ("tags.Team IS NOT NULL and metrics.loss > 0", "a"),
        ("tags.mlflow.runName = 'a'", "a"),
        ("run_name = 'b'", "b"),
        ("attributes.status = 'FINISHED'", "c"),
        ("attributes.end_time IS NULL", "ba"),
        ("start_time >= 2", "cb"),
        ("attr.user_id ILIKE 'ada'", "cba"),
        ("dataset.name = 'iris' AND datasets.context = 'eval'", "c"),
        ("dataset.digest LIKE 'e%'", ""),
        ("tags.x = 'a'' OR 1=1 --'", ""),
        (" \n ", "cba"),
        ("status IN ('RUNNING', 'FAILED')", "ba"),
        ("status NOT IN ('RUNNING')", "c"),
        ("end_time IS NOT NULL AND end_time <= 9", "c"),
        ("NOT end_time > 3", "ba"),
        ("end_time != 3", "c"),
        ("experiment_id = '0' AND experiment_id = 0", "cba"),
        ("experiment_name LIKE 'Def%'", "cba"),
        ("experiment_name = 'Other'", ""),
        ("lifecycle_stage = 'deleted'", ""),
        ("source_name = 'train.py'", "b"),
        ("user_id ILIKE 'ADA'", "cba"),
        ("tags.city ILIKE 'ÉVRY'", "c"),
        ("dataset.name IS NULL", "ba"),
    ],
)
def test_a_search_finds(runs: SqlStore, text: str, names: str) -> None:
    assert "".join(run.info.name for run in runs.search_runs(["0"], filter=text).items) == names


@pytest.mark.parametrize(
    ("order", "names"),
    [
        (["metrics.loss ASC"], "bac"),
        (["metrics.loss DESC"], "abc"),
        (["metrics.x"], "bac"),  # values, then NaN, then missing
        (["metrics.x DESC"], "bac"),
        (["params.depth"], "bac"),  # as text: '10' before '9'
        (["tags.Team DESC"], "bac"),
        (["attributes.start_time ASC"], "abc"),
        (["end_time"], "cba"),
        (["params.`my key`", "metrics.loss DESC"], "abc"),
        (["tags.none"], "cba"),
        (["params.depth AS NUMBER"], "abc"),
        (["params.depth AS NUMBER DESC"], "bac"),
        (["experiment_name", "run_name DESC"], "cba"),
        (["status DESC", "created ASC"], "abc"),
        (["source_name"], "bca"),
        (["metrics.none", "metrics.loss"], "bac"),
    ],
)
def test_a_search_is_ordered(runs: SqlStore, order: list[str], names: str) -> None:
    assert "".join(run.info.name for run in runs.search_runs(["0"], order_by=order).items) == names
    filtered = runs.search_runs(["0"], filter="attributes.user_id = 'Ada'", order_by=order)
    assert "".join(run.info.name for run in filtered.items) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.loss = 'x'", "compared with a number"),
        ("metrics.loss LIKE 'x'", "LIKE is for texts"),
        ("params.depth > '3'", "for numbers"),
        ("params.depth LIKE 3", "LIKE is for texts"),
        ("params.depth IN (3, '4')", "in quotes"),
        ("status = 3", "in quotes"),
        ("start_time = 'now'", "without quotes"),
        ("start_time LIKE 'now'", "LIKE is for texts"),
        ("attributes.statu = 'x'", "Did you mean 'status'"),
        ("dataset.nam = 'x'", "a dataset has"),
        ("meric.a > 1", "Did you mean 'metric'"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs: SqlStore, text: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        runs.search_runs(["0"], filter=text)


def test_a_key_orders_once(runs: SqlStore) -> None:
    with pytest.raises(RefusedError, match="duplicate"):
        runs.search_runs(["0"], order_by=["metrics.a", "metric.a DESC"])


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8))
def test_a_value_is_found_as_it_was_logged(local: SqlStore, value: str) -> None:
    run_id = local.create_run("0").info.run_id
    local.set_tag(run_id, "k", value)
    quoted = value.replace("'", "''")
    found = local.search_runs(["0"], filter=f"tags.k = '{quoted}' AND run_id = '{run_id}'").items
    assert [run.info.run_id for run in found] == [run_id]
