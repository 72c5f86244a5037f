"""From the model to the JSON that MLflow's clients read.

64-bit integers are JSON numbers, NaN and the infinities are texts, and what is absent has no key.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bis.tracking.artifacts import SCHEME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from bis.tracking.model import DatasetInput, Experiment, FileInfo, Metric, ModelLink, Page, Run, RunInfo
    from bis.tracking.registry_model import LoggedModel, ModelVersion, RegisteredModel

Json = dict[str, "Any"]


class Encoder:
    """Writes addresses of artifacts as the client can use them.

    ``file_root`` is the artifact root as a ``file:`` URI for clients that do not know ``mlflow-artifacts:``.
    """

    def __init__(self, file_root: str | None = None) -> None:
        self._file_root = file_root

    def address(self, uri: str) -> str:
        """An address of artifacts."""
        if self._file_root and uri.startswith(SCHEME):
            return f"{self._file_root}/{uri[len(SCHEME) :].lstrip('/')}"
        return uri

    def experiment(self, experiment: Experiment) -> Json:
        """An experiment."""
        return {
            "experiment_id": experiment.experiment_id,
            "name": experiment.name,
            "artifact_location": self.address(experiment.artifact_location),
            "lifecycle_stage": experiment.lifecycle_stage,
            "creation_time": experiment.creation_time,
            "last_update_time": experiment.last_update_time,
            **present(tags=pairs(experiment.tags)),
        }

    def run_info(self, info: RunInfo) -> Json:
        """What identifies a run; old clients read ``run_uuid``."""
        return {
            "run_uuid": info.run_id,
            "run_id": info.run_id,
            "run_name": info.name,
            "experiment_id": info.experiment_id,
            "user_id": info.user_id,
            "status": info.status.value,
            "start_time": info.start_time,
            "artifact_uri": self.address(info.artifact_uri),
            "lifecycle_stage": info.lifecycle_stage,
            **({} if info.end_time is None else {"end_time": info.end_time}),
        }

    def run(self, run: Run) -> Json:
        """A run with its data."""
        return {
            "info": self.run_info(run.info),
            "data": present(
                metrics=[metric(item) for item in run.metrics],
                params=pairs(run.params),
                tags=pairs(run.tags),
            ),
            "inputs": present(
                dataset_inputs=[dataset_input(item) for item in run.datasets],
                model_inputs=[{"model_id": link.model_id} for link in run.model_inputs],
            ),
            "outputs": present(model_outputs=[_output(link) for link in run.model_outputs]),
        }

    def logged_model(self, model: LoggedModel) -> Json:
        """A logged model of MLflow 3."""
        info = {
            "model_id": model.model_id,
            "experiment_id": model.experiment_id,
            "name": model.name,
            "creation_timestamp_ms": model.creation_timestamp_ms,
            "last_updated_timestamp_ms": model.last_updated_timestamp_ms,
            "artifact_uri": self.address(model.artifact_uri),
            "status": model.status,
            **present(model_type=model.model_type, source_run_id=model.source_run_id, tags=pairs(model.tags)),
        }
        metrics = [{**metric(item.metric), "run_id": item.run_id} for item in model.metrics]
        return {"info": info, "data": present(params=pairs(model.params), metrics=metrics)}


def model_version(version: ModelVersion) -> Json:
    """A version of a registered model; its number is a text."""
    return {
        "name": version.name,
        "version": str(version.version),
        "creation_timestamp": version.creation_time,
        "last_updated_timestamp": version.last_updated_time,
        "current_stage": version.stage,
        "source": version.source,
        "status": "READY",
        **present(
            description=version.description,
            run_id=version.run_id,
            run_link=version.run_link,
            model_id=version.model_id,
            tags=pairs(version.tags),
            aliases=list(version.aliases),
        ),
    }


def registered_model(model: RegisteredModel) -> Json:
    """A registered model with the newest version of each stage."""
    return {
        "name": model.name,
        "creation_timestamp": model.creation_time,
        "last_updated_timestamp": model.last_updated_time,
        **present(
            description=model.description,
            latest_versions=[model_version(version) for version in model.latest_versions],
            tags=pairs(model.tags),
            aliases=[{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
        ),
    }


def metric(point: Metric) -> Json:
    """A point of a metric."""
    value = point.value
    found: Json = {
        "key": point.key,
        "value": value if math.isfinite(value) else number(value),
        "timestamp": point.timestamp,
        "step": point.step,
    }
    if point.model_id or point.dataset_name or point.dataset_digest:  # few have, and a page has 50,000 points
        found |= present(
            model_id=point.model_id, dataset_name=point.dataset_name, dataset_digest=point.dataset_digest
        )
    return found


def number(value: float) -> float | str:
    """A number, as a text when JSON has none for it."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def dataset_input(used: DatasetInput) -> Json:
    """A dataset that a run read."""
    dataset = used.dataset
    described = {
        "name": dataset.name,
        "digest": dataset.digest,
        "source_type": dataset.source_type,
        "source": dataset.source,
    }
    return {
        "dataset": {**described, **present(schema=dataset.schema, profile=dataset.profile)},
        **present(tags=[{"key": tag.key, "value": tag.value} for tag in used.tags]),
    }


def files(found: Iterable[FileInfo]) -> list[Json]:
    """Entries of a directory of artifacts; a directory has no size."""
    return [
        {"path": file.path, "is_dir": file.is_dir, **({} if file.is_dir else {"file_size": file.size_bytes})}
        for file in found
    ]


def pairs(values: dict[str, str]) -> list[Json]:
    """Tags or parameters."""
    return [{"key": key, "value": value} for key, value in values.items()]


def page(name: str, items: list[Json], of: Page[Any]) -> Json:
    """A page of results; the last one has no token."""
    return present(**{name: items}, next_page_token=of.next_token)


def present(**values: Any) -> Json:
    """The values that are there."""
    return {name: value for name, value in values.items() if value}


def _output(link: ModelLink) -> Json:
    return {"model_id": link.model_id, "step": link.step}
