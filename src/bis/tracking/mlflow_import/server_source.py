"""An MLflow server of any version, or one of bis, read over HTTP."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from bis.errors import TrackingError
from bis.tracking import decoding
from bis.tracking.artifact_store import checked_path
from bis.tracking.artifacts import SCHEME
from bis.tracking.mlflow_import.artifact_places import ArtifactPlaces
from bis.tracking.mlflow_import.source import SourceRun
from bis.tracking.mlflow_import.sql_source import logged_model_of
from bis.tracking.model import FileInfo, Metric, View, all_items
from bis.tracking.refusals import RefusedError
from bis.tracking.registry_model import LoggedModel, ModelMetric, ModelVersion, RegisteredModel
from bis.tracking.remote import RemoteStore
from bis.tracking.remote_artifacts import RemoteArtifacts
from bis.tracking.rest import RestClient
from bis.tracking.run_data import stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking.artifact_store import Target
    from bis.tracking.mlflow_import.source import ArtifactFiles, Point, Report
    from bis.tracking.model import Experiment, Run

_HISTORY_PAGE = 25_000
_PAGE = 500
_MODELS_PAGE = 100


class ServerSource:
    """What a server answers. Its address may hold credentials, which go no further than the requests."""

    counts_exactly = False  # pages shift when a run goes on while it is read

    def __init__(self, uri: str, *, artifacts: str | None, report: Report) -> None:
        self._store, self._rest, self._report = RemoteStore(uri), RestClient(uri), report
        self._remote = RemoteArtifacts(self._rest)
        self._places = ArtifactPlaces(None, artifacts)
        self.name = self._store.uri
        self._leaves_out_models = self._is_mlflow_3()

    def _is_mlflow_3(self) -> bool:
        """MLflow 3 leaves the models that a run has read out of its searches."""
        answer = BytesIO()
        try:
            self._rest.download(f"{self._rest.address}/version", answer)
        except RefusedError:  # no MLflow, or one behind something that does not let this through
            return False
        return answer.getvalue()[:2] == b"3."

    def close(self) -> None:
        """Nothing is held between requests."""

    def _pages(self, ask: Any, field: str, **body: Any) -> Iterator[Any]:
        token = None
        while True:
            answer = ask(**body, page_token=token)
            yield from answer.get(field, [])
            token = answer.get("next_page_token")
            if not token:
                return

    def _post(self, endpoint: str, **body: Any) -> dict[str, Any]:
        return self._rest.post(endpoint, {name: value for name, value in body.items() if value is not None})

    def experiments(self) -> Iterator[Experiment]:
        """All of them, deleted ones as well; by the list that servers before 1.28 have."""
        try:
            found = self._pages(
                lambda **body: self._post("mlflow/experiments/search", **body),
                "experiments",
                max_results=1000,
                view_type=View.ALL.value,
            )
            first = next(found, None)
        except RefusedError as error:
            if error.code != "ENDPOINT_NOT_FOUND":
                raise
            answer = self._rest.get("mlflow/experiments/list", view_type=View.ALL.value)
            found = iter(answer.get("experiments", []))
            first = next(found, None)
        if first is not None:
            yield decoding.experiment(first)
        for item in found:
            yield decoding.experiment(item)

    def run_count(self, experiment_id: str) -> None:  # noqa: ARG002
        """A server does not say it."""
        return

    def runs(self, experiment_id: str) -> Iterator[SourceRun]:
        """The runs of the experiment."""
        order = ["attributes.start_time ASC"]
        for found in all_items(
            lambda token: self._store.search_runs(
                [experiment_id], max_results=_PAGE, page_token=token, view=View.ALL, order_by=order
            )
        ):
            run = self._store.run(found.info.run_id) if self._leaves_out_models else found
            latest = sorted(
                (point.key, point.step, point.timestamp, repr(point.value)) for point in run.metrics
            )
            yield SourceRun(run, None, repr(latest))

    def points(self, run: SourceRun) -> Iterator[list[Point]]:
        """The history of each metric, in the pages of the server; MLflow 1 gives each as one."""
        for latest in run.run.metrics:
            token = None
            while True:
                page = self._store.metric_history(
                    run.run.info.run_id, latest.key, max_results=_HISTORY_PAGE, page_token=token
                )
                yield [(metric.key, *stored(metric)) for metric in page.items]
                token = page.next_token
                if not token:
                    break

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModel]:
        """The models of the experiment; servers before 3.0 have none."""
        try:
            for found in self._pages(
                lambda **body: self._post("mlflow/logged-models/search", **body),
                "models",
                experiment_ids=[experiment_id],
                max_results=_MODELS_PAGE,
            ):
                yield _with_metrics(decoding.logged_model(found), found)
        except RefusedError as error:
            if error.code != "ENDPOINT_NOT_FOUND":
                raise

    def registered_models(self) -> Iterator[RegisteredModel]:
        """The names of the registry. A server over a directory had no registry before 2.0."""
        try:
            for found in self._pages(
                lambda **query: self._rest.get("mlflow/registered-models/search", **query),
                "registered_models",
                max_results=_MODELS_PAGE,
            ):
                yield RegisteredModel(
                    found["name"],
                    found.get("description", ""),
                    int(found.get("creation_timestamp", 0)),
                    int(found.get("last_updated_timestamp", 0)),
                    decoding.pairs(found.get("tags", [])),
                    {item["alias"]: int(item["version"]) for item in found.get("aliases", [])},
                )
        except RefusedError as error:
            self._report(f"{self.name}: registered models", error.message)

    def versions(self, name: str) -> Iterator[ModelVersion]:
        """The versions of a registered model."""
        quoted = name.replace("'", "''")
        for found in self._pages(
            lambda **query: self._rest.get("mlflow/model-versions/search", **query),
            "model_versions",
            filter=f"name='{quoted}'",
            max_results=_MODELS_PAGE,
        ):
            source = found.get("source", "")
            yield ModelVersion(
                name,
                int(found["version"]),
                source,
                found.get("run_id", ""),
                found.get("run_link", ""),
                found.get("model_id") or logged_model_of(source),
                found.get("current_stage") or "None",
                found.get("description", ""),
                int(found.get("creation_timestamp", 0)),
                int(found.get("last_updated_timestamp", 0)),
                decoding.pairs(found.get("tags", [])),
            )

    def artifacts_of_run(self, run: Run) -> ArtifactFiles:
        """Through the server's proxy; where it has none, by the addresses of its pages."""
        uri = run.info.artifact_uri
        if self._is_proxied(uri):
            return _ProxiedFiles(self._remote, uri)
        try:
            return self._places.of(uri, run.info.run_id)
        except TrackingError:
            return _FilesOfPages(self._rest, run.info.run_id)

    def artifacts_of_model(self, model: LoggedModel) -> ArtifactFiles:
        """Through the server's proxy, or where they are said to be."""
        if self._is_proxied(model.artifact_uri):
            return _ProxiedFiles(self._remote, model.artifact_uri)
        return self._places.of(model.artifact_uri, model.model_id)

    def _is_proxied(self, uri: str) -> bool:
        return uri.startswith((SCHEME, f"{self._rest.address}/")) or urlsplit(uri).scheme in ("http", "https")

    def left_out(self) -> Iterator[str]:
        """Nobody counts what a server has besides."""
        return iter(())


