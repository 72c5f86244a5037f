"""Runs in SQL: their life, and reading them with their data."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import os
from operator import attrgetter
from typing import TYPE_CHECKING

from bis.errors import RunNotFoundError
from bis.tracking.database import LOCKED, SHARED
from bis.tracking.experiments import experiment_number, now_ms
from bis.tracking.model import (
    Dataset,
    DatasetInput,
    Metric,
    ModelLink,
    Page,
    Run,
    RunInfo,
    RunStatus,
    RunSummary,
    Tag,
    View,
)
from bis.tracking.refusals import absent, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from bis.tracking.database import Database, Statements

RUN_NAME_TAG = "mlflow.runName"

_COLUMNS = (
    "r.run_no, r.run_id, r.name, r.experiment_id, r.user_id, r.status, r.start_time, r.end_time,"
    " r.lifecycle_stage,"
    " r.artifact_uri"
)
BEING_REMOVED = 0
"""The time of deletion of a run that is being removed for good: it is not restored any more."""

_CHUNK = 500
"""Runs whose data are read by one query."""


class SqlRuns:
    """The part of a store that keeps runs."""

    _db: Database

    def create_run(
        self,
        experiment_id: str,
        *,
        name: str | None = None,
        user_id: str = "",
        start_time: int | None = None,
        tags: Iterable[Tag] = (),
        run_id: str | None = None,
    ) -> Run:
        """Begin a run; without a name it is given one of two words, without an id a random one."""
        words = {tag.key: tag.value for tag in tags}
        name = _name(name, words)
        run_id, number = run_id or os.urandom(16).hex(), experiment_number(experiment_id)
        started = start_time or now_ms()
        with self._db.writing() as connection:
            uri = f"{self._artifact_location(connection, number)}/{run_id}/artifacts"
            run_no = connection.execute(
                "INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, artifact_uri)"
                " VALUES (?, ?, ?, ?, 'RUNNING', ?, ?) RETURNING run_no",
                (run_id, number, name, user_id, started, uri),
            ).fetchone()[0]
            connection.executemany(SET_TAG, [(run_no, *tag) for tag in words.items()])
        info = RunInfo(run_id, name, str(number), user_id, RunStatus.RUNNING, started, None, "active", uri)
        return Run(info, tags=dict(sorted(words.items())))  # as it would be read

    def _artifact_location(self, connection: Statements, number: int) -> str:
        row = connection.execute(
            f"SELECT artifact_location, lifecycle_stage FROM experiments WHERE experiment_id = ? {SHARED}",
            (number,),
        ).fetchone()
        if row is None:
            raise absent(f"No Experiment with id={number} exists")
        if row[1] != "active":
            raise invalid(
                f"The experiment {number} must be in the 'active' state. Current state is {row[1]}."
            )
        return str(row[0])

    def run(self, run_id: str) -> Run:
        """The run with that id, deleted or not, and its data."""
        with self._db.reading():
            rows = self._db.rows(f"SELECT {_COLUMNS} FROM runs r WHERE r.run_id = ?", (run_id,))
            if not rows:
                raise unknown_run(run_id)
            return self._with_data(rows)[0]

    def update_run(
        self,
        run_id: str,
        *,
        status: RunStatus | None = None,
        end_time: int | None = None,
        name: str | None = None,
    ) -> RunInfo:
        """Change what is given; a status that ends the run sets its end time too, to now when none is
        given.
        """
        if status is not None and status.is_terminated and end_time is None:
            end_time = now_ms()
        with self._db.writing() as connection:
            number = active_run(connection, run_id)
            if end_time is not None or status is RunStatus.RUNNING:  # a run that goes on has no end
                connection.execute("UPDATE runs SET end_time = ? WHERE run_no = ?", (end_time, number))
            if status is not None:
                connection.execute("UPDATE runs SET status = ? WHERE run_no = ?", (status.value, number))
            if name:
                rename_run(connection, number, name)
        return self._info(run_id)

    def delete_run(self, run_id: str) -> None:
        """Mark the run as deleted."""
        self._set_stage(run_id, "deleted", now_ms())

    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back."""
        self._set_stage(run_id, "active", None)

    def _set_stage(self, run_id: str, stage: str, deleted_time: int | None) -> None:
        with self._db.writing() as connection:
            row = connection.execute(
                f"SELECT run_no, lifecycle_stage, deleted_time FROM runs WHERE run_id = ? {LOCKED}", (run_id,)
            ).fetchone()
            if row is None:
                raise unknown_run(run_id)
            if row[2] == BEING_REMOVED:
                raise invalid(f"The run {run_id} is being removed for good.")
            if row[1] != stage:  # a deletion that is sent again does not begin anew
                connection.execute(
                    "UPDATE runs SET lifecycle_stage = ?, deleted_time = ? WHERE run_no = ?",
                    (stage, deleted_time, row[0]),
                )

    def move_run(self, run_id: str, experiment_id: str) -> None:
        """Put the run, and the models it made, into another experiment; its artifacts stay where they are."""
        target = experiment_number(experiment_id)
        with self._db.writing() as connection:
            number = active_run(connection, run_id)
            self._artifact_location(connection, target)  # refuses an experiment that is not there, or deleted
            connection.execute("UPDATE runs SET experiment_id = ? WHERE run_no = ?", (target, number))
            connection.execute(
                "UPDATE logged_models SET experiment_id = ? WHERE source_run_id = ?", (target, run_id)
            )

    def find_runs(self, prefix: str) -> list[RunInfo]:
        """The active runs whose id begins with ``prefix``, or the newest one for ``latest``; the newest
        first.
        """
        if prefix == "latest":
            return self._infos(
                "WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.run_no DESC LIMIT 1"
            )
        prefix = prefix.lower()
        if not prefix or not all(letter in "0123456789abcdef" for letter in prefix):
            return []
        return self._infos(  # a range, so that the index on run_id serves it
            "WHERE r.run_id >= ? AND r.run_id < ? AND r.lifecycle_stage = 'active' ORDER BY r.start_time"
            " DESC LIMIT 10",
            (prefix, prefix + "g"),
        )

    def recent_runs(self, limit: int = 20, *, experiment_id: str | None = None) -> list[RunSummary]:
        """The newest active runs, of all experiments or of one, with their tags, by one query."""
        where, parameters = "", []
        if experiment_id is not None:
            where, parameters = "AND r.experiment_id = ?", [experiment_number(experiment_id)]
        rows = self._db.rows(
            f"SELECT {_COLUMNS}, r.experiment, t.key, t.value FROM (SELECT r.*, e.name AS experiment FROM"
            f" runs r"
            f" JOIN experiments e ON e.experiment_id = r.experiment_id WHERE r.lifecycle_stage = 'active'"
            f" {where}"
            " ORDER BY r.start_time DESC, r.run_no DESC LIMIT ?) r LEFT JOIN tags t ON t.run_no = r.run_no"
            " ORDER BY r.start_time DESC, r.run_no DESC",
            (*parameters, limit),
        )
        found: dict[int, RunSummary] = {}
        for *run, experiment, key, value in rows:
            summary = found.setdefault(run[0], RunSummary(_run_info(run), experiment, {}))
            if key is not None:
                summary.tags[key] = value
        return list(found.values())

    def runs_by_tag(self, key: str) -> dict[str, list[str]]:
        """The ids of the active runs that have a tag, by its value, the newest first; by one query."""
        rows = self._db.rows(
            "SELECT t.value, r.run_id FROM tags t JOIN runs r ON r.run_no = t.run_no"
            " WHERE t.key = ? AND r.lifecycle_stage = 'active' ORDER BY r.start_time DESC, r.run_no DESC",
            (key,),
        )
        found: dict[str, list[str]] = {}
        for value, run_id in rows:
            found.setdefault(value, []).append(run_id)
        return found

    def search_runs(
        self,
        experiment_ids: Sequence[str] | None = None,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 1000,
        page_token: str | None = None,
        view: View = View.ACTIVE_ONLY,
    ) -> Page[Run]:
        """Runs of these experiments (None: of all) that fulfil the filter, the newest first unless said
        otherwise.
        """
        from bis.tracking.pages import taken_from
        from bis.tracking.search_runs import search_runs

        with taken_from(page_token), self._db.reading():
            page = search_runs(
                self._db,
                experiment_ids,
                filter=filter,
                order_by=order_by,
                max_results=max_results,
                page_token=page_token,
                view=view,
            )
            return Page(tuple(self._numbered(page.items)), page.next_token)

    def _numbered(self, numbers: Sequence[int]) -> list[Run]:
        """The runs with these numbers, in that order."""
        found: list[Run] = []
        for start in range(0, len(numbers), _CHUNK):
            part = numbers[start : start + _CHUNK]
            rows = self._db.rows(
                f"SELECT {_COLUMNS} FROM runs r WHERE r.run_no IN ({','.join('?' * len(part))})", part
            )
            by_number = {row[0]: row for row in rows}
            found += self._with_data([by_number[number] for number in part])
        return found

    def _info(self, run_id: str) -> RunInfo:
        found = self._infos("WHERE r.run_id = ?", (run_id,))
        if not found:
            raise unknown_run(run_id)
        return found[0]

    def _infos(self, tail: str, parameters: Sequence[object] = ()) -> list[RunInfo]:
        return [_run_info(row) for row in self._db.rows(f"SELECT {_COLUMNS} FROM runs r {tail}", parameters)]

    def _with_data(self, rows: Sequence[Sequence[Any]]) -> list[Run]:
        found: list[Run] = []
        for start in range(0, len(rows), _CHUNK):
            found += self._chunk_with_data(rows[start : start + _CHUNK])
        return found

    def _chunk_with_data(self, rows: Sequence[Sequence[Any]]) -> list[Run]:
        numbers = [row[0] for row in rows]
        metrics = self._grouped(_METRICS, numbers, metric_of)
        params = self._grouped("SELECT run_no, key, value FROM params", numbers, _pair)
        tags = self._grouped("SELECT run_no, key, value FROM tags", numbers, _pair)
        links = self._grouped("SELECT run_no, direction, model_id, step FROM run_models", numbers, _link)
        datasets = self._datasets(numbers)
        return [
            Run(
                info=_run_info(row),
                metrics=tuple(sorted(metrics.get(row[0], ()), key=_key)),  # as parameters and tags are
                params=dict(params.get(row[0], ())),
                tags=dict(tags.get(row[0], ())),
                datasets=tuple(datasets.get(row[0], ())),
                model_inputs=tuple(link for direction, link in links.get(row[0], ()) if direction == "input"),
                model_outputs=tuple(
                    link for direction, link in links.get(row[0], ()) if direction == "output"
                ),
            )
            for row in rows
        ]

    def _grouped(self, select: str, numbers: list[int], make: Callable[..., Any]) -> dict[int, list[Any]]:
        found: dict[int, list[Any]] = {}
        for row in self._db.rows(f"{select} WHERE run_no IN ({','.join('?' * len(numbers))})", numbers):
            made = make(*row[1:])
            if row[0] in found:
                found[row[0]].append(made)
            else:
                found[row[0]] = [made]
        return found

    def _datasets(self, numbers: list[int]) -> dict[int, list[DatasetInput]]:
        found = self._grouped(_INPUTS, numbers, lambda *columns: columns)
        if not found:
            return {}
        tags: dict[tuple[int, str], list[Tag]] = {}
        for number, pairs in self._grouped(
            "SELECT run_no, dataset_id, key, value FROM input_tags", list(found), lambda *columns: columns
        ).items():
            for dataset_id, key, value in pairs:
                tags.setdefault((number, dataset_id), []).append(Tag(key, value))
        return {
            number: [
                DatasetInput(Dataset(*columns), tuple(tags.get((number, key), ())))
                for key, *columns in inputs
            ]
            for number, inputs in found.items()
        }


