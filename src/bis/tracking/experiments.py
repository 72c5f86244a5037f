"""Experiments in SQL."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bis.tracking.database import LOCKED
from bis.tracking.model import Experiment, Page, Tag, View
from bis.tracking.refusals import absent, invalid, taken

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from bis.tracking.database import Database, Statements

_COLUMNS = (
    "e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage, e.creation_time, e.last_update_time"
)
MOST_SEARCHED = 50_000
"""Experiments of one search of runs or models."""
_CHUNK = 500
"""Experiments whose tags are read by one query."""


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class SqlExperiments:
    """The part of a store that keeps experiments."""

    _db: Database

    def create_experiment(self, name: str, *, artifact_location: str = "", tags: Iterable[Tag] = ()) -> str:
        """Make an experiment and return its id; refused when the name is taken, by a deleted one too."""
        now = now_ms()
        with self._db.writing() as connection:
            self._refuse_taken(connection, name)
            number = connection.execute(
                "INSERT INTO experiments (name, artifact_location, creation_time, last_update_time) VALUES"
                " (?, '', ?, ?) RETURNING experiment_id",
                (name, now, now),
            ).fetchone()[0]
            location = artifact_location.rstrip("/") or f"mlflow-artifacts:/{number}"
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (location, number)
            )
            connection.executemany(_SET_TAG, [(number, tag.key, tag.value) for tag in tags])
        return str(number)

    def _refuse_taken(self, connection: Statements, name: str) -> None:
        row = connection.execute("SELECT lifecycle_stage FROM experiments WHERE name = ?", (name,)).fetchone()
        if row is not None:
            deleted = (
                " in deleted state. You can restore it or permanently delete it"
                if row[0] == "deleted"
                else ""
            )
            raise taken(f"Experiment(name={name}) already exists{deleted}.")

    def experiment(self, experiment_id: str) -> Experiment:
        """The experiment with that id, deleted or not."""
        found = self._experiments("WHERE e.experiment_id = ?", (experiment_number(experiment_id),))
        if not found:
            raise absent(f"No Experiment with id={experiment_id} exists")
        return found[0]

    def experiment_named(self, name: str) -> Experiment | None:
        """The experiment with that name, deleted or not; None when there is none."""
        found = self._experiments("WHERE e.name = ?", (name,))
        return found[0] if found else None

    def search_experiments(
        self,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 1000,
        page_token: str | None = None,
        view: View = View.ACTIVE_ONLY,
    ) -> Page[Experiment]:
        """Experiments that fulfil the filter, the newest first unless said otherwise."""
        from bis.tracking.search import search
        from bis.tracking.search_sql import Sql
        from bis.tracking.search_subjects import EXPERIMENTS

        with self._db.reading():
            found = search(
                self._db,
                EXPERIMENTS,
                _COLUMNS,
                scope=Sql(_STAGES[view]),
                filter=filter,
                order_by=order_by,
                max_results=max_results,
                page_token=page_token,
            )
            return Page(tuple(self._experiments_of(found.items)), found.next_token)

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        """Give the experiment another name."""
        with self._db.writing() as connection:
            number = _active(connection, experiment_id)
            row = connection.execute(
                "SELECT name FROM experiments WHERE experiment_id = ?", (number,)
            ).fetchone()
            if row[0] != name:
                self._refuse_taken(connection, name)
            connection.execute(
                "UPDATE experiments SET name = ?, last_update_time = ? WHERE experiment_id = ?",
                (name, now_ms(), number),
            )

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark the experiment and its runs as deleted."""
        self._move_experiment(experiment_id, "active", "deleted")

    def restore_experiment(self, experiment_id: str) -> None:
        """Take a deleted experiment back, with its runs."""
        self._move_experiment(experiment_id, "deleted", "active")

    def _move_experiment(self, experiment_id: str, before: str, after: str) -> None:
        now, number = now_ms(), experiment_number(experiment_id)
        if number == 0 and after == "deleted":
            raise invalid("Cannot delete the default experiment '0'. It is always there.")
        with self._db.writing() as connection:
            changed = connection.execute(
                "UPDATE experiments SET lifecycle_stage = ?, last_update_time = ?"
                " WHERE experiment_id = ? AND lifecycle_stage = ?",
                (after, now, number, before),
            ).rowcount
            if not changed:
                raise absent(f"No Experiment with id={experiment_id} exists in the {before} state")
            connection.execute(
                "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE experiment_id = ? AND"
                " lifecycle_stage = ? AND COALESCE(deleted_time, 1) > 0",  # 0: it is being removed for good
                (after, now if after == "deleted" else None, number, before),
            )

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of the experiment."""
        with self._db.writing() as connection:
            connection.execute(_SET_TAG, (_active(connection, experiment_id), key, value))

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of the experiment."""
        with self._db.writing() as connection:
            number = _active(connection, experiment_id)
            deleted = connection.execute(
                "DELETE FROM experiment_tags WHERE experiment_id = ? AND key = ?", (number, key)
            ).rowcount
            if not deleted:
                raise absent(f"No tag with name: {key} in experiment with id {experiment_id}")

    def _experiments(self, tail: str, parameters: Sequence[object]) -> list[Experiment]:
        with self._db.reading():
            return self._experiments_of(
                self._db.rows(f"SELECT {_COLUMNS} FROM experiments e {tail}", parameters)
            )

    def _experiments_of(self, rows: Sequence[Sequence[Any]]) -> list[Experiment]:
        """The experiments of these rows, of which more columns may follow."""
        tags: dict[int, dict[str, str]] = {row[0]: {} for row in rows}
        numbers = list(tags)
        for start in range(0, len(numbers), _CHUNK):
            part = numbers[start : start + _CHUNK]
            for number, key, value in self._db.rows(
                "SELECT experiment_id, key, value FROM experiment_tags WHERE experiment_id IN"
                f" ({','.join('?' * len(part))})",
                part,
            ):
                tags[number][key] = value
        return [Experiment(*[str(row[0]), *row[1:6], tags[row[0]]]) for row in rows]


