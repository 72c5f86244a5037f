"""What every tracking store does, and which one an address means."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from bis.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from bis.home import Home
    from bis.tracking.model import (
        DatasetInput,
        Experiment,
        FileInfo,
        Metric,
        ModelLink,
        Page,
        Param,
        Run,
        RunInfo,
        RunStatus,
        RunSummary,
        Tag,
        View,
    )
    from bis.tracking.registry_model import LoggedModel


class Store(Protocol):
    """Experiments, runs, what they log, and their artifacts.

    An id that is not there raises ``RunNotFoundError`` or ``RefusedError``; a store that cannot be reached or
    written raises ``TrackingError``. ``uri`` is the store's address, without credentials.
    """

    uri: str

    def close(self) -> None: ...

    def create_experiment(
        self, name: str, *, artifact_location: str = "", tags: Iterable[Tag] = ()
    ) -> str: ...
    def experiment(self, experiment_id: str) -> Experiment: ...
    def experiment_named(self, name: str) -> Experiment | None: ...
    def search_experiments(
        self,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 1000,
        page_token: str | None = None,
        view: View = ...,
    ) -> Page[Experiment]: ...
    def rename_experiment(self, experiment_id: str, name: str) -> None: ...
    def delete_experiment(self, experiment_id: str) -> None: ...
    def restore_experiment(self, experiment_id: str) -> None: ...
    def set_experiment_tag(self, experiment_id: str, key: str, value: str) -> None: ...
    def delete_experiment_tag(self, experiment_id: str, key: str) -> None: ...

    def create_run(
        self,
        experiment_id: str,
        *,
        name: str | None = None,
        user_id: str = "",
        start_time: int | None = None,
        tags: Iterable[Tag] = (),
        run_id: str | None = None,
    ) -> Run:
        """Begin a run. ``run_id`` is the id it gets in the home's own store; a server chooses its own."""
        ...

    def run(self, run_id: str) -> Run: ...
    def update_run(
        self,
        run_id: str,
        *,
        status: RunStatus | None = None,
        end_time: int | None = None,
        name: str | None = None,
    ) -> RunInfo: ...
    def delete_run(self, run_id: str) -> None: ...
    def restore_run(self, run_id: str) -> None: ...
    def move_run(self, run_id: str, experiment_id: str) -> None: ...
    def find_runs(self, prefix: str) -> list[RunInfo]: ...
    def recent_runs(self, limit: int = 20, *, experiment_id: str | None = None) -> list[RunSummary]: ...
    def search_runs(
        self,
        experiment_ids: Sequence[str] | None = None,
        *,
        filter: str = "",
        order_by: Sequence[str] = (),
        max_results: int = 1000,
        page_token: str | None = None,
        view: View = ...,
    ) -> Page[Run]: ...

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Iterable[Param] = (),
        tags: Iterable[Tag] = (),
        *,
        origin: str = "client",
    ) -> None: ...
    def set_tag(self, run_id: str, key: str, value: str) -> None: ...
    def delete_tag(self, run_id: str, key: str) -> None: ...
    def log_inputs(
        self, run_id: str, datasets: Iterable[DatasetInput] = (), models: Iterable[ModelLink] = ()
    ) -> None: ...
    def log_outputs(self, run_id: str, models: Iterable[ModelLink]) -> None: ...
    def metric_history(
        self, run_id: str, key: str, *, max_results: int | None = None, page_token: str | None = None
    ) -> Page[Metric]: ...

    def artifact_location(self, run_id: str) -> str: ...
    def log_artifact(self, run_id: str, local: Path, path: str | None = None) -> None: ...
    def log_text(self, run_id: str, text: str, path: str) -> None: ...
    def list_artifacts(self, run_id: str, path: str = "") -> list[FileInfo]: ...
    def download_artifacts(self, run_id: str, path: str, destination: Path) -> Path: ...
    def download_from(self, uri: str, path: str, destination: Path) -> Path: ...
    def model_artifact_uri(self, name: str, version: str) -> str: ...
    def logged_model(self, model_id: str) -> LoggedModel: ...


def open_store(home: Home, uri: str | None = None) -> Store:
    """The store in ``home`` when ``uri`` is None, else the MLflow server at an http(s) address."""
    if uri is None:
        from bis.tracking.sql_store import open_sql_store  # sqlite3 only for the store in the home

        home.ensure()
        return open_sql_store(home.database, home.artifacts)
    if uri.startswith(("http://", "https://")):
        from bis.tracking.remote import RemoteStore  # http.client only for a remote store

        return RemoteStore(uri)
    raise TrackingError(
        f"bis cannot track to {uri.partition(':')[0] + '://...' if ':' in uri else uri!r}",
        hint="Unset MLFLOW_TRACKING_URI to track in BIS_HOME, or set it to the http(s) address of a server.",
    )


def open_callers_store(home: Home, *, notify: Callable[[str], None]) -> Store:
    """The server that ``MLFLOW_TRACKING_URI`` names, when it names one; else the store in ``home``."""
    uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri.startswith(("http://", "https://")):
        return open_store(home, uri)
    if uri:
        scheme, separator, rest = uri.partition("://")
        shown = scheme + separator + rest.rpartition("@")[2]  # the address of a database has its password
        notify(f"MLFLOW_TRACKING_URI={shown} is not a server: runs are kept in bis's own store")
    return open_store(home)