SET_TAG = (
    "INSERT INTO tags (run_no, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (run_no, key) DO UPDATE SET value = excluded.value"
)
_key = attrgetter("key")
_METRICS = "SELECT run_no, key, value, is_nan, timestamp, step FROM latest JOIN metric_keys USING (key_id)"
_INPUTS = (
    "SELECT run_no, dataset_id, name, digest, source_type, source, schema, profile"
    " FROM inputs JOIN datasets USING (dataset_id)"
)


def unknown_run(run_id: str) -> RunNotFoundError:
    """The error for an id that no run has, in MLflow's words."""
    return RunNotFoundError(f"Run with id={run_id[:100]} not found", hint="`bis list` shows the runs.")


def active_run(connection: Statements, run_id: str) -> int:
    """The number of a run that can be written; a deleted one is refused."""
    row = connection.execute(
        f"SELECT run_no, lifecycle_stage FROM runs WHERE run_id = ? {LOCKED}", (run_id,)
    ).fetchone()
    if row is None:
        raise unknown_run(run_id)
    if row[1] != "active":
        raise invalid(f"The run {run_id} must be in the 'active' state. Current state is {row[1]}.")
    number: int = row[0]
    return number


def rename_run(connection: Statements, number: int, name: str) -> None:
    """The name of a run is its tag ``mlflow.runName`` too; the two never differ."""
    connection.execute("UPDATE runs SET name = ? WHERE run_no = ?", (name, number))
    connection.execute(SET_TAG, (number, RUN_NAME_TAG, name))


def metric_of(key: str, value: float, is_nan: int, timestamp: int, step: int) -> Metric:
    """A point as it was logged: NaN is stored as 0 with a mark."""
    return Metric(key, float("nan") if is_nan else value, timestamp, step)


def _name(name: str | None, tags: dict[str, str]) -> str:
    """The run's name, which is put among the tags as well."""
    tagged = tags.get(RUN_NAME_TAG)
    if name and tagged and name != tagged:
        raise invalid(
            f"Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values"
            f" (run_name='{name}', mlflow.runName='{tagged}')."
        )
    chosen = name or tagged
    if not chosen:
        from bis.tracking.run_names import random_run_name  # most runs are named by their caller

        chosen = random_run_name()
    tags[RUN_NAME_TAG] = chosen
    return chosen


def _run_info(row: Sequence[Any]) -> RunInfo:
    return RunInfo(row[1], row[2], str(row[3]), row[4], RunStatus(row[5]), *row[6:10])


def _pair(key: str, value: str) -> tuple[str, str]:
    return key, value


def _link(direction: str, model_id: str, step: int) -> tuple[str, ModelLink]:
    return direction, ModelLink(model_id, step)
