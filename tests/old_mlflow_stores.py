"""Small stores as MLflow writes them, written by hand: what a test wants in them, and nothing else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

RUN = "0123456789abcdef0123456789abcdef"


def write_meta(directory: Path, **fields: Any) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "meta.yaml").write_text(yaml.safe_dump(fields))


def write_values(directory: Path, values: dict[str, str]) -> None:
    for name, value in values.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(value.encode())


def write_experiment(mlruns: Path, number: str, name: str, **fields: Any) -> Path:
    directory = mlruns / number
    write_meta(directory, name=name, experiment_id=number, artifact_location=f"./mlruns/{number}", **fields)
    return directory


def write_run(
    experiment: Path, run_id: str = RUN, *, metrics: dict[str, str] | None = None, **fields: Any
) -> Path:
    directory = experiment / run_id
    known: dict[str, Any] = {
        "run_id": run_id,
        "status": 3,
        "start_time": 1_500_000_000_000,
        "end_time": 1_500_000_001_000,
        "artifact_uri": f"./mlruns/{experiment.name}/{run_id}/artifacts",
    }
    write_meta(directory, **{**known, **fields})
    write_values(directory / "metrics", metrics or {})
    return directory


TABLES = {
    "experiments": "experiment_id INTEGER, name TEXT, artifact_location TEXT, lifecycle_stage TEXT",
    "runs": "run_uuid VARCHAR(32), name TEXT, user_id TEXT, status TEXT, start_time BIGINT, end_time BIGINT,"
    " lifecycle_stage TEXT, artifact_uri TEXT, experiment_id INTEGER",
    "metrics": "key TEXT, value DOUBLE PRECISION, timestamp BIGINT, step BIGINT, is_nan BOOLEAN, run_uuid VARCHAR(32)",
    "params": "key TEXT, value TEXT, run_uuid VARCHAR(32)",
    "tags": "key TEXT, value TEXT, run_uuid VARCHAR(32)",
}
"""The tables of MLflow 1.0, which had no indexes by run."""

ROWS: dict[str, list[tuple[object, ...]]] = {
    "experiments": [(0, "Default", "./mlruns/0", "active"), (7, "iris", "./mlruns/7", "deleted")],
    "runs": [(RUN, "first", "ada", "FINISHED", 1, 2, "active", f"./mlruns/7/{RUN}/artifacts", 7)],
    "metrics": [
        ("loss", 0.5, 10, 0, False, RUN),
        ("loss", 0.25, 20, 1, False, RUN),
        ("odd", 0.0, 10, -5, True, RUN),
        ("odd", 1.7976931348623157e308, 10, -4, False, RUN),
    ],
    "params": [("depth", "3", RUN), ("none", None, RUN)],
    "tags": [("mlflow.runName", "first", RUN), ("note", "two\nlines ü", RUN)],
}


def statements(mark: str = "?") -> list[tuple[str, list[tuple[object, ...]]]]:
    """What makes the tables and fills them."""
    made: list[tuple[str, list[tuple[object, ...]]]] = []
    for table, columns in TABLES.items():
        made.append((f"CREATE TABLE {table} ({columns})", []))
        marks = ", ".join([mark] * len(ROWS[table][0]))
        made.append((f"INSERT INTO {table} VALUES ({marks})", ROWS[table]))
    return made


def write_database(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        for sql, rows in statements():
            if rows:
                connection.executemany(sql, rows)
            else:
                connection.execute(sql)
        connection.commit()
