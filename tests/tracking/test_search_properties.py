"""Searches of any form, held against a plain evaluation of the same tree in Python."""

from __future__ import annotations

import contextlib
import functools
import math
import random
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.tracking import Dataset, DatasetInput, Metric, Param, RefusedError, RunStatus, Tag, View, search_runs
from bis.tracking.search_grammar import AllOf, AnyOf, Comparison, Identifier, Not, parse_filter
from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.tracking.model import Run
    from bis.tracking.search_grammar import Condition

RUNS = 40
TEXTS = [
    *(
        "3",
        "3.0",
        "3e0",
        "-1",
        "0.5",
        "10",
        "abc",
        "Ab%",
        "a_b",
        "é",
        "É1",
        "it's",
        'a "b"',
        "\\",
        " 7 ",
        "1e999",
    ),
    *("nan", "inf", "1_0", "٣", "", "*", "[a]?", "x" * 100),
]
NUMBERS = (0, 1, -1, 3, 0.5, 10, 7, 1e-3, math.inf, -math.inf, math.nan)
METRICS, PARAMS, TAGS = (
    ("loss", "val/loss", "a b"),
    ("depth", "lr.x", "k-1"),
    ("team", "Ünïcode", "mlflow.note"),
)
NAMES = ("ann", "Bob", "bob", "é")


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """A store with some dozens of runs, in three experiments, some of them deleted."""
    directory: Path = tmp_path_factory.mktemp("searched")
    address: str | Path = directory / "bis.db"
    if request.param == "PostgreSQL":
        address = request.getfixturevalue("postgres").new_database()
    filled = open_sql_store(address, directory)
    _fill(filled)
    yield filled
    filled.close()


def _fill(store: SqlStore) -> None:
    chosen = random.Random(1)
    experiments = ["0", store.create_experiment("Forests"), store.create_experiment("trees")]
    for number in range(RUNS):
        run_id = store.create_run(
            chosen.choice(experiments),
            name=chosen.choice(NAMES),
            user_id=chosen.choice(NAMES),
            start_time=chosen.randrange(1, 12),
        ).info.run_id
        store.log_batch(
            run_id,
            [
                Metric(key, chosen.choice(NUMBERS), step, step)
                for key in METRICS
                for step in range(chosen.randrange(3))
            ],
            [Param(key, chosen.choice(TEXTS)) for key in PARAMS if chosen.random() < 0.7],
            [Tag(key, chosen.choice(TEXTS)) for key in TAGS if chosen.random() < 0.7],
        )
        if chosen.random() < 0.5:
            store.update_run(run_id, status=chosen.choice([*RunStatus]), end_time=chosen.randrange(1, 12))
        if chosen.random() < 0.3:
            dataset = Dataset(chosen.choice(NAMES), chosen.choice(("d1", "d2")), "local", "{}")
            store.log_inputs(run_id, [DatasetInput(dataset, (Tag("mlflow.data.context", "eval"),))])
        if number % 9 == 0:
            store.delete_run(run_id)


texts, numbers = st.sampled_from([*TEXTS, *NAMES]), st.sampled_from(NUMBERS)
patterns = st.lists(
    st.sampled_from(["%", "_", r"\%", r"\_", "\\", "a", "B", "b", "É", "é", "3", "*", "[", "?"]), max_size=4
)
NUMERIC = ("=", "!=", "<", "<=", ">", ">=")


def _named(entity: str, *keys: str) -> st.SearchStrategy[Identifier]:
    return st.sampled_from([Identifier(entity, key, 1) for key in keys])


def _compared(
    names: st.SearchStrategy[Identifier], *, of_texts: bool = False, of_numbers: bool = False
) -> st.SearchStrategy[Comparison]:
    forms: list[st.SearchStrategy[tuple[str, tuple[Any, ...]]]] = [
        st.tuples(st.sampled_from(["IS NULL", "IS NOT NULL"]), st.just(()))
    ]
    if of_texts:
        alike = patterns.map(lambda parts: ("".join(parts),))
        forms += [
            st.tuples(st.sampled_from(["=", "!="]), st.tuples(texts)),
            st.tuples(st.sampled_from(["LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"]), alike),
            st.tuples(st.sampled_from(["IN", "NOT IN"]), st.lists(texts, min_size=1, max_size=3).map(tuple)),
        ]
    if of_numbers:
        forms += [
            st.tuples(st.sampled_from(NUMERIC), st.tuples(numbers)),
            st.tuples(st.sampled_from(["BETWEEN", "NOT BETWEEN"]), st.tuples(numbers, numbers)),
            st.tuples(
                st.sampled_from(["IN", "NOT IN"]), st.lists(numbers, min_size=1, max_size=3).map(tuple)
            ),
        ]
    return st.builds(lambda name, form: Comparison(name, form[0], form[1], 1), names, st.one_of(forms))


