"""bis as a backend of MLflow's own: ``mlflow run -b bis`` and ``mlflow.run(backend="bis")``."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, write_project
from mlflow_clients import plugin_python, running_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

_MLPROJECT = """\
entry_points:
  main:
    parameters: {x: {type: float, default: 0.5}}
    command: "python main.py {x}"
  bad: {command: "exit 7"}
"""
_MAIN = """
import json, os, sys, urllib.request
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/log-metric"
body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "m", "value": float(sys.argv[1]), "timestamp": 1, "step": 0}
headers = {"Content-Type": "application/json"}
if os.environ.get("MLFLOW_TRACKING_TOKEN"):
    headers["Authorization"] = "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]
urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers))
"""
_LOOK = """
import json, sys
from mlflow.tracking import MlflowClient
client = MlflowClient()
runs = client.search_runs(["0"], order_by=["attributes.start_time ASC"])
print(json.dumps([[r.info.run_id, r.info.status, r.data.params, r.data.metrics, r.data.tags,
    [f.path for f in client.list_artifacts(r.info.run_id, "bis")]] for r in runs]))
"""
_CALL = """
import mlflow, sys
from mlflow.exceptions import ExecutionException
done = mlflow.run(sys.argv[1], parameters={"x": 0.25}, backend="bis", run_name="named")
print(done.get_status(), done.wait())
later = mlflow.projects.run(sys.argv[1], parameters={"x": 1}, backend="bis", synchronous=False)
print(later.wait(), later.get_status())
try:
    mlflow.run(sys.argv[1], "bad", backend="bis")
except ExecutionException as error:
    print("caught")
try:
    mlflow.run(sys.argv[1], "nope", backend="bis")
except ExecutionException as error:
    print(error)
"""


class _Mlflow:
    """MLflow with bis beside it, tracking to a place of its own."""

    def __init__(self, python: Path, bis: Bis, tracking_uri: str) -> None:
        self._python = python
        self._environ = bis.environ(
            MLFLOW_TRACKING_URI=tracking_uri, PATH=f"{python.parent}{os.pathsep}{os.environ['PATH']}"
        )
        self._cwd = bis.cwd

    def __call__(self, *words: str, script: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self._python.with_name("mlflow")), *words]
        if script is not None:
            command = [str(self._python), "-c", script, *words]
        return subprocess.run(
            command, env=self._environ, cwd=self._cwd, capture_output=True, text=True, check=False
        )


def _assert_recorded(mlflow: _Mlflow) -> None:
    """The runs of ``_CALL``, as MLflow itself has them."""
    import json

    looked = mlflow(script=_LOOK)
    assert looked.returncode == 0, looked.stderr
    named, later, bad, nope = json.loads(looked.stdout.splitlines()[-1])
    assert [run[1] for run in (named, later, bad, nope)] == ["FINISHED", "FINISHED", "FAILED", "FAILED"]
    assert (named[2], named[3], later[3]) == ({"x": "0.25"}, {"m": 0.25}, {"m": 1.0})
    tags = named[4]
    assert (tags["mlflow.project.backend"], tags["mlflow.project.entryPoint"]) == ("bis", "main")
    assert tags["mlflow.runName"] == "named"
    assert "bis.planDigest" in tags
    assert {"bis/plan.json", "bis/record.json", "bis/output.log"} <= set(named[5])


@pytest.mark.parametrize("version", ["2.22.1", "3.17.2"])
def test_a_project_runs_and_is_recorded_in_mlflows_database(bis: Bis, tmp_path: Path, version: str) -> None:
    project = write_project(tmp_path / "project", _MLPROJECT, {"main.py": _MAIN})
    mlflow = _Mlflow(plugin_python(version), bis, f"sqlite:///{tmp_path}/mlflow.db")
    called = mlflow(str(project), script=_CALL)
    assert called.returncode == 0, called.stderr
    assert called.stdout.splitlines()[:3] == ["FINISHED True", "True FINISHED", "caught"]
    assert "there is no entry point 'nope'" in called.stdout
    _assert_recorded(mlflow)


def test_a_project_runs_and_is_recorded_on_mlflows_server(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _MLPROJECT, {"main.py": _MAIN})
    with running_server("3.17.2", tmp_path) as url:
        mlflow = _Mlflow(plugin_python("3.17.2"), bis, url)
        called = mlflow(str(project), script=_CALL)
        assert called.returncode == 0, called.stderr
        _assert_recorded(mlflow)


def test_the_command_waits_and_says_how_it_ended(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _MLPROJECT, {"main.py": _MAIN})
    mlflow = _Mlflow(plugin_python("3.17.2"), bis, f"sqlite:///{tmp_path}/mlflow.db")
    assert mlflow("run", str(project), "-b", "bis", "-P", "x=2").returncode == 0
    failed = mlflow("run", str(project), "-b", "bis", "-e", "bad")
    assert failed.returncode == 1
    assert "failed" in failed.stderr


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ('{"sed": 3}', "has 'sed', which bis does not know. Did you mean 'seed'?"),
        ('{"seed": "x"}', "'seed' of the backend configuration is 'x': it must be int"),
        ('{"timeout_s": true}', "it must be int or float"),
    ],
)
def test_a_mistake_in_the_backend_configuration_is_found_before_a_run_is_made(
    bis: Bis, tmp_path: Path, config: str, said: str
) -> None:
    project = write_project(tmp_path / "project", _MLPROJECT, {"main.py": _MAIN})
    mlflow = _Mlflow(plugin_python("3.17.2"), bis, f"sqlite:///{tmp_path}/mlflow.db")
    refused = mlflow("run", str(project), "-b", "bis", "-c", config)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert mlflow(script=_LOOK).stdout.splitlines()[-1] == "[]"