_SET_TAG = (
    "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (experiment_id, key) DO UPDATE SET value = excluded.value"
)

_STAGES = {
    View.ACTIVE_ONLY: "e.lifecycle_stage = 'active'",
    View.DELETED_ONLY: "e.lifecycle_stage = 'deleted'",
    View.ALL: "e.lifecycle_stage IN ('active', 'deleted')",
}


def is_experiment_id(text: str) -> bool:
    """Whether an experiment can have that id."""
    return text.isascii() and text.isdigit() and len(text) < 19


def searched_numbers(experiment_ids: Sequence[str]) -> list[int]:
    """The ids of a search as the database has them, without those that no experiment can have."""
    numbers = sorted({int(text) for text in experiment_ids if is_experiment_id(text)})
    if len(numbers) > MOST_SEARCHED:
        raise invalid(f"A search is of at most {MOST_SEARCHED} experiments, or of all. Got {len(numbers)}.")
    return numbers


def experiment_number(experiment_id: str) -> int:
    """The id as the database has it; an id that no experiment can have is refused as absent."""
    if not is_experiment_id(experiment_id):
        raise absent(f"No Experiment with id={experiment_id[:100]} exists")
    return int(experiment_id)


def _active(connection: Statements, experiment_id: str) -> int:
    number = experiment_number(experiment_id)
    row = connection.execute(
        f"SELECT lifecycle_stage FROM experiments WHERE experiment_id = ? {LOCKED}", (number,)
    ).fetchone()
    if row is None:
        raise absent(f"No Experiment with id={experiment_id} exists")
    if row[0] != "active":
        raise invalid(
            f"The experiment {experiment_id} must be in the 'active' state. Current state is {row[0]}."
        )
    return number