comparisons = st.one_of(
    _compared(_named("metric", *METRICS, "none"), of_numbers=True),
    _compared(_named("param", *PARAMS, "none"), of_texts=True, of_numbers=True),
    _compared(_named("tag", *TAGS, "mlflow.runName"), of_texts=True, of_numbers=True),
    _compared(_named("attribute", "run_name", "status", "user_id", "lifecycle_stage"), of_texts=True),
    _compared(_named("attribute", "experiment_name"), of_texts=True),
    _compared(_named("attribute", "start_time", "end_time"), of_numbers=True),
    _compared(_named("attribute", "experiment_id"), of_texts=True, of_numbers=True),
    _compared(_named("dataset", "name", "digest", "context"), of_texts=True),
)
trees: st.SearchStrategy[Condition] = st.recursive(
    comparisons,
    lambda parts: st.one_of(
        st.builds(Not, parts),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: AllOf(tuple(some))),
        st.lists(parts, min_size=2, max_size=3).map(lambda some: AnyOf(tuple(some))),
    ),
    max_leaves=6,
)


def written(tree: Condition) -> str:
    """The tree in the words of the language."""
    if isinstance(tree, Not):
        return f"NOT ({written(tree.condition)})"
    if isinstance(tree, (AllOf, AnyOf)):
        return (" AND " if isinstance(tree, AllOf) else " or ").join(
            f"({written(part)})" for part in tree.conditions
        )
    name = f"{tree.identifier.entity}.`{tree.identifier.key}`"
    values = [_value(value) for value in tree.values]
    if tree.operator.endswith("IN"):
        return f"{name} {tree.operator} ({', '.join(values)})"
    return " ".join([name, tree.operator, " AND ".join(values)]).strip()


def _value(value: str | float) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def holds(tree: Condition, run: Run, experiments: dict[str, str]) -> bool:
    """Whether the run fulfils the filter."""
    if isinstance(tree, Not):
        return not holds(tree.condition, run, experiments)
    if isinstance(tree, AllOf):
        return all(holds(part, run, experiments) for part in tree.conditions)
    if isinstance(tree, AnyOf):
        return any(holds(part, run, experiments) for part in tree.conditions)
    candidates = [value for value in _values(tree, run, experiments) if value is not None]
    if tree.operator == "IS NULL":
        return not candidates
    return any(_fulfils(tree, value) for value in candidates)


def _values(tree: Comparison, run: Run, experiments: dict[str, str]) -> list[Any]:
    name, is_number = tree.identifier, bool(tree.values) and not isinstance(tree.values[0], str)
    if name.entity == "metric":
        return [point.value for point in run.metrics if point.key == name.key]
    if name.entity == "dataset":
        if name.key == "context":
            return [tag.value for used in run.datasets for tag in used.tags]
        return [getattr(used.dataset, name.key) for used in run.datasets]
    if name.entity in ("param", "tag"):
        text = (run.params if name.entity == "param" else run.tags).get(name.key)
        return [_decimal(text) if is_number else text]
    if name.key == "experiment_name":
        return [experiments[run.info.experiment_id]]
    value = getattr(run.info, {"run_name": "name"}.get(name.key, name.key))
    if name.key == "experiment_id" and is_number:
        return [int(value)]
    return [value.value if name.key == "status" else value]


def _decimal(text: str | None) -> float | None:
    if text is None or not re.fullmatch(
        r" *[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)? *", text, re.IGNORECASE
    ):
        return None
    return None if math.isinf(float(text)) else float(text)


def _fulfils(tree: Comparison, value: Any) -> bool:
    operator = tree.operator.removeprefix("NOT ")
    if operator == "IS NOT NULL":
        return True
    if tree.operator.startswith("NOT ") or operator == "!=":
        positive = Comparison(tree.identifier, operator.replace("!", ""), tree.values, 1)
        return not _fulfils(positive, value)
    first = tree.values[0]
    if operator in ("LIKE", "ILIKE"):
        return _is_like(str(first), value, re.IGNORECASE if operator == "ILIKE" else 0)
    if operator in ("=", "IN"):
        both_nan = tree.identifier.entity == "metric" and math.isnan(value) and any(map(_is_nan, tree.values))
        return both_nan or value in [one for one in tree.values if not _is_nan(one)]
    if operator == "BETWEEN":
        return bool(first <= value <= tree.values[1])
    return bool(
        {"<": value < first, "<=": value <= first, ">": value > first, ">=": value >= first}[operator]
    )


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _is_like(pattern: str, text: str, flags: int) -> bool:
    words = re.findall(r"\\[%_\\]|.", pattern, re.DOTALL)
    wild = {"%": ".*", "_": "."}
    expression = "".join(wild.get(word) or re.escape(word[-1]) for word in words)
    return re.fullmatch(expression, text, flags | re.DOTALL) is not None


WAYS = {
    "walked": {"_FEW_RUNS": 10**9},
    "in sets": {"_FEW_RUNS": -1},
    "sampled": {"_FEW_RUNS": -1, "_SMALL_SET": 0},
}
"""How each search is made: along indexes, in a set of runs whenever there is one, or as a sample of it says."""

given_any = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in WAYS[request.param].items():
        monkeypatch.setattr(search_runs, name, value)
    return str(request.param)


