"""How SQLite carries searches out: along indexes, without reading a table from end to end or sorting all of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking import View
from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUNS = 3000


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqlStore]:
    """A store that is large enough for its searches to be planned, over SQLite."""
    directory = tmp_path_factory.mktemp("planned")
    store = open_sql_store(directory / "bis.db", directory)
    with store.writing() as connection:
        connection.execute("INSERT INTO metric_keys (key_id, key) VALUES (1, 'loss')")
        connection.executemany(
            "INSERT INTO runs (run_no, run_id, experiment_id, name, user_id, status, start_time, artifact_uri)"
            " VALUES (?, ?, 0, ?, ?, 'FINISHED', ?, '')",
            [(n, f"r{n}", f"run-{n}", f"user-{n % 9}", n) for n in range(1, RUNS)],
        )
        connection.executemany(
            "INSERT INTO params (run_no, key, value) VALUES (?, 'depth', ?)",
            [(n, str(n % 50)) for n in range(1, RUNS)],
        )
        connection.executemany(
            "INSERT INTO tags (run_no, key, value) VALUES (?, 'team', ?)",
            [(n, "rare" if n % 500 == 0 else "usual") for n in range(1, RUNS)],
        )
        connection.executemany(
            "INSERT INTO latest (run_no, key_id, step, timestamp, value) VALUES (?, 1, 0, 0, ?)",
            [(n, (n * 7919) % 1009 / 1009) for n in range(1, RUNS)],
        )
    yield store
    store.close()


def _plans(store: SqlStore, monkeypatch: pytest.MonkeyPatch, search: dict[str, Any]) -> list[str]:
    """The lines of the plans of all queries that a search makes."""
    database = store._db
    asked: list[tuple[str, Sequence[object]]] = []
    rows, row = database.rows, database.row

    def noted(read: Any) -> Any:
        def reading(sql: str, parameters: Sequence[object] = ()) -> Any:
            asked.append((sql, parameters))
            return read(sql, parameters)

        return reading

    with monkeypatch.context() as patched:
        patched.setattr(database, "rows", noted(rows))
        patched.setattr(database, "row", noted(row))
        store.search_runs(**{"max_results": 5, **search})
    return [line[3] for sql, parameters in asked for line in rows(f"EXPLAIN QUERY PLAN {sql}", parameters)]


SEARCHES: list[dict[str, Any]] = [
    {},
    {"experiment_ids": ["0"]},
    {"experiment_ids": ["0", "1"]},
    {"view": View.ALL},
    {"view": View.ALL, "order_by": ["metrics.loss"]},
    {"order_by": ["metrics.loss"]},
    {"order_by": ["metrics.loss DESC"]},
    {"order_by": ["metrics.loss DESC"], "experiment_ids": ["0"]},
    {"order_by": ["params.depth DESC"]},
    {"order_by": ["tags.team"]},
    {"order_by": ["run_name"]},
    {"order_by": ["run_name DESC"]},
    {"order_by": ["status"]},
    {"filter": "params.depth = '7'"},
    {"filter": "params.depth > 48"},
    {"filter": "tags.team = 'rare'"},
    {"filter": "tags.team LIKE 'ra%'", "order_by": ["metrics.loss"]},
    {"filter": "metrics.loss > 0.99"},
    {"filter": "metrics.loss BETWEEN 0.5 AND 0.51 AND params.depth = '7'"},
    {"filter": "run_name = 'run-9' OR tags.team = 'rare'"},
    {"filter": "run_id = 'r9'"},
    {"filter": "status = 'FAILED'"},
    {"filter": "user_id = 'user-3'"},
    {"filter": "start_time < 100"},
    {"filter": "start_time < 100", "order_by": ["metrics.loss"]},
    {"filter": "experiment_name = 'Default'"},
    {"filter": "dataset.name = 'iris'"},
]


@pytest.mark.parametrize("search", SEARCHES, ids=str)
def test_no_table_is_read_from_end_to_end(
    filled: SqlStore, monkeypatch: pytest.MonkeyPatch, search: dict[str, Any]
) -> None:
    plans = _plans(filled, monkeypatch, search)
    scanned = [line for line in plans if re.match(r"SCAN (r|x|o\d|e)\b", line)]
    assert scanned == []


WALKS = [one for one in SEARCHES if "filter" not in one and "view" not in one and len(one) < 2]


@pytest.mark.parametrize("search", WALKS, ids=str)
def test_what_an_index_orders_is_not_sorted(
    filled: SqlStore, monkeypatch: pytest.MonkeyPatch, search: dict[str, Any]
) -> None:
    plans = _plans(filled, monkeypatch, search)
    assert [line for line in plans if line == "USE TEMP B-TREE FOR ORDER BY"] == []


def test_the_next_page_begins_where_the_first_one_ended(
    filled: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for order, index in (([], "start_time<?"), (["metrics.loss"], "value>?")):
        token = filled.search_runs(order_by=order, max_results=5).next_token
        plans = _plans(filled, monkeypatch, {"order_by": order, "page_token": token})
        assert any(index in line for line in plans), plans


def test_deleted_runs_are_not_looked_for_among_all(filled: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = _plans(filled, monkeypatch, {"view": View.DELETED_ONLY, "order_by": ["metrics.loss"]})
    assert not any(line.startswith("SEARCH o0 USING COVERING INDEX latest_by_value") for line in plans), plans