class _ProxiedFiles:
    """Artifacts that the server hands out under ``mlflow-artifacts``."""

    def __init__(self, remote: RemoteArtifacts, uri: str) -> None:
        self._remote, self._uri = remote, uri

    def files(self) -> Iterator[FileInfo]:
        """All files."""
        return self._remote.files(self._uri)

    def modified(self, path: str) -> None:  # noqa: ARG002
        """The server does not say it."""
        return

    def copy(self, path: str, target: Target) -> None:
        """Write the file to the target."""
        self._remote.read(self._uri, path, target)


class _FilesOfPages:
    """Artifacts of a run that only the server can reach, by the addresses that its pages read them from."""

    def __init__(self, rest: RestClient, run_id: str) -> None:
        self._rest, self._run_id = rest, run_id

    def files(self, path: str = "") -> Iterator[FileInfo]:
        """All files."""
        asked = {"run_id": self._run_id, "run_uuid": self._run_id, "path": path}
        for entry in self._rest.get("mlflow/artifacts/list", **asked).get("files", []):
            name = checked_path(str(entry["path"]))
            if entry.get("is_dir"):
                yield from self.files(name)
            else:
                yield FileInfo(name, is_dir=False, size_bytes=int(entry.get("file_size") or 0))

    def modified(self, path: str) -> None:  # noqa: ARG002
        """The server does not say it."""
        return

    def copy(self, path: str, target: Target) -> None:
        """Write the file to the target."""
        query = urlencode({"run_uuid": self._run_id, "path": path}, quote_via=quote)
        self._rest.download(f"{self._rest.address}/get-artifact?{query}", target)


def _with_metrics(model: LoggedModel, found: dict[str, Any]) -> LoggedModel:
    from dataclasses import replace

    metrics = [
        ModelMetric(
            Metric(
                item["key"],
                float(item.get("value", 0)),
                int(item.get("timestamp", 0)),
                int(item.get("step", 0)),
                model.model_id,
                item.get("dataset_name", ""),
                item.get("dataset_digest", ""),
            ),
            item.get("run_id", ""),
        )
        for item in found.get("data", {}).get("metrics", [])
    ]
    return replace(model, metrics=tuple(metrics))
