"""A store of each version that was released, with something in every table, is brought forward and loses nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking.database import MIGRATIONS, VERSION, Database, Statements
from bis.tracking.database_postgres import PostgresDatabase
from bis.tracking.database_sqlite import SqliteDatabase
from bis.tracking.model import Metric
from bis.tracking.sql_store import open_sql_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Opener = "Callable[[int], Database]"

ROWS: dict[str, tuple[object, ...]] = {
    "experiments": (1, "e", "mlflow-artifacts:/1", "active", 10, 11),
    "experiment_tags": (1, "k", "v"),
    "runs": (1, "a" * 32, 1, "calm-owl", "me", "FINISHED", 12, 13, "active", None, "mlflow-artifacts:/1/a"),
    "tags": (1, "mlflow.runName", "calm-owl"),
    "params": (1, "p", "0.1", "bis", "/tmp/x"),
    "metric_keys": (1, "m"),
    "points": (1, 1, 5, 6, 0.5, 0),
    "latest": (1, 1, 5, 6, 0.5, 0),
    "datasets": ("d" * 64, "iris", "1", "local", "x.csv", None, "{}"),
    "inputs": (1, "d" * 64),
    "input_tags": (1, "d" * 64, "mlflow.data.context", "training"),
    "logged_models": ("m-1", 1, "model", "sklearn", "a" * 32, "LOGGED_MODEL_READY", "x", "active", 14, 15),
    "logged_model_tags": ("m-1", "k", "v"),
    "logged_model_params": ("m-1", "k", "v"),
    "logged_model_metrics": ("m-1", 1, "m", 5, 6, 0.5, 0, "iris", "1"),
    "run_models": (1, "output", "m-1", 5),
    "registered_models": ("iris", "flowers", 16, 17, 1),
    "registered_model_tags": ("iris", "k", "v"),
    "model_versions": ("iris", 1, "first", "models:/m-1", "a" * 32, "", "m-1", "Staging", 18, 19),
    "model_version_tags": ("iris", 1, "k", "v"),
    "registered_model_aliases": ("iris", "best", 1),
}
"""A row of each table of version 1."""


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Opens one database, as the bis of a version did."""
    if request.param == "SQLite":
        yield lambda version: SqliteDatabase(tmp_path / "t.db", version=version)
        return
    server = request.getfixturevalue("postgres")
    uri = server.new_database()
    yield lambda version: PostgresDatabase(uri, version=version)
    server.drop(uri)


@pytest.fixture
def address(opener: Callable[[int], Database], tmp_path: Path) -> str | Path:
    """Where that database is."""
    database = opener(1)
    with database.writing() as statements:
        for table, row in ROWS.items():
            _add(statements, table, row)
        if isinstance(database, PostgresDatabase):  # which counts only what it numbered by itself
            for table, column in (
                ("experiments", "experiment_id"),
                ("runs", "run_no"),
                ("metric_keys", "key_id"),
            ):
                statements.execute("SELECT setval(pg_get_serial_sequence(?, ?), 1)", (table, column))
    database.close()
    return tmp_path / "t.db" if isinstance(database, SqliteDatabase) else database._uri  # type: ignore[attr-defined]


def _add(statements: Statements, table: str, row: tuple[object, ...]) -> None:
    marks = ", ".join("?" for _ in row)
    statements.execute(f"INSERT INTO {table} VALUES ({marks})", row)


def test_the_rows_are_those_of_every_table_of_the_first_version() -> None:
    script = (MIGRATIONS / "0001_initial.sql").read_text()
    assert set(re.findall(r"CREATE TABLE (\w+)", script)) == set(ROWS)


@pytest.mark.usefixtures("address")
def test_every_version_is_reached_from_every_one_before(opener: Callable[[int], Database]) -> None:
    for version in range(1, VERSION + 1):
        database = opener(version)
        for table, row in ROWS.items():
            found = [tuple(one) for one in database.rows(f"SELECT * FROM {table}")]
            assert row in [one[: len(row)] for one in found], (version, table)
        database.close()


def test_a_store_of_the_first_version_is_read_and_written(address: str | Path, tmp_path: Path) -> None:
    store = open_sql_store(address, tmp_path / "artifacts")
    run = store.run("a" * 32)
    assert (run.params, run.metrics) == ({"p": "0.1"}, (Metric("m", 0.5, 6, 5),))
    assert [model.name for model in store.search_registered_models().items] == ["iris"]
    assert store.logged_model("m-1").metrics[0].metric.value == 0.5
    store.log_batch("a" * 32, [Metric("new", 1.0, 7, 1)])
    assert [metric.key for metric in store.run("a" * 32).metrics] == ["m", "new"]
    assert store.create_experiment("next") == "2"
    store.close()


def test_what_a_sqlite_store_was_stays_beside_it(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "t.db", version=1)
    with database.writing() as statements:
        for table, row in ROWS.items():
            _add(statements, table, row)
    database.close()
    SqliteDatabase(tmp_path / "t.db").close()
    backup = SqliteDatabase(tmp_path / "t.db.v1.bak", version=1)
    assert backup.row("SELECT name FROM runs") == ("calm-owl",)
    backup.close()
