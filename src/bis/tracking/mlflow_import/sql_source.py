"""A database of MLflow, of any revision of its schema: what a column would say is left out when it is not there."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from bis.errors import TrackingError
from bis.tracking.mlflow_import.artifact_places import ArtifactPlaces
from bis.tracking.mlflow_import.file_source import DELETED_VERSION, MODEL_STATUSES
from bis.tracking.mlflow_import.source import SourceRun
from bis.tracking.model import (
    Dataset,
    DatasetInput,
    Experiment,
    Metric,
    ModelLink,
    Run,
    RunInfo,
    RunStatus,
    Tag,
)
from bis.tracking.registry_model import LoggedModel, ModelMetric, ModelVersion, RegisteredModel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bis.tracking.mlflow_import.source import ArtifactFiles, Point, Report
    from bis.tracking.mlflow_import.sql_connections import SourceDatabase

_RUNS_AT_A_TIME = 500


class SqlSource:
    """The tables of an MLflow server's backend store."""

    counts_exactly = True

    def __init__(self, database: SourceDatabase, *, artifacts: str | None, report: Report) -> None:
        self._db, self._report = database, report
        self.name = database.name
        self._known: dict[str, frozenset[str]] = {}
        self._places = ArtifactPlaces(database.beside, artifacts)
        if not self._columns("experiments") or not self._columns("runs"):
            database.close()
            raise TrackingError(
                f"{self.name} is no database of MLflow: it has no experiments and runs",
                hint="Give the --backend-store-uri of the MLflow server.",
            )

    def close(self) -> None:
        """Give the database back."""
        self._db.close()

    def _columns(self, table: str) -> frozenset[str]:
        if table not in self._known:
            self._known[table] = self._db.columns(table)
        return self._known[table]

    def _select(
        self, table: str, columns: Sequence[str], tail: str = "", parameters: Sequence[object] = ()
    ) -> list[Any]:
        """Rows of the table, if there is one, with NULL for columns that it has not."""
        there = self._columns(table)
        if not there:
            return []
        asked = ", ".join(column if column in there else "NULL" for column in columns)
        return self._db.rows(f"SELECT {asked} FROM {table} {tail}", parameters)

    def _grouped(
        self, table: str, columns: Sequence[str], ids: Sequence[str], key: str = "run_uuid"
    ) -> dict[str, list[Any]]:
        """Rows of the table for these ids, by id."""
        tail = f"WHERE {key} IN ({', '.join('?' * len(ids))}) ORDER BY {key}"
        rows = self._select(table, (key, *columns), tail, ids) if ids else []
        return {name: [row[1:] for row in group] for name, group in groupby(rows, key=lambda row: row[0])}

    def experiments(self) -> Iterator[Experiment]:
        """All of them, deleted ones as well."""
        columns = (
            "experiment_id",
            "name",
            "artifact_location",
            "lifecycle_stage",
            "creation_time",
            "last_update_time",
        )
        tags: dict[int, dict[str, str]] = {}
        for number, key, value in self._select("experiment_tags", ("experiment_id", "key", "value")):
            tags.setdefault(number, {})[key] = value or ""
        for number, name, location, stage, created, updated in self._select(
            "experiments", columns, "ORDER BY experiment_id"
        ):
            yield Experiment(
                str(number),
                name,
                location or "",
                stage or "active",
                created or 0,
                updated or created or 0,
                tags.get(number, {}),
            )

    def run_count(self, experiment_id: str) -> int:
        """How many runs the experiment has."""
        found: int = self._db.rows(
            "SELECT COUNT(*) FROM runs WHERE experiment_id = ?", (int(experiment_id),)
        )[0][0]
        return found

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """The runs of the experiment, by id."""
        columns = (
            *(
                "run_uuid",
                "name",
                "user_id",
                "status",
                "start_time",
                "end_time",
                "lifecycle_stage",
                "artifact_uri",
            ),
            "deleted_time",
        )
        last = ""
        while True:
            tail = "WHERE experiment_id = ? AND run_uuid > ? ORDER BY run_uuid LIMIT ?"
            rows = self._select("runs", columns, tail, (int(experiment_id), last, _RUNS_AT_A_TIME))
            if not rows:
                return
            yield from self._with_data(experiment_id, rows)
            last = rows[-1][0]

    def _with_data(self, experiment_id: str, rows: list[Any]) -> Iterator[SourceRun]:
        ids, marks = [row[0] for row in rows], ", ".join("?" * len(rows))
        params = self._grouped("params", ("key", "value"), ids)
        tags = self._grouped("tags", ("key", "value"), ids)
        counts = dict(
            self._db.rows(
                f"SELECT run_uuid, COUNT(*) FROM metrics WHERE run_uuid IN ({marks}) GROUP BY run_uuid",
                ids,
            )
        )
        datasets = self._datasets(ids)
        inputs = self._links("RUN_INPUT", "MODEL_INPUT", ids)
        outputs = self._links("RUN_OUTPUT", "MODEL_OUTPUT", ids)
        for run_id, name, user, status, start, end, stage, uri, deleted in rows:
            words = {key: value or "" for key, value in tags.get(run_id, [])}
            run = Run(
                RunInfo(
                    run_id,
                    words.get("mlflow.runName") or name or "",
                    experiment_id,
                    user or "",
                    RunStatus(status or "RUNNING"),
                    start or 0,
                    end,
                    stage or "active",
                    uri or "",
                ),
                params={key: value or "" for key, value in params.get(run_id, [])},
                tags=words,
                datasets=tuple(datasets.get(run_id, ())),
                model_inputs=tuple(ModelLink(model) for model, _ in inputs.get(run_id, [])),
                model_outputs=tuple(ModelLink(model, step or 0) for model, step in outputs.get(run_id, [])),
            )
            yield SourceRun(run, deleted, str(counts.get(run_id, 0)))

    def _links(self, source: str, destination: str, ids: Sequence[str]) -> dict[str, list[Any]]:
        if not self._columns("logged_models"):
            return {}
        rows = self._grouped(
            "inputs", ("destination_id", "step", "source_type", "destination_type"), ids, "source_id"
        )
        return {
            run_id: [(row[0], row[1]) for row in found if (row[2], row[3]) == (source, destination)]
            for run_id, found in rows.items()
        }

    def _datasets(self, ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
        if not self._columns("inputs"):
            return {}
        used = self._grouped("inputs", ("input_uuid", "source_id", "source_type"), ids, "destination_id")
        used = {run: [row for row in rows if row[2] == "DATASET"] for run, rows in used.items()}
        tags = self._grouped(
            "input_tags", ("name", "value"), [r[0] for rows in used.values() for r in rows], "input_uuid"
        )
        columns = (
            "name",
            "digest",
            "dataset_source_type",
            "dataset_source",
            "dataset_schema",
            "dataset_profile",
        )
        known = self._grouped(
            "datasets", columns, list({r[1] for rows in used.values() for r in rows}), "dataset_uuid"
        )
        return {
            run: [
                DatasetInput(
                    Dataset(*known[dataset][0]), tuple(Tag(key, value) for key, value in tags.get(one, []))
                )
                for one, dataset, _ in rows
                if dataset in known
            ]
            for run, rows in used.items()
        }

    def points(self, run: SourceRun) -> Iterator[list[Point]]:
        """The points of all metrics of the run."""
        for rows in self._db.points(run.run.info.run_id):
            yield [
                (key, step, timestamp, value, int(is_nan or 0))
                for key, step, timestamp, value, is_nan in rows
            ]

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModel]:
        """The models of the experiment (MLflow 3) that are not deleted."""
        columns = (
            *("model_id", "name", "model_type", "source_run_id", "status", "artifact_location"),
            *("creation_timestamp_ms", "last_updated_timestamp_ms", "lifecycle_stage"),
        )
        rows = self._select(
            "logged_models", columns, "WHERE experiment_id = ? ORDER BY model_id", (int(experiment_id),)
        )
        for model_id, name, kind, run_id, status, uri, created, updated, stage in rows:
            if stage == "deleted":
                continue
            of = ("WHERE model_id = ?", (model_id,))
            yield LoggedModel(
                model_id,
                experiment_id,
                name or model_id,
                kind or "",
                run_id or "",
                MODEL_STATUSES.get(status, "LOGGED_MODEL_PENDING"),
                uri or "",
                created or 0,
                updated or created or 0,
                dict(self._select("logged_model_tags", ("tag_key", "tag_value"), *of)),
                dict(self._select("logged_model_params", ("param_key", "param_value"), *of)),
                tuple(self._model_metrics(model_id)),
            )

    def _model_metrics(self, model_id: str) -> Iterator[ModelMetric]:
        columns = (
            *("metric_name", "metric_value", "metric_timestamp_ms", "metric_step"),
            *("dataset_name", "dataset_digest", "run_id"),
        )
        for key, value, timestamp, step, name, digest, run_id in self._select(
            "logged_model_metrics", columns, "WHERE model_id = ?", (model_id,)
        ):
            number = float("nan") if value is None else value
            yield ModelMetric(
                Metric(key, number, timestamp, step or 0, model_id, name or "", digest or ""), run_id
            )

    def registered_models(self) -> Iterator[RegisteredModel]:
        """The names of the registry."""
        columns = ("name", "description", "creation_time", "last_updated_time")
        for name, description, created, updated in self._select(
            "registered_models", columns, "ORDER BY name"
        ):
            of = ("WHERE name = ?", (name,))
            yield RegisteredModel(
                name,
                description or "",
                created or 0,
                updated or created or 0,
                dict(self._select("registered_model_tags", ("key", "value"), *of)),
                dict(self._select("registered_model_aliases", ("alias", "version"), *of)),
            )

    def versions(self, name: str) -> Iterator[ModelVersion]:
        """The versions of a registered model that are not deleted."""
        columns = (
            *("version", "source", "run_id", "run_link", "current_stage", "description"),
            *("creation_time", "last_updated_time"),
        )
        rows = self._select("model_versions", columns, "WHERE name = ? ORDER BY version", (name,))
        for version, source, run_id, link, stage, description, created, updated in rows:
            if stage == DELETED_VERSION:
                continue
            tags = self._select(
                "model_version_tags", ("key", "value"), "WHERE name = ? AND version = ?", (name, version)
            )
            yield ModelVersion(
                name,
                version,
                source or "",
                run_id or "",
                link or "",
                logged_model_of(source or ""),
                stage or "None",
                description or "",
                created or 0,
                updated or created or 0,
                dict(tags),
            )

    def artifacts_of_run(self, run: Run) -> ArtifactFiles:
        """Where the run says they are."""
        return self._places.of(run.info.artifact_uri, run.info.run_id)

    def artifacts_of_model(self, model: LoggedModel) -> ArtifactFiles:
        """Where the model says they are."""
        return self._places.of(model.artifact_uri, model.model_id)

    def left_out(self) -> Iterator[str]:
        """Traces are not taken."""
        if self._columns("trace_info") and (count := self._db.rows("SELECT COUNT(*) FROM trace_info")[0][0]):
            yield f"{count} traces"


def logged_model_of(source: str) -> str:
    """The id of the logged model that a version was made of; "" when it was made of a run's artifacts."""
    return source.removeprefix("models:/").partition("/")[0] if source.startswith("models:/m-") else ""
