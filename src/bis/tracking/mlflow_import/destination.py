"""The store that takes what is imported: runs keep their ids, and none is seen before it is whole."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis.tracking import models, registry
from bis.tracking import tags as names
from bis.tracking.mlflow_import.artifact_places import inside
from bis.tracking.refusals import RefusedError, invalid
from bis.tracking.run_data import ADD_POINT, add_input, link_models, stored
from bis.tracking.runs import SET_TAG

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bis.tracking.artifact_store import ArtifactStore
    from bis.tracking.mlflow_import.source import Point, SourceRun
    from bis.tracking.model import Experiment
    from bis.tracking.registry_model import LoggedModel, ModelVersion, RegisteredModel
    from bis.tracking.sql_store import SqlStore


@dataclass(frozen=True)
class KnownRun:
    """A run that the store has: its number, and the tags that an import left."""

    number: int
    digest: str | None
    is_unfinished: bool
    artifact_uri: str


class Destination:
    """Writes into a store of bis what has an id, times and a state already."""

    def __init__(self, store: SqlStore) -> None:
        self._store, self._db = store, store._db

    def experiment_id(self, name: str) -> str | None:
        """The id of the experiment with that name, deleted or not; None when there is none."""
        found = self._store.experiment_named(name)
        return None if found is None else found.experiment_id

    def add_experiment(self, experiment: Experiment, name: str) -> str:
        """The id of the experiment with that name, which is made when there is none; tags it has already stay."""
        found = self._store.experiment_named(name)
        number = int(found.experiment_id if found else self._store.create_experiment(name))
        with self._db.writing() as connection:
            if found is None:
                connection.execute(
                    "UPDATE experiments SET lifecycle_stage = ?, creation_time = ?, last_update_time = ?"
                    " WHERE experiment_id = ?",
                    (
                        experiment.lifecycle_stage,
                        experiment.creation_time,
                        experiment.last_update_time,
                        number,
                    ),
                )
            connection.executemany(
                "INSERT INTO experiment_tags (experiment_id, key, value) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(number, key, value) for key, value in experiment.tags.items()],
            )
        return str(number)

    def known_run(self, run_id: str) -> KnownRun | None:
        """The run with that id, if the store has it."""
        row = self._db.row("SELECT run_no, artifact_uri FROM runs WHERE run_id = ?", (run_id,))
        if row is None:
            return None
        marks = dict(
            self._db.rows(
                "SELECT key, value FROM tags WHERE run_no = ? AND key IN (?, ?)",
                (row[0], names.IMPORT_DIGEST, names.IMPORT_UNFINISHED),
            )
        )
        return KnownRun(row[0], marks.get(names.IMPORT_DIGEST), names.IMPORT_UNFINISHED in marks, row[1])

    def begin_run(self, found: SourceRun, experiment_id: str) -> KnownRun:
        """A new run, kept among the deleted ones until ``finish_run``."""
        info = found.run.info
        with self._db.writing() as connection:
            location = connection.execute(
                "SELECT artifact_location FROM experiments WHERE experiment_id = ?", (int(experiment_id),)
            ).fetchone()[0]
            uri = f"{location}/{info.run_id}/artifacts"
            row = connection.execute(
                "INSERT INTO runs (run_id, experiment_id, name, user_id, status, start_time, lifecycle_stage,"
                " deleted_time, artifact_uri) VALUES (?, ?, ?, ?, ?, ?, 'deleted', ?, ?)"
                " ON CONFLICT (run_id) DO NOTHING RETURNING run_no",
                (
                    *(
                        info.run_id,
                        int(experiment_id),
                        info.name,
                        info.user_id,
                        info.status.value,
                        info.start_time,
                    ),
                    *(time.time_ns() // 1_000_000, uri),
                ),
            ).fetchone()
            if row is None:
                raise invalid("another import has begun to copy it")
            connection.execute(SET_TAG, (row[0], names.IMPORT_UNFINISHED, "true"))
        return KnownRun(row[0], None, True, uri)

    def add_points(self, run: KnownRun, points: Iterable[Point], keys: Collection[str]) -> None:
        """Keep these points; those that are there already stay as they are."""
        with self._db.writing() as connection:
            ids = self._store.ids_of(connection, keys)
            connection.executemany(ADD_POINT, [(run.number, ids[key], *values) for key, *values in points])

    def finish_run(self, run: KnownRun, found: SourceRun, digest: str, source: str) -> None:
        """Write all but the points, and let the run be seen."""
        info = found.run.info
        words = {**found.run.tags, "mlflow.runName": info.name} if info.name else dict(found.run.tags)
        words |= {names.IMPORT_DIGEST: digest, names.IMPORT_SOURCE: source}
        with self._db.writing() as connection:
            connection.execute(
                "UPDATE runs SET name = ?, user_id = ?, status = ?, start_time = ?, end_time = ?,"
                " lifecycle_stage = ?, deleted_time = ? WHERE run_no = ?",
                (
                    *(info.name, info.user_id, info.status.value, info.start_time, info.end_time),
                    *(info.lifecycle_stage, found.deleted_time, run.number),
                ),
            )
            connection.executemany(SET_TAG, [(run.number, key, value) for key, value in words.items()])
            connection.execute(
                "DELETE FROM tags WHERE run_no = ? AND key = ?", (run.number, names.IMPORT_UNFINISHED)
            )
            connection.executemany(
                _SET_PARAM, [(run.number, key, value) for key, value in found.run.params.items()]
            )
            for used in found.run.datasets:
                add_input(connection, run.number, used)
            link_models(connection, run.number, "input", found.run.model_inputs)
            link_models(connection, run.number, "output", found.run.model_outputs)
            self._set_latest(connection, run.number)

    def _set_latest(self, connection: Any, number: int) -> None:
        keys = connection.execute("SELECT DISTINCT key_id FROM points WHERE run_no = ?", (number,)).fetchall()
        connection.executemany(_SET_LATEST, [(number, key) for (key,) in keys])

    def point_count(self, run: KnownRun) -> int:
        """How many points the run has."""
        count: int = self._db.row("SELECT COUNT(*) FROM points WHERE run_no = ?", (run.number,))[0]
        return count

    def artifacts(self, uri: str) -> ArtifactStore:
        """The place of artifacts at an address of this store."""
        return self._store.served_directory(uri)

    def add_logged_model(self, model: LoggedModel, experiment_id: str) -> str:
        """Write the model, anew when it has changed in the source; returns the address of its artifacts."""
        with self._db.writing() as connection:
            location = connection.execute(
                "SELECT artifact_location FROM experiments WHERE experiment_id = ?", (int(experiment_id),)
            ).fetchone()[0]
            uri = f"{location}/models/{model.model_id}/artifacts"
            connection.execute(
                _ADD_MODEL,
                (
                    *(model.model_id, int(experiment_id), model.name, model.model_type, model.source_run_id),
                    *(model.status, uri, model.creation_timestamp_ms, model.last_updated_timestamp_ms),
                ),
            )
            connection.executemany(
                models.SET_TAG, [(model.model_id, key, value) for key, value in model.tags.items()]
            )
            connection.executemany(
                models.SET_PARAM, [(model.model_id, key, value) for key, value in model.params.items()]
            )
            connection.executemany(
                _ADD_MODEL_POINT, [_model_point(model.model_id, item) for item in model.metrics]
            )
            row = connection.execute(
                "SELECT artifact_uri FROM logged_models WHERE model_id = ?", (model.model_id,)
            ).fetchone()
        return str(row[0])

    def has_logged_model(self, model: LoggedModel) -> bool:
        """Whether the model is there, as it was when it was last changed."""
        row = self._db.row(
            "SELECT last_updated_timestamp_ms FROM logged_models WHERE model_id = ?", (model.model_id,)
        )
        return row is not None and row[0] == model.last_updated_timestamp_ms

    def registered_version(self, name: str, version: int) -> ModelVersion | None:
        """That version of that name, if the store has it."""
        try:
            return self._store.model_version(name, version)
        except RefusedError:
            return None

    def add_registered_model(self, model: RegisteredModel, name: str) -> None:
        """Write the name and its tags; its description when the source has changed it last."""
        with self._db.writing() as connection:
            connection.execute(
                "INSERT INTO registered_models (name, description, creation_time, last_updated_time)"
                " VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET description = excluded.description,"
                " last_updated_time = excluded.last_updated_time"
                " WHERE excluded.last_updated_time > registered_models.last_updated_time",
                (name, model.description, model.creation_time, model.last_updated_time),
            )
            connection.executemany(
                registry.SET_MODEL_TAG, [(name, key, value) for key, value in model.tags.items()]
            )

    def add_version(self, version: ModelVersion, name: str, source: str) -> None:
        """Write the version under its own number; its stage and description when the source has changed them last."""
        with self._db.writing() as connection:
            connection.execute(
                _ADD_VERSION,
                (
                    *(name, version.version, version.description, source, version.run_id, version.run_link),
                    *(version.model_id, registry.canonical_stage(version.stage), version.creation_time),
                    version.last_updated_time,
                ),
            )
            connection.execute(
                "UPDATE registered_models SET last_version = ? WHERE name = ? AND last_version < ?",
                (version.version, name, version.version),
            )
            connection.executemany(
                registry.SET_VERSION_TAG,
                [(name, version.version, key, value) for key, value in version.tags.items()],
            )

    def add_alias(self, name: str, alias: str, version: int) -> None:
        """Let the alias name the version."""
        with self._db.writing() as connection:
            connection.execute(registry.SET_ALIAS, (name, alias, version))

    def address_of(self, address: str) -> str | None:
        """What an address of a model's files in the source is here; None when nothing is known of it here."""
        if address.startswith("models:/"):
            return address
        place = inside(address)
        if place is None:
            return None
        owner, path = place
        table, column = ("logged_models", "model_id") if owner.startswith("m-") else ("runs", "run_id")
        row = self._db.row(f"SELECT artifact_uri FROM {table} WHERE {column} = ?", (owner,))
        return None if row is None else f"{row[0]}/{path}".rstrip("/")


