"""A store that is an MLflow server, MLflow's own or ours, of any version."""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Any

from bis.errors import RunNotFoundError, TrackingError
from bis.tracking import decoding
from bis.tracking.artifacts import upload_path
from bis.tracking.experiments import now_ms
from bis.tracking.model import Page, RunSummary, View, all_items
from bis.tracking.refusals import RefusedError
from bis.tracking.remote_artifacts import RemoteArtifacts
from bis.tracking.rest import RestClient
from bis.tracking.run_names import random_run_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from bis.tracking.model import (
        DatasetInput,
        Experiment,
        FileInfo,
        Metric,
        ModelLink,
        Param,
        Run,
        RunInfo,
        RunStatus,
        Tag,
    )
    from bis.tracking.registry_model import LoggedModel

_METRICS_IN_BATCH = 800  # with 100 parameters and 100 tags the limit of 1000 is kept
_PAIRS_IN_BATCH = 100
_NO_RUN = re.compile(r"\brun\b.*\bnot found", re.IGNORECASE)
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


class RemoteStore:
    """A store behind MLflow's REST protocol."""

    def __init__(self, uri: str) -> None:
        self._rest = RestClient(uri)
        self._artifacts = RemoteArtifacts(self._rest)
        self.uri = self._rest.address

    def close(self) -> None:
        """Nothing is held between requests."""

    def create_experiment(self, name: str, *, artifact_location: str = "", tags: Iterable[Tag] = ()) -> str:
        """Make an experiment and return its id; refused when the name is taken."""
        body = {"name": name, "artifact_location": artifact_location, "tags": _pairs(tags)}
        answer = self._rest.post("mlflow/experiments/create", body, repeat=False)
        return str(answer["experiment_id"])

    def experiment(self, experiment_id: str) -> Experiment:
        """The experiment with that id."""
        answer = self._rest.get("mlflow/experiments/get", experiment_id=experiment_id)
        return decoding.experiment(answer["experiment"])

    def experiment_named(self, name: str) -> Experiment | None:
        """The experiment with that name; None when there is none."""
        try:
            answer = self._rest.get("mlflow/experiments/get-by-name", experiment_name=name)
        except RefusedError as error:
            if error.code in _ABSENT:
                return None
            raise
        return decoding.experiment(answer["experiment"])

    def search_experiments(
        self,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 1000,
        page_token: str | None = None,
        view: View = View.ACTIVE_ONLY,
    ) -> Page[Experiment]:
        """Experiments that fulfil the filter."""
        body = {"filter": filter, "order_by": list(order_by), "max_results": max_results}
        answer = self._rest.post(
            "mlflow/experiments/search", {**body, "page_token": page_token or "", "view_type": view.value}
        )
        found = tuple(decoding.experiment(item) for item in answer.get("experiments", []))
        return Page(found, answer.get("next_page_token"))

    def rename_experiment(self, experiment_id: str, name: str) -> None:
        """Give the experiment another name."""
        self._change("experiments/update", experiment_id=experiment_id, new_name=name)

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark the experiment as deleted."""
        self._change("experiments/delete", experiment_id=experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take a deleted experiment back."""
        self._change("experiments/restore", experiment_id=experiment_id)

    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None:
        """Set a tag of the experiment."""
        self._change("experiments/set-experiment-tag", experiment_id=experiment_id, key=key, value=value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of the experiment."""
        self._change("experiments/delete-experiment-tag", experiment_id=experiment_id, key=key)

    def create_run(
        self,
        experiment_id: str,
        *,
        name: str | None = None,
        user_id: str = "",
        start_time: int | None = None,
        tags: Iterable[Tag] = (),
        run_id: str | None = None,  # noqa: ARG002  a server gives the id itself
    ) -> Run:
        """Begin a run; it is named here when it has no name, because old servers give none."""
        words = {tag.key: tag.value for tag in tags}
        name = name or words.get("mlflow.runName") or random_run_name()
        words["mlflow.runName"] = name
        body = {
            "experiment_id": experiment_id,
            "user_id": user_id,
            "run_name": name,
            "start_time": start_time or now_ms(),
            "tags": [{"key": key, "value": value} for key, value in words.items()],
        }
        return decoding.run(self._rest.post("mlflow/runs/create", body, repeat=False)["run"])

    def run(self, run_id: str) -> Run:
        """The run with that id, and its data."""
        try:
            return decoding.run(self._rest.get("mlflow/runs/get", run_id=run_id, run_uuid=run_id)["run"])
        except RefusedError as error:
            raise _about_run(error) from error

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
        values = {"status": status.value if status else None, "end_time": end_time, "run_name": name}
        given = {key: value for key, value in values.items() if value is not None}
        return decoding.run_info(self._on_run("runs/update", run_id, **given)["run_info"])

    def delete_run(self, run_id: str) -> None:
        """Mark the run as deleted."""
        self._on_run("runs/delete", run_id)

    def restore_run(self, run_id: str) -> None:
        """Take a deleted run back."""
        self._on_run("runs/restore", run_id)

    def move_run(self, run_id: str, experiment_id: str) -> None:
        """Put the run into another experiment, which a server of bis can and MLflow's cannot."""
        try:
            self._rest.post("bis/runs/move", {"run_id": run_id, "experiment_id": experiment_id})
        except RefusedError as error:
            if error.code != "ENDPOINT_NOT_FOUND":
                raise _about_run(error) from error
            raise TrackingError(
                f"the tracking server at {self.uri} cannot move a run to another experiment",
                hint="Give the experiment to `bis run` with --experiment-name.",
            ) from error

    def find_runs(self, prefix: str) -> list[RunInfo]:
        """The active runs whose id begins with ``prefix``, or the newest one for ``latest``."""
        if prefix == "latest":
            return [summary.info for summary in self.recent_runs(1)]
        if not prefix or not all(letter in "0123456789abcdef" for letter in prefix.lower()):
            return []
        if len(prefix) == 32:
            try:
                return [self.run(prefix.lower()).info]
            except RunNotFoundError:
                return []
        search = f"attributes.run_id LIKE '{prefix.lower()}%'"
        return [run.info for run in self.search_runs(filter=search, max_results=10).items]

    def recent_runs(self, limit: int = 20, *, experiment_id: str | None = None) -> list[RunSummary]:
        """The newest active runs, of all experiments or of one, with their tags."""
        if experiment_id is not None:
            names = {experiment_id: self.experiment(experiment_id).name}
        else:
            names = {item.experiment_id: item.name for item in self._all_experiments()}
        order = ["attributes.start_time DESC"]
        found = self.search_runs(list(names), order_by=order, max_results=limit)
        return [RunSummary(run.info, names[run.info.experiment_id], run.tags) for run in found.items]

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
        """Runs of these experiments (None: of all) that fulfil the filter."""
        if experiment_ids is None:
            experiment_ids = [item.experiment_id for item in self._all_experiments()]
        body: dict[str, Any] = {"experiment_ids": list(experiment_ids), "filter": filter}
        body |= {"order_by": list(order_by), "max_results": max_results, "run_view_type": view.value}
        answer = self._rest.post("mlflow/runs/search", {**body, "page_token": page_token or ""})
        return Page(
            tuple(decoding.run(item) for item in answer.get("runs", [])), answer.get("next_page_token")
        )

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Iterable[Param] = (),
        tags: Iterable[Tag] = (),
        *,
        origin: str = "client",  # noqa: ARG002  a mark that only our own store keeps
    ) -> None:
        """Log all of it, in as many requests as the server's limits ask for."""
        points = [_point(metric) for metric in metrics]
        values = [{"key": param.key, "value": param.value} for param in params]
        words = _pairs(tags)
        while points or values or words:
            self._on_run(
                "runs/log-batch",
                run_id,
                metrics=points[:_METRICS_IN_BATCH],
                params=values[:_PAIRS_IN_BATCH],
                tags=words[:_PAIRS_IN_BATCH],
            )
            points, values = points[_METRICS_IN_BATCH:], values[_PAIRS_IN_BATCH:]
            words = words[_PAIRS_IN_BATCH:]

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of the run."""
        self._on_run("runs/set-tag", run_id, key=key, value=value)

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of the run."""
        self._on_run("runs/delete-tag", run_id, key=key)

    def log_inputs(
        self, run_id: str, datasets: Iterable[DatasetInput] = (), models: Iterable[ModelLink] = ()
    ) -> None:
        """Note datasets and logged models that the run read."""
        self._on_run(
            "runs/log-inputs",
            run_id,
            datasets=[_dataset(used) for used in datasets],
            models=[{"model_id": link.model_id} for link in models],
        )

    def log_outputs(self, run_id: str, models: Iterable[ModelLink]) -> None:
        """Note logged models that the run made."""
        links = [{"model_id": link.model_id, "step": link.step} for link in models]
        self._on_run("runs/outputs", run_id, models=links)

    def metric_history(
        self, run_id: str, key: str, *, max_results: int | None = None, page_token: str | None = None
    ) -> Page[Metric]:
        """The points of one metric; all of them without ``max_results``."""
        found: list[Metric] = []
        while True:
            answer = self._rest.get(
                "mlflow/metrics/get-history",
                run_id=run_id,
                run_uuid=run_id,
                metric_key=key,
                max_results=max_results,
                page_token=page_token,
            )
            found += [decoding.metric(point) for point in answer.get("metrics", [])]
            page_token = answer.get("next_page_token")
            if not page_token or max_results is not None:
                return Page(tuple(found), page_token)

    def artifact_location(self, run_id: str) -> str:
        """The address of the run's artifacts, as the server gives it."""
        return self.run(run_id).info.artifact_uri

    def log_artifact(self, run_id: str, local: Path, path: str | None = None) -> None:
        """Upload a file into the directory ``path`` of the run's artifacts, or a directory's content to
        ``path``.
        """
        self._artifacts.add(self.artifact_location(run_id), local, upload_path(local, path))

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Write a text as the artifact ``path``."""
        self._artifacts.write(self.artifact_location(run_id), path, text.encode())

    def list_artifacts(self, run_id: str, path: str = "") -> list[FileInfo]:
        """What lies in a directory of the run's artifacts; paths are relative to the run's root."""
        return self._artifacts.listing(self.artifact_location(run_id), path)

    def download_artifacts(self, run_id: str, path: str, destination: Path) -> Path:
        """Copy an artifact, or a directory of them, below ``destination``; returns where it is now."""
        return self.download_from(self.artifact_location(run_id), path, destination)

    def download_from(self, uri: str, path: str, destination: Path) -> Path:
        """Copy what is at ``path`` below an artifact address that the server gave."""
        return self._artifacts.download(uri, path, destination)

    def model_artifact_uri(self, name: str, version: str) -> str:
        """Where the files of a registered model's version are; a number, ``@alias``, stage or latest."""
        if version.startswith("@"):
            answer = self._rest.get("mlflow/registered-models/alias", name=name, alias=version[1:])
            version = str(answer["model_version"]["version"])
        elif not version.isdigit():
            stages = [] if version.lower() == "latest" else [version]
            body = {"name": name, "stages": stages}
            found = self._rest.post("mlflow/registered-models/get-latest-versions", body).get(
                "model_versions"
            )
            if not found:
                raise TrackingError(f"the registered model {name!r} has no version in {version!r}")
            version = str(max(int(item["version"]) for item in found))
        answer = self._rest.get("mlflow/model-versions/get-download-uri", name=name, version=version)
        uri = str(answer["artifact_uri"])
        if uri.startswith("models:/m-"):
            return self.logged_model(uri.removeprefix("models:/")).artifact_uri
        return uri

    def logged_model(self, model_id: str) -> LoggedModel:
        """A logged model of MLflow 3, without its metrics."""
        return decoding.logged_model(self._rest.get(f"mlflow/logged-models/{model_id}")["model"])

    def _all_experiments(self) -> list[Experiment]:
        return list(all_items(lambda token: self.search_experiments(page_token=token)))

    def _change(self, path: str, **body: object) -> None:
        self._rest.post(f"mlflow/{path}", body)

    def _on_run(self, path: str, run_id: str, **body: object) -> dict[str, Any]:
        try:
            return self._rest.post(f"mlflow/{path}", {"run_id": run_id, "run_uuid": run_id, **body})
        except RefusedError as error:
            raise _about_run(error) from error


def _about_run(error: RefusedError) -> TrackingError:
    if error.code in _ABSENT and _NO_RUN.search(error.message):
        return RunNotFoundError(error.message, hint="`bis list` shows the runs.")
    return error


def _pairs(tags: Iterable[Tag]) -> list[dict[str, str]]:
    return [{"key": tag.key, "value": tag.value} for tag in tags]


def _point(metric: Metric) -> dict[str, object]:
    value = (
        metric.value if isfinite(metric.value) else {"nan": "NaN", "inf": "Infinity"}.get(str(metric.value))
    )
    return {
        "key": metric.key,
        "value": "-Infinity" if value is None else value,
        "timestamp": metric.timestamp,
        "step": metric.step,
    }


def _dataset(used: DatasetInput) -> dict[str, object]:
    dataset = {name: value for name, value in vars(used.dataset).items() if value is not None}
    return {"dataset": dataset, "tags": _pairs(used.tags)}
