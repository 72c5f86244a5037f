"""Page tokens: the place where a page ended, of one search."""

from __future__ import annotations

import base64
import contextlib
import json
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.tracking import Metric, RefusedError, pages

if TYPE_CHECKING:
    from bis.tracking.sql_store import SqlStore

texts = st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
values: st.SearchStrategy[Any] = st.one_of(
    st.none(), texts, st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)
)


@given(st.lists(values, max_size=8))
def test_a_position_is_read_as_it_was_written(position: list[Any]) -> None:
    assert pages.read(pages.written("mark", position), "mark", len(position)) == position


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_asks_for_the_first_page(token: str | None) -> None:
    assert pages.read(token, "mark", 1) is None


def _token(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "token",
    [
        "x",
        "é",
        _token({"offset": 5}),  # MLflow's own
        _token([]),
        _token([2, "mark", [1]]),
        _token([1, "mark", "x"]),
        _token([1, "mark", [{}]]),
        _token([1, "mark", [True]]),
        _token([1, "mark", [2**63]]),
        _token([1, "mark", [math.nan]]),
        _token([1, "mark", ["\0"]]),
        "W1tb" * 50_000,
    ],
)
def test_a_token_of_somebody_else_is_refused(token: str) -> None:
    with pytest.raises(RefusedError, match="not made by this server"):
        pages.read(token, "mark", 1)


def test_a_token_of_another_search_is_refused(local: SqlStore) -> None:
    for _ in range(3):
        local.create_run("0")
    token = local.search_runs(filter="start_time > 1", max_results=1).next_token
    ordered: dict[str, Any] = {"filter": "start_time > 1", "order_by": ["run_name"]}
    for changed in ({"filter": "start_time > 2"}, ordered):
        with pytest.raises(RefusedError, match="another search"):
            local.search_runs(page_token=token, **changed)
    with pytest.raises(RefusedError, match="another search"):
        local.search_experiments(page_token=token)


def test_no_run_is_shown_twice_or_left_out_when_runs_are_added_and_deleted(local: SqlStore) -> None:
    made = [local.create_run("0", start_time=number + 1).info.run_id for number in range(10)]
    shown, token = list[str](), None
    while True:
        page = local.search_runs(max_results=3, page_token=token)
        shown += [run.info.run_id for run in page.items]
        local.create_run("0", start_time=100)  # newer than all
        local.delete_run(shown[-1])
        token = page.next_token
        if token is None:
            break
    assert shown == made[::-1]


def test_a_history_is_read_page_by_page(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    points = [Metric("m", value, 5, step) for step in (-1, 0, 7) for value in (1.0, -math.inf, math.nan, 2.5)]
    local.log_batch(run_id, points)
    found, token = list[Metric](), None
    while True:
        page = local.metric_history(run_id, "m", max_results=5, page_token=token)
        found += page.items
        token = page.next_token
        if token is None:
            break
    assert list(map(str, found)) == list(map(str, local.metric_history(run_id, "m").items))
    assert len(found) == 12


def test_experiments_and_models_are_read_page_by_page(local: SqlStore) -> None:
    for number in range(5):
        local.create_experiment(f"e{number}")
        local.create_registered_model(f"m{number}")
        local.create_model_version("m0", "s")
        local.create_logged_model("0", name=f"l{number}")
    searches: list[Any] = [
        local.search_experiments,
        local.search_registered_models,
        local.search_model_versions,
        lambda **options: local.search_logged_models(["0"], **options),
    ]
    for search in searches:
        whole, parts, token = search().items, list[Any](), None
        while True:
            page = search(max_results=2, page_token=token)
            parts += page.items
            token = page.next_token
            if token is None:
                break
        assert parts == list(whole)
        assert len(parts) >= 5


def test_a_token_with_values_of_another_type_is_no_defect(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    for number in range(3):
        local.create_experiment(f"e{number}")
        local.create_run("0")
        local.log_batch(run_id, [Metric("m", 1.0, 5, number)])
    searches: list[Any] = [
        lambda **options: local.search_runs(["0"], order_by=["attributes.run_name"], **options),
        lambda **options: local.search_experiments(order_by=["name"], **options),
        lambda **options: local.metric_history(run_id, "m", **options),
    ]
    for search in searches:
        token = search(max_results=1).next_token
        version, mark, position = json.loads(base64.urlsafe_b64decode(token))
        for made_up in ([7] * len(position), ["x"] * len(position), [None] * len(position)):
            with contextlib.suppress(RefusedError):  # SQLite can compare anything
                search(max_results=1, page_token=_token([version, mark, made_up]))
    assert local.search_runs(["0"]).items
