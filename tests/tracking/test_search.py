"""The search language: its grammar with the place of every mistake, and what it finds."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.tracking import Dataset, DatasetInput, Metric, Param, RefusedError, RunStatus, Tag
from bis.tracking.search import compiled, page_offset
from bis.tracking.search_grammar import Comparison, Identifier, Order, parse_filter, parse_order

if TYPE_CHECKING:
    from bis.tracking.sql_store import SqlStore


@pytest.mark.parametrize(
    ("text", "comparison"),
    [
        ("metrics.loss < 1", Comparison(Identifier("metric", "loss", 1), "<", (1,), 14)),
        ("metric.a.b/c>=-1.5e3", Comparison(Identifier("metric", "a.b/c", 1), ">=", (-1500.0,), 13)),
        ("params.`my key` = 'x'", Comparison(Identifier("param", "my key", 1), "=", ("x",), 17)),
        ('parameter."a" != "b"', Comparison(Identifier("param", "a", 1), "!=", ("b",), 15)),
        ("status = 'RUNNING'", Comparison(Identifier("attribute", "status", 1), "=", ("RUNNING",), 8)),
        ("`run name` ilike '%x'", Comparison(Identifier("attribute", "run name", 1), "ILIKE", ("%x",), 12)),
        ("tags.t = 'it''s'", Comparison(Identifier("tag", "t", 1), "=", ("it's",), 8)),
        ("run_id in ('a', 'b')", Comparison(Identifier("attribute", "run_id", 1), "IN", ("a", "b"), 8)),
        ("run_id NOT IN ('a')", Comparison(Identifier("attribute", "run_id", 1), "NOT IN", ("a",), 8)),
        ("tags.t IS NOT NULL", Comparison(Identifier("tag", "t", 1), "IS NOT NULL", (), 8)),
        ("tags.t is null", Comparison(Identifier("tag", "t", 1), "IS NULL", (), 8)),
        ("dataset.name = 'x'", Comparison(Identifier("dataset", "name", 1), "=", ("x",), 14)),
    ],
)
def test_a_comparison_is_read(text: str, comparison: Comparison) -> None:
    assert parse_filter(text) == [comparison]


@pytest.mark.parametrize("text", ["", "  \n ", "tags.a = 'b' AND", "tags.a = 'b' and  "])
def test_nothing_and_a_trailing_and_are_taken(text: str) -> None:
    assert len(parse_filter(text)) == text.count("=")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("metrics.loss", 13),
        ("metrics.loss <", 15),
        ("metrics.loss ~ 3", 14),
        ("metrics.loss < three", 16),
        ("tags.a = 'b' tags.c = 'd'", 14),
        ("tags.a = 'b' OR tags.c = 'd'", 14),
        ("(tags.a = 'b')", 1),
        ("tags.a = 'open", 10),
        ("tag.`open = 'x'", 5),
        ("things.a = 'b'", 1),
        ("metrics. < 3", 1),
        ("run_id IN 'a'", 11),
        ("run_id IN ('a'", 15),
        ("run_id IN ()", 12),
        ("tags.a IS 3", 8),
        ("AND tags.a = 'b'", 5),
        ("'a' = 'b'", 1),
        ("3 < metrics.loss", 1),
    ],
)
def test_a_mistake_is_shown_by_its_column(text: str, column: int) -> None:
    with pytest.raises(RefusedError, match=rf"\(column {column}\)"):
        parse_filter(text)


@given(st.text(alphabet="metricsparamstag.`'\"<>=!() ,0129andIN%\\\n", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(RefusedError):  # and nothing else is raised
        compiled("runs", text)


def test_an_order_is_read() -> None:
    assert parse_order("metrics.loss") == Order(Identifier("metric", "loss", 1), ascending=True)
    assert parse_order("start_time desc") == Order(Identifier("attribute", "start_time", 1), ascending=False)
    with pytest.raises(RefusedError, match="expected ASC or DESC"):
        parse_order("metrics.loss down")


@pytest.mark.parametrize("token", ["x", "eyJvZmZzZXQiOiAtMX0=", "W10=", "eyJvZmZzZXQiOiAieCJ9"])
def test_a_token_of_somebody_else_is_refused(token: str) -> None:
    with pytest.raises(RefusedError, match="page token"):
        page_offset(token)


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
        ("params.depth = '10'", "b"),
        ("params.depth != '10'", "a"),
        ("params.`my key` = 'v'", "ba"),
        ("params.depth IN ('9', '11')", "a"),
        ("tags.Team LIKE 'Blue%'", "a"),
        ("tags.Team LIKE 'b_ue%'", "b"),
        ("tags.Team LIKE 'blue*'", ""),
        ("tags.Team ILIKE 'BLUE%'", "ba"),
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
        ("metrics.loss LIKE 'x'", "compared with a number"),
        ("params.depth > 3", "in quotes"),
        ("params.depth > '3'", "for numbers"),
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
