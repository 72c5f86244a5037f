"""From the JSON of an MLflow server, of any version, to the model."""

from __future__ import annotations

from typing import Any

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
from bis.tracking.registry_model import LoggedModel

Json = dict[str, Any]


def experiment(json: Json) -> Experiment:
    """An experiment."""
    return Experiment(
        str(json["experiment_id"]),
        json.get("name", ""),
        json.get("artifact_location", ""),
        json.get("lifecycle_stage", "active"),
        int(json.get("creation_time", 0)),
        int(json.get("last_update_time", 0)),
        pairs(json.get("tags", [])),
    )


def run_info(json: Json) -> RunInfo:
    """What identifies a run; servers before 2.0 keep its name among the tags only."""
    return RunInfo(
        run_id=json.get("run_id") or json["run_uuid"],
        name=json.get("run_name", ""),
        experiment_id=str(json.get("experiment_id", "0")),
        user_id=json.get("user_id", ""),
        status=RunStatus(json.get("status", "RUNNING")),
        start_time=int(json.get("start_time", 0)),
        end_time=int(json["end_time"]) if json.get("end_time") else None,
        lifecycle_stage=json.get("lifecycle_stage", "active"),
        artifact_uri=json.get("artifact_uri", ""),
    )


def run(json: Json) -> Run:
    """A run with its data."""
    data, inputs, outputs = json.get("data", {}), json.get("inputs", {}), json.get("outputs", {})
    return Run(
        info=run_info(json["info"]),
        metrics=tuple(metric(point) for point in data.get("metrics", [])),
        params=pairs(data.get("params", [])),
        tags=pairs(data.get("tags", [])),
        datasets=tuple(_dataset_input(used) for used in inputs.get("dataset_inputs", [])),
        model_inputs=tuple(ModelLink(link["model_id"]) for link in inputs.get("model_inputs", [])),
        model_outputs=tuple(
            ModelLink(link["model_id"], int(link.get("step", 0))) for link in outputs.get("model_outputs", [])
        ),
    )


def metric(json: Json) -> Metric:
    """A point; NaN and the infinities are texts."""
    return Metric(
        json["key"], float(json.get("value", 0)), int(json.get("timestamp", 0)), int(json.get("step", 0))
    )


def logged_model(json: Json) -> LoggedModel:
    """A logged model, without its metrics."""
    info = json["info"]
    return LoggedModel(
        model_id=info["model_id"],
        experiment_id=str(info.get("experiment_id", "0")),
        name=info.get("name", ""),
        model_type=info.get("model_type", ""),
        source_run_id=info.get("source_run_id", ""),
        status=info.get("status", ""),
        artifact_uri=info.get("artifact_uri", ""),
        creation_timestamp_ms=int(info.get("creation_timestamp_ms", 0)),
        last_updated_timestamp_ms=int(info.get("last_updated_timestamp_ms", 0)),
        tags=pairs(info.get("tags", [])),
        params=pairs(json.get("data", {}).get("params", [])),
    )


def pairs(json: list[Json]) -> dict[str, str]:
    """Tags or parameters."""
    return {item["key"]: str(item.get("value", "")) for item in json}


def _dataset_input(json: Json) -> DatasetInput:
    dataset = json["dataset"]
    described = Dataset(
        dataset.get("name", ""),
        dataset.get("digest", ""),
        dataset.get("source_type", ""),
        dataset.get("source", ""),
        dataset.get("schema"),
        dataset.get("profile"),
    )
    tags = tuple(Tag(key, value) for key, value in pairs(json.get("tags", [])).items())
    return DatasetInput(described, tags)
