"""Fills the store in MLFLOW_TRACKING_URI with one of everything that this MLflow knows. Python 3.8+, MLflow 1.30+."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Metric, Param, RunTag
from mlflow.tracking import MlflowClient

VERSION = tuple(int(part) for part in mlflow.__version__.split(".")[:2])


def main() -> None:
    client = MlflowClient()
    iris = client.create_experiment("iris")
    client.set_experiment_tag(iris, "team", "blue ü")
    first = make_run(client, iris, "first")
    make_nested(client, iris, first)
    deleted = client.create_run(iris).info.run_id
    client.log_metric(deleted, "m", 1.0)
    client.set_terminated(deleted, "FAILED")
    client.delete_run(deleted)
    client.log_metric(client.create_run("0").info.run_id, "going", 1.0)  # still RUNNING, in Default
    old = client.create_experiment("old")
    client.set_terminated(client.create_run(old).info.run_id, "KILLED")
    client.delete_experiment(old)
    if VERSION >= (2, 4):
        log_dataset(iris)
    if VERSION >= (2, 0) or not mlflow.get_tracking_uri().startswith("file:"):
        register(client, first)
    if VERSION >= (3, 0):
        log_model(client, iris, first)


def make_run(client: Any, experiment: str, name: str) -> str:
    run_id: str = client.create_run(
        experiment, start_time=1_700_000_000_000, tags={"mlflow.user": "ada"}, run_name=name
    ).info.run_id
    points = [Metric("train/loss", 1.0 / (step + 1), 1_700_000_000_000 + step, step) for step in range(50)]
    points += [
        Metric("odd", value, 1_700_000_000_001, step)
        for step, value in ((-3, 0.1), (0, math.nan), (2, 1e-320), (5, -0.0))
    ]
    points += [Metric("late", 5.0, 20, 3), Metric("late", 4.0, 30, 1), Metric("late", 6.0, 20, 3)]
    client.log_batch(
        run_id,
        points,
        [
            Param("depth", "3"),
            Param("path/like", "a=b c"),
            Param("empty", ""),
            Param("text", "ü\nsecond line"),
        ],
    )
    client.log_metric(run_id, "big", math.inf, step=1)
    client.log_batch(run_id, tags=[RunTag("note", "two\nlines"), RunTag("a.b/c d", "v"), RunTag("empty", "")])
    with tempfile.TemporaryDirectory() as place:
        directory = Path(place)
        (directory / "deep" / "er").mkdir(parents=True)
        (directory / "deep" / "er" / "x.bin").write_bytes(bytes(range(256)) * 64)
        (directory / "top é.txt").write_text("hello")
        (directory / "nothing").touch()
        client.log_artifacts(run_id, place)
        client.log_artifacts(run_id, place, "model")
    client.set_terminated(run_id, "FINISHED", end_time=1_700_000_100_000)
    return run_id


def make_nested(client: Any, experiment: str, parent: str) -> None:
    run_id = client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
    client.set_terminated(run_id, "FAILED")


def log_dataset(experiment: str) -> None:
    import pandas  # type: ignore[import-untyped]

    mlflow.set_experiment(experiment_id=experiment)
    with mlflow.start_run(run_name="with data"):
        frame = pandas.DataFrame({"a": [1, 2], "b": [0.5, 1.5]})
        mlflow.log_input(mlflow.data.from_pandas(frame, name="numbers"), context="training")
        mlflow.log_input(mlflow.data.from_pandas(frame[:1], name="few"), context="test")


def register(client: Any, run_id: str) -> None:
    client.create_registered_model("flowers", tags={"kind": "tree"}, description="all of them")
    root = client.get_run(run_id).info.artifact_uri
    for number in range(1, 4):
        client.create_model_version(
            "flowers", root + "/model", run_id, tags={"n": str(number)}, description=f"number {number}"
        )
    client.transition_model_version_stage("flowers", "1", "Production")
    client.delete_model_version("flowers", "2")
    client.create_registered_model("bare")
    if VERSION >= (2, 3):
        client.set_registered_model_alias("flowers", "champion", "3")


def log_model(client: Any, experiment: str, run_id: str) -> None:
    from mlflow.entities import LoggedModelInput, LoggedModelOutput

    model = client.create_logged_model(
        experiment,
        name="forest",
        source_run_id=run_id,
        tags={"t": "1"},
        params={"depth": "4"},
        model_type="sklearn",
    )
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "MLmodel").write_text("flavors: {}\n")
        client.log_model_artifacts(model.model_id, directory)
    client.finalize_logged_model(model.model_id, "READY")
    client.log_metric(
        run_id,
        "accuracy",
        0.75,
        step=7,
        timestamp=1_700_000_000_500,
        model_id=model.model_id,
        dataset_name="iris",
        dataset_digest="abc",
    )
    client.log_metric(run_id, "accuracy", 0.5, step=6, timestamp=1_700_000_000_400, model_id=model.model_id)
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 7)])
    other = client.create_run(experiment).info.run_id
    client.log_inputs(other, models=[LoggedModelInput(model.model_id)])
    client.create_model_version("flowers", "models:/" + model.model_id, run_id, model_id=model.model_id)
    client.create_logged_model(experiment, name="pending")


if __name__ == "__main__":
    main()