def _model_point(model_id: str, item: Any) -> tuple[object, ...]:
    metric = item.metric
    return (model_id, metric.key, *stored(metric), metric.dataset_name, metric.dataset_digest, item.run_id)


_SET_LATEST = (
    "INSERT INTO latest (run_no, key_id, step, timestamp, value, is_nan)"
    " SELECT run_no, key_id, step, timestamp, value, is_nan FROM points WHERE run_no = ? AND key_id = ?"
    " ORDER BY step DESC, timestamp DESC, value DESC, is_nan DESC LIMIT 1"
    " ON CONFLICT (run_no, key_id) DO UPDATE SET step = excluded.step, timestamp = excluded.timestamp,"
    " value = excluded.value, is_nan = excluded.is_nan"
)
_SET_PARAM = (
    "INSERT INTO params (run_no, key, value) VALUES (?, ?, ?)"
    " ON CONFLICT (run_no, key) DO UPDATE SET value = excluded.value"
)
_ADD_MODEL = (
    "INSERT INTO logged_models (model_id, experiment_id, name, model_type, source_run_id, status, artifact_uri,"
    " creation_timestamp_ms, last_updated_timestamp_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (model_id) DO UPDATE SET name = excluded.name, model_type = excluded.model_type,"
    " status = excluded.status, last_updated_timestamp_ms = excluded.last_updated_timestamp_ms"
    " WHERE excluded.last_updated_timestamp_ms > logged_models.last_updated_timestamp_ms"
)
_ADD_MODEL_POINT = (
    "INSERT INTO logged_model_metrics"
    " (model_id, key, step, timestamp, value, is_nan, dataset_name, dataset_digest, run_no)"
    " SELECT ?, ?, ?, ?, ?, ?, ?, ?, run_no FROM runs WHERE run_id = ? ON CONFLICT DO NOTHING"
)
_ADD_VERSION = (
    "INSERT INTO model_versions (name, version, description, source, run_id, run_link, model_id, stage,"
    " creation_time, last_updated_time) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (name, version) DO UPDATE SET description = excluded.description, stage = excluded.stage,"
    " last_updated_time = excluded.last_updated_time"
    " WHERE excluded.last_updated_time > model_versions.last_updated_time"
)
