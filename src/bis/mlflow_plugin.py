"""bis as a backend of MLflow's own command: ``mlflow run -b bis`` and ``mlflow.run(backend="bis")``.

MLflow finds it by the entry point group ``mlflow.project_backend``; nothing else imports it, since it imports mlflow.
The run is executed by a bis of its own process. With a tracking server it is recorded there, as the run that this
module has made. Where MLflow tracks to files or a database, bis records in its own store, and what came out is copied
into MLflow's run when it has ended.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow.entities import Metric, Param, RunStatus, RunTag
from mlflow.exceptions import ExecutionException
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun
from mlflow.tracking import MlflowClient
from mlflow.tracking.fluent import active_run

from bis.errors import did_you_mean
from bis.execution.enclosing import boot_command
from bis.execution.variables import PROBE
from bis.tracking.tags import PARENT

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping
    from types import ModuleType

_CHOSEN: Mapping[str, tuple[type, ...]] = {
    "seed": (int,),
    "level": (str,),
    "reuse": (bool, str),
    "as_of": (str,),
    "timeout_s": (int, float),
    "upgrade": (bool,),
    "locked": (bool,),
    "env_file": (str,),
    "tags": (dict,),
}
"""Keys of a backend configuration that are options of ``bis.run``, and the types that they take."""
_OF_MLFLOW = ("build_image", "docker_auth")
"""Keys that MLflow puts there itself, beside those in capitals or with a ``_`` before them."""
_MLFLOWS_OWN = ("mlflow.user", "mlflow.runName", PARENT)
"""Tags that MLflow's run has of its own."""
_AT_ONCE = 100
"""MLflow takes so many parameters or tags in one batch."""


class BisBackend(AbstractBackend):  # type: ignore[misc]
    """Runs a project with bis."""

    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any] | None,
        version: str | None,
        backend_config: Mapping[str, Any] | None,
        tracking_uri: str,
        experiment_id: str,
    ) -> BisSubmittedRun:
        """Start the run; raises ExecutionException when bis refuses it, and leaves no run RUNNING then."""
        config = dict(backend_config or {})
        _check(config)
        client = MlflowClient(tracking_uri)
        run_id = client.create_run(experiment_id, tags=_tags(project_uri, entry_point, version)).info.run_id
        is_server = tracking_uri.startswith(("http://", "https://"))
        request = {
            **_nested()._DEFAULTS,
            **{name: config[name] for name in _CHOSEN if config.get(name) is not None},
            "tags": {**(config.get("tags") or {}), "mlflow.project.backend": "bis"},
            "uri": os.fspath(project_uri),
            "entry_point": entry_point,
            "version": version,
            "parameters": dict(params or {}),
            "env_manager": config.get("ENV_MANAGER"),
            "storage_dir": config.get("STORAGE_DIR"),
            "docker_args": config.get("DOCKER_ARGS"),
            "build_image": bool(config.get("build_image")),
            "docker_auth": config.get("docker_auth"),
            "run_id": run_id if is_server else None,
        }
        try:
            submitted = BisSubmittedRun(client, run_id, request, tracking_uri if is_server else None)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        if config.get("SYNCHRONOUS") is False and _is_command_line():
            _wait(submitted)  # the command would end now, and say that all went well
        return submitted


