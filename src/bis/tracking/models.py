"""Logged models of MLflow 3 in SQL: a model with an id, tags, parameters and artifacts of its own."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from bis.tracking.database import SHARED
from bis.tracking.experiments import experiment_number, now_ms, searched_numbers
from bis.tracking.model import Page
from bis.tracking.refusals import absent, invalid
from bis.tracking.runs import metric_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from bis.tracking.database import Database, Statements
    from bis.tracking.model import Param, Tag
    from bis.tracking.registry_model import LoggedModel, ModelMetric

_COLUMNS = (
    "m.model_id, m.experiment_id, m.name, m.model_type, m.source_run_id, m.status, m.artifact_uri,"
    " m.creation_timestamp_ms, m.last_updated_timestamp_ms"
)
_CHUNK = 500
"""Models whose data are read by one query."""
STATUSES = ("LOGGED_MODEL_PENDING", "LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED")


class SqlLoggedModels:
    """The part of a store that keeps logged models."""

    _db: Database

    def create_logged_model(
        self,
        experiment_id: str,
        *,
        name: str = "",
        model_type: str = "",
        source_run_id: str = "",
        params: Iterable[Param] = (),
        tags: Iterable[Tag] = (),
        model_id: str | None = None,
    ) -> LoggedModel:
        """Begin a model, with a random id unless one is given; it is pending until ``finish_logged_model``."""
        now, number = now_ms(), experiment_number(experiment_id)
        model_id = model_id or f"m-{os.urandom(16).hex()}"
        with self._db.writing() as connection:
            uri = f"{_artifact_location(connection, number)}/models/{model_id}/artifacts"
            connection.execute(
                _ADD,
                (model_id, number, name or model_id, model_type, source_run_id, STATUSES[0], uri, now, now),
            )
            connection.executemany(SET_TAG, [(model_id, tag.key, tag.value) for tag in tags])
            connection.executemany(SET_PARAM, [(model_id, param.key, param.value) for param in params])
        return self.logged_model(model_id)

    def logged_model(self, model_id: str) -> LoggedModel:
        """The model with that id."""
        found = self._models("WHERE m.model_id = ? AND m.lifecycle_stage = 'active'", (model_id,))
        if not found:
            raise _unknown(model_id)
        return found[0]

    def finish_logged_model(self, model_id: str, status: str) -> LoggedModel:
        """Say that the model is ready, or that its upload failed."""
        if status not in STATUSES:
            raise invalid(f"Invalid model status: {status[:100]!r}. It is one of {', '.join(STATUSES)}.")
        with self._db.writing() as connection:
            _touch(connection, model_id)
            connection.execute("UPDATE logged_models SET status = ? WHERE model_id = ?", (status, model_id))
        return self.logged_model(model_id)

    def delete_logged_model(self, model_id: str) -> None:
        """Mark the model as deleted."""
        with self._db.writing() as connection:
            _touch(connection, model_id)
            connection.execute(
                "UPDATE logged_models SET lifecycle_stage = 'deleted' WHERE model_id = ?", (model_id,)
            )

    def set_logged_model_tags(self, model_id: str, tags: Iterable[Tag]) -> LoggedModel:
        """Set tags of the model."""
        with self._db.writing() as connection:
            _touch(connection, model_id)
            connection.executemany(SET_TAG, [(model_id, tag.key, tag.value) for tag in tags])
        return self.logged_model(model_id)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of the model."""
        with self._db.writing() as connection:
            _touch(connection, model_id)
            if not connection.execute(
                "DELETE FROM logged_model_tags WHERE model_id = ? AND key = ?", (model_id, key)
            ).rowcount:
                raise absent(f"No tag with key {key!r} found for logged model with ID {model_id!r}.")

    def log_logged_model_params(self, model_id: str, params: Iterable[Param]) -> None:
        """Add parameters to the model."""
        with self._db.writing() as connection:
            _touch(connection, model_id)
            connection.executemany(SET_PARAM, [(model_id, param.key, param.value) for param in params])

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        *,
        filter: str = "",
        datasets: Sequence[tuple[str, str]] = (),
        order_by: Sequence[str] = (),
        order_datasets: Sequence[tuple[str, str]] = (),
        max_results: int = 100,
        page_token: str | None = None,
    ) -> Page[LoggedModel]:
        """Models of these experiments that fulfil the filter, the newest first unless said otherwise.

        ``datasets``, each a name and a digest or an empty text: only models that were measured on one of them, and
        only their metrics on them. ``order_datasets`` has one for each of ``order_by``, for the metric to sort by.
        """
        from bis.tracking.search import search
        from bis.tracking.search_sql import Sql, every, sql
        from bis.tracking.search_subjects import LOGGED_MODELS, measured_on

        numbers = ",".join(map(str, searched_numbers(experiment_ids)))  # no parameters: PostgreSQL has 65,535
        if not numbers:
            return Page(())
        subject = measured_on(LOGGED_MODELS, datasets)
        scope = [Sql(f"m.lifecycle_stage = 'active' AND m.experiment_id IN ({numbers})")]
        if datasets:
            scope.append(sql(_MEASURED, subject.pairs["metric"].limit("x")))
        with self._db.reading():
            found = search(
                self._db,
                subject,
                _COLUMNS,
                scope=every(scope),
                filter=filter,
                order_by=order_by,
                seen_as=[measured_on(LOGGED_MODELS, [one] if any(one) else []) for one in order_datasets],
                max_results=max_results,
                page_token=page_token,
            )
            return Page(tuple(self._models_of(found.items)), found.next_token)

    def _models(self, tail: str, parameters: Sequence[object]) -> list[LoggedModel]:
        with self._db.reading():
            rows = self._db.rows(f"SELECT {_COLUMNS} FROM logged_models m {tail}", parameters)
            return self._models_of(rows)

    def _models_of(self, rows: Sequence[Sequence[Any]]) -> list[LoggedModel]:
        """The models of these rows, of which more columns may follow."""
        from bis.tracking.registry_model import LoggedModel  # `bis run` itself has no models

        found: list[LoggedModel] = []
        for start in range(0, len(rows), _CHUNK):
            part = rows[start : start + _CHUNK]
            ids = [row[0] for row in part]
            tags, params = self._pairs_of(_TAGS, ids), self._pairs_of(_PARAMS, ids)
            metrics = self._metrics_of(ids)
            found += [
                LoggedModel(*[row[0], str(row[1]), *row[2:9], tags[row[0]], params[row[0]], metrics[row[0]]])
                for row in part
            ]
        return found

    def _pairs_of(self, select: str, ids: list[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {model_id: {} for model_id in ids}
        for model_id, key, value in self._db.rows(f"{select} ({','.join('?' * len(ids))})", ids):
            found[model_id][key] = value
        return found

    def _metrics_of(self, ids: list[str]) -> dict[str, tuple[ModelMetric, ...]]:
        """The latest point of each metric of each model, for each run and dataset it was measured on."""
        from bis.tracking.registry_model import ModelMetric

        latest: dict[str, dict[tuple[str, ...], ModelMetric]] = {model_id: {} for model_id in ids}
        for model_id, *point, name, digest, run_id in self._db.rows(
            f"{_METRICS} ({','.join('?' * len(ids))}) ORDER BY step, timestamp, value", ids
        ):
            metric = replace(metric_of(*point), model_id=model_id, dataset_name=name, dataset_digest=digest)
            latest[model_id][metric.key, name, digest, run_id] = ModelMetric(metric, run_id)
        return {model_id: tuple(points.values()) for model_id, points in latest.items()}


_ADD = (
    "INSERT INTO logged_models (model_id, experiment_id, name, model_type, source_run_id, status, artifact_uri,"
    " creation_timestamp_ms, last_updated_timestamp_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_TAGS = "SELECT model_id, key, value FROM logged_model_tags WHERE model_id IN"
_PARAMS = "SELECT model_id, key, value FROM logged_model_params WHERE model_id IN"
_METRICS = (
    "SELECT model_id, x.key, value, is_nan, timestamp, step, dataset_name, dataset_digest, r.run_id"
    " FROM logged_model_metrics x JOIN runs r ON r.run_no = x.run_no WHERE model_id IN"
)
_MEASURED = "EXISTS (SELECT 1 FROM logged_model_metrics x WHERE x.model_id = m.model_id AND {})"
SET_TAG = (
    "INSERT INTO logged_model_tags (model_id, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (model_id, key) DO UPDATE SET value = excluded.value"
)
SET_PARAM = "INSERT INTO logged_model_params (model_id, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


def _artifact_location(connection: Statements, number: int) -> str:
    row = connection.execute(
        "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'"
        f" {SHARED}",
        (number,),
    ).fetchone()
    if row is None:
        raise absent(f"No Experiment with id={number} exists")
    return str(row[0])


def _unknown(model_id: str) -> Exception:
    return absent(f"Logged model with ID '{model_id[:100]}' not found.")


def _touch(connection: Statements, model_id: str) -> None:
    """Note that the model changes; refused when there is none."""
    changed = connection.execute(
        "UPDATE logged_models SET last_updated_timestamp_ms = ? WHERE model_id = ? AND lifecycle_stage ="
        " 'active'",
        (now_ms(), model_id),
    ).rowcount
    if not changed:
        raise _unknown(model_id)