@functools.lru_cache
def everything(store: SqlStore) -> tuple[Run, ...]:
    return store.search_runs(view=View.ALL).items


def _experiments(store: SqlStore) -> dict[str, str]:
    return {one.experiment_id: one.name for one in store.search_experiments().items}


@given_any
@given(tree=trees)
def test_what_is_written_is_read_again(tree: Condition) -> None:
    assert written(parse_filter(written(tree))) == written(tree)


@given_any
@given(
    tree=trees,
    view=st.sampled_from([View.ACTIVE_ONLY, View.ALL]),
    ids=st.sampled_from([None, ["1"], ["0", "2"]]),
)
def test_a_filter_finds_what_python_finds(
    store: SqlStore, way: str, tree: Condition, view: View, ids: list[str] | None
) -> None:
    experiments = _experiments(store)
    expected = {
        run.info.run_id
        for run in everything(store)
        if holds(tree, run, experiments)
        and (view is View.ALL or run.info.lifecycle_stage == "active")
        and (ids is None or run.info.experiment_id in ids)
    }
    found = store.search_runs(ids, filter=written(tree), view=view).items
    assert {run.info.run_id for run in found} == expected
    assert len(found) == len(expected)


KEYS = [f"metrics.`{key}`" for key in METRICS] + [f"params.`{key}`" for key in PARAMS] + [f"tags.`{TAGS[0]}`"]
KEYS += [
    "params.`depth` AS NUMBER",
    "status",
    "end_time",
    "start_time",
    "run_name",
    "experiment_name",
    "metrics.none",
]
orders = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["", " ASC", " DESC"])),
    max_size=3,
    unique_by=lambda o: o[0].split()[0],
).map(lambda pairs: [key + way for key, way in pairs])


def _place(run: Run, key: str, experiments: dict[str, str]) -> tuple[int, Any]:
    """Where the run is by one key: its rank (found, NaN, missing), and its value."""
    bare = key.removesuffix(" AS NUMBER").replace("`", "")
    entity, _, rest = bare.partition(".")
    name = Identifier(
        {"metrics": "metric", "params": "param", "tags": "tag"}.get(entity, "attribute"), rest or bare, 1
    )
    sample: tuple[Any, ...] = (0,) if "NUMBER" in key else ("",)
    value = next(iter(_values(Comparison(name, "=", sample, 1), run, experiments)), None)
    return (2, 0) if value is None else (1, 0) if _is_nan(value) else (0, value)


def _sorted(runs: list[Run], order: list[str], experiments: dict[str, str]) -> list[Run]:
    found = sorted(runs, key=lambda run: run.info.run_id)
    if not any(key.split()[0] == "start_time" for key in order):
        found.sort(key=lambda run: -run.info.start_time)
    for key in reversed(order):
        bare = key.removesuffix(" DESC").removesuffix(" ASC")
        places = {run.info.run_id: _place(run, bare, experiments) for run in found}
        found.sort(key=lambda run: places[run.info.run_id][1] if not places[run.info.run_id][0] else _least(places),
                   reverse=key.endswith(" DESC"))  # fmt: skip
        found.sort(key=lambda run: places[run.info.run_id][0])
    return found


def _least(places: dict[str, tuple[int, Any]]) -> Any:
    return next((value for rank, value in places.values() if rank == 0), 0)


@given_any
@given(
    order=orders,
    size=st.integers(1, 13),
    view=st.sampled_from([View.ACTIVE_ONLY, View.ALL]),
    ids=st.sampled_from([None, ["0", "2"]]),
)
def test_pages_in_any_order_are_those_of_python(
    store: SqlStore, way: str, order: list[str], size: int, view: View, ids: list[str] | None
) -> None:
    expected = _sorted(
        [
            run
            for run in everything(store)
            if (view is View.ALL or run.info.lifecycle_stage == "active")
            and (ids is None or run.info.experiment_id in ids)
        ],
        order,
        _experiments(store),
    )
    found, token = list[str](), None
    while True:
        page = store.search_runs(ids, order_by=order, max_results=size, page_token=token, view=view)
        found += [run.info.run_id for run in page.items]
        token = page.next_token
        if token is None:
            break
        assert len(page.items) == size
    assert found == [run.info.run_id for run in expected]


WORDS = [
    "metrics.a",
    "params.b",
    "tags.`c`",
    "status",
    "dataset.name",
    "experiment_id",
    "=",
    "<",
    "(",
    ")",
    ",",
]
WORDS += ["'x'", "3"]
WORDS += ["nan", "AND", "OR", "NOT", "IN", "IS", "NULL", "LIKE", "BETWEEN", "'\\'"]


@given_any
@given(text=st.text(max_size=40) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join))
def test_any_text_is_searched_by_or_refused(store: SqlStore, text: str) -> None:
    with contextlib.suppress(RefusedError):  # and nothing else is raised
        store.search_runs(filter=text)
    with contextlib.suppress(RefusedError):
        store.search_runs(order_by=[text])
    with contextlib.suppress(RefusedError):
        store.search_runs(page_token=text)
    with contextlib.suppress(RefusedError):
        store.search_experiments(filter=text)