class BisSubmittedRun(SubmittedRun):  # type: ignore[misc]
    """A run that bis executes. MLflow's run has its end, its parameters and its results when ``wait`` returns."""

    def __init__(
        self, client: MlflowClient, run_id: str, request: dict[str, Any], server: str | None
    ) -> None:
        super().__init__()
        self._client = client
        self._run_id = run_id
        self._is_copied = server is None
        self._run = _nested().start_alone(request, boot_command(), _variables(server))
        self._copied = threading.Thread(target=self._end, name=f"bis-{run_id[:8]}")
        self._copied.start()

    @property
    def run_id(self) -> str:
        """The id of MLflow's run."""
        return self._run_id

    def wait(self) -> bool:
        """Block until it has ended and is recorded; True when it finished well."""
        self._copied.join()
        return self.get_status() == "FINISHED"

    def get_status(self) -> str:
        """``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``, MLflow's own words."""
        if self._copied.is_alive():
            return str(RunStatus.to_string(RunStatus.RUNNING))
        return str(self._run.status)

    def cancel(self) -> None:
        """End it with all that it has started."""
        self._run.cancel()
        self._copied.join()

    def _end(self) -> None:
        """Wait for the run, and bring what came of it into MLflow's store."""
        self._run.wait()
        if self._run.error is not None:
            sys.stderr.write(f"bis: {self._run.error}\n")  # MLflow says only that the run has failed
        try:
            if self._is_copied:
                self._copy()
        finally:
            with contextlib.suppress(Exception):  # whoever waits is told the status in any case
                self._client.set_terminated(self._run_id, self._run.status)

    def _copy(self) -> None:
        from bis.home import Home
        from bis.tracking import open_store

        with contextlib.closing(open_store(Home.locate())) as store:
            run = store.run(self._run.run_id)
            tags = {key: text for key, text in run.tags.items() if key not in _MLFLOWS_OWN}
            params = [Param(key, text) for key, text in run.params.items()]
            words = [RunTag(key, text) for key, text in {**tags, "bis.runId": self._run.run_id}.items()]
            for start in range(0, max(len(params), len(words)), _AT_ONCE):
                part = slice(start, start + _AT_ONCE)
                self._client.log_batch(self._run_id, params=params[part], tags=words[part])
            for metric in run.metrics:
                self._copy_history(store.metric_history(run.info.run_id, metric.key).items)
            with tempfile.TemporaryDirectory() as directory:
                here = store.download_artifacts(run.info.run_id, "", Path(directory))
                self._client.log_artifacts(self._run_id, str(here))

    def _copy_history(self, points: Any) -> None:
        metrics = [Metric(point.key, point.value, point.timestamp, point.step) for point in points]
        for start in range(0, len(metrics), 1000):
            self._client.log_batch(self._run_id, metrics=metrics[start : start + 1000])


def _check(config: Mapping[str, Any]) -> None:
    """Raise ExecutionException for a key that bis does not know, or a value of another type."""
    for name, value in config.items():
        if name.isupper() or name.startswith("_") or name in _OF_MLFLOW:
            continue
        if name not in _CHOSEN:
            hint = did_you_mean(name, _CHOSEN) or f"It may have: {', '.join(_CHOSEN)}."
            raise ExecutionException(
                f"the backend configuration has {name!r}, which bis does not know. {hint}"
            )
        types = _CHOSEN[name]
        if value is not None and (not isinstance(value, types) or isinstance(value, bool) > (bool in types)):
            wanted = " or ".join(each.__name__ for each in types)
            raise ExecutionException(
                f"{name!r} of the backend configuration is {value!r}: it must be {wanted}"
            )


def _wait(submitted: BisSubmittedRun) -> None:
    try:
        is_well = submitted.wait()
    except KeyboardInterrupt:
        submitted.cancel()
        raise
    if not is_well:
        raise ExecutionException(f"Run (ID '{submitted.run_id}') failed")


def _is_command_line() -> bool:
    """Whether ``mlflow run`` has called: it waits for no backend of others."""
    click = sys.modules.get("click")
    context = None if click is None else click.get_current_context(silent=True)
    return context is not None and context.info_name == "run"


def _tags(uri: str, entry_point: str, version: str | None) -> dict[str, str]:
    active = active_run()
    found = {
        "mlflow.source.name": os.fspath(uri),
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": entry_point,
        "mlflow.project.version": version,
        PARENT: None if active is None else active.info.run_id,
    }
    return {key: text for key, text in found.items() if text}


def _variables(server: str | None) -> MutableMapping[str, str]:
    """The variables for bis: on which server to record, if on any."""
    environ = {name: text for name, text in os.environ.items() if not name.startswith("MLFLOW_RUN_ID")}
    environ.pop("MLFLOW_TRACKING_URI", None)
    if server is not None:
        environ["MLFLOW_TRACKING_URI"] = server
    return environ


def _nested() -> ModuleType:
    """The half of the probe that starts runs: this process is a script to bis as any other."""
    import importlib

    folder = str(PROBE)
    sys.path.insert(0, folder)
    try:
        return importlib.import_module("bis_nested")
    finally:
        sys.path.remove(folder)


__all__ = ["BisBackend", "BisSubmittedRun"]
