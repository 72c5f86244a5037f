"""The orders in which real scripts call the tracking functions, with unmodified MLflow clients inside a run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from bis_command import Bis, write_project
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = """\
entry_points:
  main:
    parameters: {rate: {type: float, default: 0.10}, note: {default: "a b"}}
    command: "python main.py"
"""

RUN = "mlflow.log_metric('m', 1)"

ORDERS = {
    "nothing is started": (RUN, "Default"),
    "set_experiment when it has ended": (f"{RUN}; mlflow.end_run(); mlflow.set_experiment('x')", "Default"),
    "set_experiment within the run": (
        f"with mlflow.start_run():\n  mlflow.set_experiment('x')\n  {RUN}",
        "Default",
    ),
    "set_experiment twice": (
        f"mlflow.set_experiment('x'); mlflow.set_experiment('y'); mlflow.start_run(); {RUN}",
        "y",
    ),
    "the experiment that it is in": (
        f"mlflow.set_experiment('Default'); mlflow.start_run(); {RUN}",
        "Default",
    ),
    "the experiment by its id": (
        "mlflow.set_experiment('x'); i = mlflow.get_experiment_by_name('x').experiment_id\n"
        f"mlflow.start_run(experiment_id=i); {RUN}",
        "x",
    ),
    "create_experiment": (
        f"mlflow.create_experiment('x'); mlflow.set_experiment('x'); mlflow.start_run(); {RUN}",
        "x",
    ),
    "a search before the start": (
        f"mlflow.set_experiment('x'); mlflow.search_runs(); mlflow.start_run(); {RUN}",
        "x",
    ),
    "the run by the variable": (
        f"import os\nwith mlflow.start_run(run_id=os.environ['MLFLOW_RUN_ID']):\n  {RUN}",
        "Default",
    ),
    "the client alone": (
        "import os\nfrom mlflow.tracking import MlflowClient\n"
        "MlflowClient().log_metric(os.environ['MLFLOW_RUN_ID'], 'm', 1)",
        "Default",
    ),
    "a name for the run": (f"with mlflow.start_run(run_name='mine'):\n  {RUN}", "Default"),
    "parameters again": (
        "mlflow.start_run(); mlflow.log_params({'rate': 0.1, 'note': 'a b'})\n"
        f"mlflow.log_param('rate', '0.10'); {RUN}",
        "Default",
    ),
    "ended twice": (f"mlflow.start_run(); {RUN}; mlflow.end_run(); mlflow.end_run()", "Default"),
    "never ended": (f"import sys; mlflow.start_run(); {RUN}; sys.exit(0)", "Default"),
    "the tracking URI set to itself": (
        f"mlflow.set_tracking_uri(mlflow.get_tracking_uri()); mlflow.start_run(); {RUN}",
        "Default",
    ),
}


@pytest.mark.parametrize(("script", "experiment"), ORDERS.values(), ids=list(ORDERS))
@pytest.mark.parametrize("version", ["1.30.1", LATEST])
def test_the_metric_is_in_the_run_whatever_the_order(
    bis: Bis, tmp_path: Path, version: str, script: str, experiment: str
) -> None:
    document = run(bis, tmp_path, version, f"import mlflow\n{script}\n")
    assert document["metrics"] == {"m": 1.0}
    assert document["status"] == "FINISHED"
    (listed,) = bis("list", "--json").json
    assert (listed["run_id"], listed["experiment_name"]) == (document["run_id"], experiment)


def run(bis: Bis, directory: Path, version: str, script: str) -> Any:
    """The result of a script in an environment with this MLflow."""
    project = write_project(directory / "p", MLPROJECT, {"main.py": script})
    path = f"{client_python(version).parent}{os.pathsep}{os.environ['PATH']}"
    return bis.run_json(project, "--env-manager", "local", PATH=path)
