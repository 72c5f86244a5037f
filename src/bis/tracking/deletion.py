"""Removing for good what was deleted, while the store is in use and in little memory.

Rows go some thousand at a time, each part in a transaction of its own, with a rest after it in which others write. A
run is marked first, so that it cannot be restored when half of it is gone; then its rows go, its files, and last the
row of the run itself. What was broken off is finished the next time.
"""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.tracking.artifacts import SCHEME
from bis.tracking.database import LOCKED
from bis.tracking.refusals import RefusedError, invalid
from bis.tracking.runs import BEING_REMOVED, unknown_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bis.tracking.sql_store import SqlStore

_ROWS = 5000
"""Of one transaction: a few hundredths of a second, for which others wait."""

_LARGE = {
    "points": "key_id, step, timestamp, value, is_nan",
    "logged_model_metrics": "model_id, key, step, timestamp, value, is_nan, dataset_name, dataset_digest",
}
"""The tables that may have millions of rows of one run, and the rest of their key."""

_SMALL = ("latest", "params", "run_models", "input_tags", "inputs")
_OF_MODEL = ("logged_model_metrics", "logged_model_params", "logged_model_tags", "logged_models")

_RUNS = 1000
"""Of which the ids are read at a time."""

_DELETED_BEFORE = "lifecycle_stage = 'deleted' AND COALESCE(deleted_time, end_time, start_time) < ?"
"""Runs that were imported may have been deleted nobody knows when."""


class Deletion:
    """Removes from a store for good."""

    def __init__(self, store: SqlStore) -> None:
        self._db, self._artifacts = store._db, store.artifacts

    def deleted_runs(self, before_ms: int) -> list[str]:
        """The first ids of runs that were deleted before that time, or whose removal was broken off."""
        rows = self._db.rows(
            f"SELECT run_id FROM runs WHERE {_DELETED_BEFORE} ORDER BY run_no LIMIT {_RUNS}",
            (before_ms,),
        )
        return [row[0] for row in rows]

    def deleted_run_count(self, before_ms: int) -> int:
        """How many such runs there are."""
        count: int = self._db.row(f"SELECT COUNT(*) FROM runs WHERE {_DELETED_BEFORE}", (before_ms,))[0]
        return count

    def run(self, run_id: str) -> Iterator[int]:
        """Remove a deleted run with all it has; gives the number of rows that went with each transaction."""
        number, uri = self._mark(run_id)
        for table, keys in _LARGE.items():
            is_left = True
            while is_left:
                count, is_left = self._remove_some(table, keys, number)
                yield count
        with self._db.writing() as connection:
            datasets = connection.execute(
                "SELECT dataset_id FROM inputs WHERE run_no = ?", (number,)
            ).fetchall()
            count = 0
            for table in _SMALL:
                count += connection.execute(f"DELETE FROM {table} WHERE run_no = ?", (number,)).rowcount
            for row in datasets:
                connection.execute(_REMOVE_DATASET, tuple(row) * 2)
        yield count
        self._remove_files(uri)
        with self._db.writing() as connection:
            count = connection.execute("DELETE FROM tags WHERE run_no = ?", (number,)).rowcount
            count += connection.execute("DELETE FROM runs WHERE run_no = ?", (number,)).rowcount
        yield count

    def _mark(self, run_id: str) -> tuple[int, str]:
        with self._db.writing() as connection:
            row = connection.execute(
                f"SELECT run_no, lifecycle_stage, artifact_uri FROM runs WHERE run_id = ? {LOCKED}", (run_id,)
            ).fetchone()
            if row is None:
                raise unknown_run(run_id)
            if row[1] != "deleted":
                raise invalid(f"The run {run_id} must be in the 'deleted' state. Current state is {row[1]}.")
            connection.execute("UPDATE runs SET deleted_time = ? WHERE run_no = ?", (BEING_REMOVED, row[0]))
        return row[0], row[2]

    def _remove_some(self, table: str, keys: str, number: int) -> tuple[int, bool]:
        """Remove the first rows of the run; how many, and whether there are more."""
        marks = ", ".join("?" for _ in keys.split(","))
        with self._db.writing() as connection:
            edge = connection.execute(
                f"SELECT {keys} FROM {table} WHERE run_no = ? ORDER BY {keys} LIMIT 1 OFFSET {_ROWS}",
                (number,),
            ).fetchone()
            if edge is None:
                sql, values = f"DELETE FROM {table} WHERE run_no = ?", (number,)
            else:
                sql = f"DELETE FROM {table} WHERE run_no = ? AND ({keys}) < ({marks})"
                values = (number, *edge)
            return connection.execute(sql, values).rowcount, edge is not None

    def _remove_files(self, uri: str) -> None:
        """Remove files below the root; those that were kept elsewhere are their owner's."""
        if not uri.startswith(SCHEME):
            return
        try:
            own_folder = uri[len(SCHEME) :].lstrip("/").removesuffix("/artifacts")
            self._artifacts.delete(own_folder)
        except RefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise

    def models(self, before_ms: int) -> int:
        """Remove the logged models that were deleted before that time, and their files; returns how many."""
        found = self._db.rows(
            "SELECT model_id, artifact_uri FROM logged_models WHERE lifecycle_stage = 'deleted'"
            " AND last_updated_timestamp_ms < ?",
            (before_ms,),
        )
        for model_id, uri in found:
            self._remove_files(uri)
            with self._db.writing() as connection:
                for table in _OF_MODEL:
                    connection.execute(f"DELETE FROM {table} WHERE model_id = ?", (model_id,))
        return len(found)

    def experiments(self, before_ms: int) -> int:
        """Remove the experiments that were deleted before that time and are empty by now; returns how many."""
        found = self._db.rows(_EMPTY_EXPERIMENTS, (before_ms,))
        for (number,) in found:
            with self._db.writing() as connection:
                connection.execute("DELETE FROM experiment_tags WHERE experiment_id = ?", (number,))
                connection.execute("DELETE FROM experiments WHERE experiment_id = ?", (number,))
        return len(found)


_REMOVE_DATASET = (
    "DELETE FROM datasets WHERE dataset_id = ? AND NOT EXISTS (SELECT 1 FROM inputs WHERE dataset_id = ?)"
)
_EMPTY_EXPERIMENTS = (
    "SELECT experiment_id FROM experiments e WHERE lifecycle_stage = 'deleted' AND last_update_time < ?"
    " AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.experiment_id = e.experiment_id)"
    " AND NOT EXISTS (SELECT 1 FROM logged_models m WHERE m.experiment_id = e.experiment_id)"
)


@dataclass(frozen=True)
class Removed:
    """What was removed for good, or would be. ``rows``: points, parameters, tags and the like."""

    runs: int = 0
    rows: int = 0
    models: int = 0
    experiments: int = 0


def remove_deleted(
    store: SqlStore, before_ms: int, *, dry_run: bool = False, rest: Callable[[float], None] = time.sleep
) -> Removed:
    """Remove the runs, logged models and experiments that were deleted before that time.

    With ``dry_run`` the runs are counted, and nothing else is done.
    """
    deletion = Deletion(store)
    if dry_run:
        return Removed(deletion.deleted_run_count(before_ms))
    runs = rows = 0
    while found := deletion.deleted_runs(before_ms):
        for run_id in found:
            begun = time.monotonic()
            for count in deletion.run(run_id):
                rows += count
                rest(time.monotonic() - begun)  # as long as others were kept waiting
                begun = time.monotonic()
            runs += 1
    return Removed(runs, rows, deletion.models(before_ms), deletion.experiments(before_ms))
