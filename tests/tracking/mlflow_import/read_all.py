"""Prints, as JSON, all that an MLflow client reads from the store in MLFLOW_TRACKING_URI. Python 3.8+, MLflow 1.30+."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])
CLIENT = MlflowClient()


def main() -> None:
    found: dict[str, Any] = {"experiments": {}, "runs": {}, "models": {}, "registered": {}}
    for experiment in CLIENT.search_experiments(view_type=ViewType.ALL):
        found["experiments"][experiment.name] = {
            "stage": experiment.lifecycle_stage,
            "created": experiment.creation_time if experiment.name != "Default" else None,
            "tags": dict(experiment.tags),
        }
        for run in CLIENT.search_runs([experiment.experiment_id], run_view_type=ViewType.ALL):
            found["runs"][run.info.run_id] = read_run(CLIENT.get_run(run.info.run_id), experiment.name)
        if VERSION >= (3, 0):
            for model in CLIENT.search_logged_models([experiment.experiment_id]):
                found["models"][model.model_id] = read_model(model, experiment.name)
    for model in registered_models():
        found["registered"][model.name] = read_registered(model)
    print(json.dumps(found, sort_keys=True))


def registered_models() -> Any:
    try:
        return CLIENT.search_registered_models()
    except mlflow.exceptions.MlflowException:  # MLflow 1 had none in a directory
        return []


def read_run(run: Any, experiment: str) -> dict[str, Any]:
    info = run.info
    inputs = getattr(run, "inputs", None)
    outputs = getattr(run, "outputs", None)
    return {
        "experiment": experiment,
        "name": run.data.tags.get("mlflow.runName"),
        "user": info.user_id,
        "status": info.status,
        "times": [info.start_time, info.end_time],
        "stage": info.lifecycle_stage,
        "params": run.data.params,
        "tags": {key: value for key, value in run.data.tags.items() if not key.startswith("bis.import.")},
        "latest": {key: repr(value) for key, value in run.data.metrics.items()},
        "history": {
            key: sorted(
                [point.step, point.timestamp, repr(point.value)]
                for point in CLIENT.get_metric_history(info.run_id, key)
            )
            for key in run.data.metrics
        },
        "datasets": sorted(
            [
                [vars(used.dataset), sorted([tag.key, tag.value] for tag in used.tags)]
                for used in getattr(inputs, "dataset_inputs", [])
            ],
            key=repr,
        ),
        "models read": sorted(link.model_id for link in getattr(inputs, "model_inputs", None) or []),
        "models made": sorted(
            [link.model_id, link.step] for link in getattr(outputs, "model_outputs", None) or []
        ),
        "artifacts": artifacts_of(info.artifact_uri) if info.lifecycle_stage == "active" else None,
    }


def artifacts_of(place: str) -> dict[str, list[Any]]:
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    repository = get_artifact_repository(place)
    found: dict[str, list[Any]] = {}

    def walk(path: str | None) -> None:
        for entry in repository.list_artifacts(path):
            if entry.is_dir:
                walk(entry.path)
            else:
                with tempfile.TemporaryDirectory() as directory:
                    content = Path(repository.download_artifacts(entry.path, directory)).read_bytes()
                found[entry.path] = [entry.file_size or 0, hashlib.sha256(content).hexdigest()]

    walk(None)
    return found


def read_model(model: Any, experiment: str) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "name": model.name,
        "status": str(model.status),
        "times": [model.creation_timestamp, model.last_updated_timestamp],
        "type": model.model_type or None,
        "run": model.source_run_id or None,
        "params": model.params,
        "tags": model.tags,
        "metrics": sorted(
            [m.key, m.value, m.step, m.timestamp, m.run_id, m.dataset_name or None, m.dataset_digest or None]
            for m in model.metrics or []
        ),
        "artifacts": artifacts_of(model.artifact_location),
    }


def read_registered(model: Any) -> dict[str, Any]:
    versions = {}
    for version in CLIENT.search_model_versions(f"name='{model.name}'"):
        whole = CLIENT.get_model_version(model.name, version.version)
        versions[str(version.version)] = {
            "stage": version.current_stage,
            "run": version.run_id or None,
            "description": version.description or None,
            "tags": dict(version.tags),
            "times": [version.creation_timestamp, version.last_updated_timestamp],
            "aliases": sorted(getattr(whole, "aliases", [])),
            "files": sorted(
                artifacts_of(CLIENT.get_model_version_download_uri(model.name, version.version)).items()
            ),
        }
    return {
        "description": model.description or None,
        "tags": dict(model.tags),
        "created": model.creation_timestamp,
        "aliases": {alias: str(version) for alias, version in getattr(model, "aliases", {}).items()},
        "versions": versions,
    }


if __name__ == "__main__":
    main()
