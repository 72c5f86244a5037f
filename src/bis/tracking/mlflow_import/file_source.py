"""An ``mlruns`` directory, as MLflow's file store writes it in any version."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from bis.errors import TrackingError
from bis.tracking.mlflow_import import file_records
from bis.tracking.mlflow_import.artifact_places import ArtifactPlaces
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
    from collections.abc import Iterator
    from pathlib import Path

    from bis.tracking.mlflow_import.source import ArtifactFiles, Point, Report

TRASH, MODELS = ".trash", "models"
DELETED_VERSION = "Deleted_Internal"
"""The stage that MLflow gives to a deleted version."""

MODEL_STATUSES = {1: "LOGGED_MODEL_PENDING", 2: "LOGGED_MODEL_READY", 3: "LOGGED_MODEL_UPLOAD_FAILED"}
_STATUSES = dict(enumerate(RunStatus, 1))
_RESERVED = frozenset(("tags", "datasets", "traces", MODELS))


class FileSource:
    """The directory that MLflow calls ``mlruns``."""

    counts_exactly = False  # a point that was logged twice stands there twice

    def __init__(self, root: Path, *, artifacts: str | None, report: Report) -> None:
        if not root.is_dir():
            raise TrackingError(f"there is no directory {root}", hint="Give the path of an mlruns directory.")
        self._root, self._report = root.absolute(), report
        self._places = ArtifactPlaces(self._root.parent, artifacts)
        self.name = str(self._root)
        self._directories: dict[str, Path] = {}
        if not any((place / "meta.yaml").exists() for place in self._experiment_directories()):
            raise TrackingError(
                f"{root} is no mlruns directory: no directory in it has a meta.yaml",
                hint="Give the directory in which MLflow keeps experiments, each in a directory of its own.",
            )

    def close(self) -> None:
        """Nothing is held."""

    def _experiment_directories(self) -> Iterator[Path]:
        for directory in file_records.subdirectories(self._root, self._report):
            if directory.name not in (TRASH, MODELS):
                yield directory
        yield from file_records.subdirectories(self._root / TRASH, self._report)

    def experiments(self) -> Iterator[Experiment]:
        """All of them, those in the trash as well."""
        for directory in self._experiment_directories():
            found = file_records.meta(directory, self._report)
            if found is None:
                continue
            self._directories[directory.name] = directory
            deleted = directory.parent.name == TRASH
            yield Experiment(
                directory.name,
                str(found.get("name") or directory.name),
                str(found.get("artifact_location") or ""),
                "deleted" if deleted else str(found.get("lifecycle_stage") or "active"),
                int(found.get("creation_time") or 0),
                int(found.get("last_update_time") or found.get("creation_time") or 0),
                file_records.values(directory / "tags", self._report),
            )

    def run_count(self, experiment_id: str) -> int:
        """How many runs the experiment has."""
        return sum(1 for _ in self._run_directories(experiment_id))

    def _run_directories(self, experiment_id: str) -> Iterator[Path]:
        for directory in file_records.subdirectories(self._directories[experiment_id], self._report):
            if directory.name not in _RESERVED:
                yield directory

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """The runs of the experiment; one without a readable ``meta.yaml`` is reported and passed over."""
        for directory in self._run_directories(experiment_id):
            found = file_records.meta(directory, self._report)
            if found is None:
                continue
            try:
                yield self._run(directory, experiment_id, found)
            except (ValueError, TypeError, KeyError) as error:
                self._report(str(directory / "meta.yaml"), f"does not describe a run: {error}")

    def _run(self, directory: Path, experiment_id: str, found: dict[str, Any]) -> SourceRun:
        tags = file_records.values(directory / "tags", self._report)
        end = found.get("end_time")
        info = RunInfo(
            run_id=directory.name,
            name=str(found.get("run_name") or tags.get("mlflow.runName") or found.get("name") or ""),
            experiment_id=experiment_id,
            user_id=str(found.get("user_id") or ""),
            status=_status(found.get("status")),
            start_time=int(found.get("start_time") or 0),
            end_time=None if end is None else int(end),
            lifecycle_stage=str(found.get("lifecycle_stage") or "active"),
            artifact_uri=str(found.get("artifact_uri") or ""),
        )
        run = Run(
            info,
            params=file_records.values(directory / "params", self._report),
            tags=tags,
            datasets=tuple(self._datasets(directory)),
            model_inputs=tuple(self._links(directory / "inputs")),
            model_outputs=tuple(self._links(directory / "outputs")),
        )
        deleted = found.get("deleted_time")
        return SourceRun(
            run,
            None if deleted is None else int(deleted),
            file_records.points_state(directory / "metrics"),
        )

    def _datasets(self, run: Path) -> Iterator[DatasetInput]:
        for directory in file_records.subdirectories(run / "inputs", self._report):
            used = file_records.meta(directory, self._report)
            if used is None or used.get("source_type") != "DATASET":
                continue
            described = file_records.meta(run.parent / "datasets" / str(used.get("source_id")), self._report)
            if described is not None:
                yield DatasetInput(
                    Dataset(
                        str(described.get("name") or ""),
                        str(described.get("digest") or ""),
                        str(described.get("source_type") or ""),
                        str(described.get("source") or ""),
                        described.get("schema"),
                        described.get("profile"),
                    ),
                    tuple(Tag(str(key), str(value)) for key, value in (used.get("tags") or {}).items()),
                )

    def _links(self, directory: Path) -> Iterator[ModelLink]:
        for place in file_records.subdirectories(directory, self._report):
            found = file_records.meta(place, self._report)
            if found is not None and found.get("source_type") in ("MODEL", "RUN_OUTPUT"):
                yield ModelLink(str(found.get("destination_id")), int(found.get("step") or 0))

    def points(self, run: SourceRun) -> Iterator[list[Point]]:
        """The points of all metrics of the run."""
        info = run.run.info
        return file_records.points(
            self._directories[info.experiment_id] / info.run_id / "metrics", self._report
        )

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModel]:
        """The models of the experiment (MLflow 3) that are not deleted."""
        for directory in file_records.subdirectories(self._directories[experiment_id] / MODELS, self._report):
            found = file_records.meta(directory, self._report)
            if found is None or found.get("lifecycle_stage") == "deleted":
                continue
            yield LoggedModel(
                model_id=directory.name,
                experiment_id=experiment_id,
                name=str(found.get("name") or directory.name),
                model_type=str(found.get("model_type") or ""),
                source_run_id=str(found.get("source_run_id") or ""),
                status=MODEL_STATUSES.get(found.get("status") or 0, "LOGGED_MODEL_PENDING"),
                artifact_uri=str(found.get("artifact_location") or ""),
                creation_timestamp_ms=int(found.get("creation_timestamp") or 0),
                last_updated_timestamp_ms=int(found.get("last_updated_timestamp") or 0),
                tags=file_records.values(directory / "tags", self._report),
                params=file_records.values(directory / "params", self._report),
                metrics=tuple(self._model_metrics(directory)),
            )

    def _model_metrics(self, directory: Path) -> Iterator[ModelMetric]:
        """``timestamp value step run [dataset digest]`` a line."""
        for key, file in file_records.named_files(directory / "metrics"):
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                parts = line.split(" ")
                try:
                    name, digest = parts[4:6] if len(parts) >= 6 else ("", "")
                    metric = Metric(
                        key, float(parts[1]), int(parts[0]), int(parts[2]), directory.name, name, digest
                    )
                    yield ModelMetric(metric, parts[3])
                except (ValueError, IndexError):
                    self._report(f"{file}:{number}", "is no point of a metric of a model")

    def registered_models(self) -> Iterator[RegisteredModel]:
        """The names of the registry."""
        for directory in file_records.subdirectories(self._root / MODELS, self._report):
            found = file_records.meta(directory, self._report)
            if found is not None:
                aliases = file_records.values(directory / "aliases", self._report)
                yield RegisteredModel(
                    directory.name,
                    str(found.get("description") or ""),
                    int(found.get("creation_timestamp") or 0),
                    int(found.get("last_updated_timestamp") or 0),
                    file_records.values(directory / "tags", self._report),
                    {
                        alias: int(version)
                        for alias, version in aliases.items()
                        if version.strip().isdecimal()
                    },
                )

    def versions(self, name: str) -> Iterator[ModelVersion]:
        """The versions of a registered model that are not deleted."""
        for directory in file_records.subdirectories(self._root / MODELS / name, self._report):
            if not directory.name.startswith("version-"):
                continue
            found = file_records.meta(directory, self._report)
            if found is None or found.get("current_stage") == DELETED_VERSION:
                continue
            yield ModelVersion(
                name,
                int(directory.name.removeprefix("version-")),
                str(found.get("source") or ""),
                str(found.get("run_id") or ""),
                str(found.get("run_link") or ""),
                str(found.get("model_id") or ""),
                str(found.get("current_stage") or "None"),
                str(found.get("description") or ""),
                int(found.get("creation_timestamp") or 0),
                int(found.get("last_updated_timestamp") or 0),
                file_records.values(directory / "tags", self._report),
            )

    def artifacts_of_run(self, run: Run) -> ArtifactFiles:
        """Where the run says they are, or beside it: the directory may have been moved."""
        beside = self._directories[run.info.experiment_id] / run.info.run_id / "artifacts"
        return self._places.of(run.info.artifact_uri, run.info.run_id, beside)

    def artifacts_of_model(self, model: LoggedModel) -> ArtifactFiles:
        """Where the model says they are, or beside it."""
        beside = self._directories[model.experiment_id] / MODELS / model.model_id / "artifacts"
        return self._places.of(model.artifact_uri, model.model_id, beside)

    def left_out(self) -> Iterator[str]:
        """Traces are not taken."""
        places = chain.from_iterable(
            file_records.subdirectories(directory / "traces", self._report)
            for directory in self._directories.values()
        )
        if count := sum(1 for _ in places):
            yield f"{count} traces"


def _status(value: object) -> RunStatus:
    """A number (``RunStatus`` of MLflow's protocol), or its name; RUNNING when there is none."""
    if value is None:
        return RunStatus.RUNNING
    return _STATUSES[value] if isinstance(value, int) else RunStatus(str(value))
