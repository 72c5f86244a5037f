"""Unmodified MLflow clients of several versions inside a run: what MLflow itself breaks on, and what bis says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

import bis as bis_package
from bis_command import Bis, Result, write_project
from mlflow_clients import CLIENTS, LATEST, client_python, running_server

MLPROJECT = """\
name: tracked
entry_points:
  main:
    parameters:
      rate: {type: float, default: "0.10"}
      note: {type: str, default: "two words; $HOME"}
    command: "python main.py {rate} {note}"
"""


def run(bis: Bis, project: Path, version: str, *words: str, **variables: str) -> Result:
    """Run a project in an environment that has this MLflow."""
    words = ("--env-manager", "local", "--json", *words)
    return bis("run", project, *words, PATH=client_path(version), **variables)


def client_path(version: str) -> str:
    """PATH with the Python first that has this MLflow."""
    return f"{client_python(version).parent}{os.pathsep}{os.environ['PATH']}"


def artifact_directory(document: dict[str, str]) -> Path:
    """The directory that ``artifact_uri`` of a result names."""
    return Path(unquote(urlsplit(document["artifact_uri"]).path))


@pytest.fixture(params=list(CLIENTS))
def version(request: pytest.FixtureRequest) -> str:
    """An MLflow version."""
    return str(request.param)


def test_a_script_logs_into_its_run_and_nested_ones(bis: Bis, tmp_path: Path, version: str) -> None:
    project = write_project(
        tmp_path / "p",
        MLPROJECT,
        {
            "main.py": """
import sys, mlflow
with mlflow.start_run() as parent:
    mlflow.log_param("rate", float(sys.argv[1]))  # 0.1, where the project says 0.10
    mlflow.log_param("note", sys.argv[2])
    mlflow.log_metric("accuracy", 0.5, step=1)
    mlflow.log_metric("accuracy", 0.75, step=2)
    mlflow.set_tag("kind", "test")
    with open("out.txt", "w") as f:
        f.write("content")
    mlflow.log_artifact("out.txt", "files")
    for depth in (1, 2):
        with mlflow.start_run(nested=True):
            mlflow.log_param("depth", depth)
            mlflow.log_metric("loss", depth)
"""
        },
    )
    result = run(bis, project, version)
    assert result.status == 0, result.err
    document = result.json
    assert document["parameters"] == {"rate": "0.10", "note": "two words; $HOME"}
    assert document["metrics"] == {"accuracy": 0.75}
    assert "View run" not in result.err  # the address is gone when the run has ended
    assert document["tags"]["kind"] == "test"
    assert (artifact_directory(document) / "files" / "out.txt").read_text() == "content"
    runs = bis("list", "--json").json
    children = [r for r in runs if r["tags"].get("mlflow.parentRunId") == document["run_id"]]
    assert len(runs) == 3
    assert [child["status"] for child in children] == ["FINISHED", "FINISHED"]


def test_set_experiment_before_start_run_moves_the_run(bis: Bis, tmp_path: Path, version: str) -> None:
    project = write_project(
        tmp_path / "p",
        MLPROJECT,
        {
            "main.py": """
import mlflow
mlflow.set_experiment("forests")
with mlflow.start_run():
    mlflow.log_metric("accuracy", 0.5)
    mlflow.log_text("kept", "note.txt") if hasattr(mlflow, "log_text") else None
with mlflow.start_run():
    mlflow.log_metric("second", 1)
"""
        },
    )
    result = run(bis, project, version)
    assert result.status == 0, result.err
    assert "bis: set_experiment('forests'): the run was moved to that experiment" in result.err
    document = result.json
    assert document["metrics"] == {"accuracy": 0.5}
    runs = bis("list", "--json").json
    assert {r["experiment_name"] for r in runs} == {"forests"}
    shown = bis("show", document["run_id"], "--json").json
    assert {"bis/plan.json", "bis/record.json", "bis/output.log"} <= set(shown["artifacts"])


def test_a_tracking_uri_in_the_script_does_not_lead_away(bis: Bis, tmp_path: Path, version: str) -> None:
    project = write_project(
        tmp_path / "p",
        MLPROJECT,
        {
            "main.py": """
import mlflow
mlflow.set_tracking_uri("http://user:s3cret@tracking.example:5000")
with mlflow.start_run():
    mlflow.log_metric("accuracy", 0.5)
"""
        },
    )
    result = run(bis, project, version)
    assert result.status == 0, result.err
    assert result.json["metrics"] == {"accuracy": 0.5}
    assert "set_tracking_uri('http://tracking.example:5000') has no effect here" in result.err
    assert "s3cret" not in result.err


def test_another_value_for_a_parameter_is_still_an_error(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p", MLPROJECT, {"main.py": "import mlflow\nmlflow.log_param('rate', 0.2)\n"}
    )
    result = run(bis, project, LATEST)
    assert result.status == 1
    assert result.json["status"] == "FAILED"
    assert "Changing param values is not allowed" in result.err


def test_autolog_with_set_experiment_records_its_metrics(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        MLPROJECT,
        {
            "main.py": """
import mlflow, numpy
from sklearn.linear_model import LogisticRegression
mlflow.set_experiment("auto")
mlflow.sklearn.autolog(log_models=False)
x = numpy.arange(40).reshape(20, 2)
LogisticRegression().fit(x, [0, 1] * 10)
"""
        },
    )
    result = run(bis, project, LATEST)
    assert result.status == 0, result.err
    assert "training_accuracy_score" in result.json["metrics"]
    assert [r["experiment_name"] for r in bis("list", "--json").json] == ["auto"]


def test_a_status_that_the_script_sets_is_kept(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        MLPROJECT,
        {"main.py": "import mlflow\nmlflow.start_run()\nmlflow.end_run('KILLED')\n"},
    )
    result = run(bis, project, LATEST)
    assert (result.status, result.json["status"]) == (0, "KILLED")


def test_proxies_and_credentials_of_the_caller_do_not_get_between(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p", MLPROJECT, {"main.py": "import mlflow\nmlflow.log_metric('accuracy', 1)\n"}
    )
    result = run(
        bis,
        project,
        LATEST,
        HTTP_PROXY="http://127.0.0.1:9",
        http_proxy="http://127.0.0.1:9",
        MLFLOW_TRACKING_USERNAME="someone",
        MLFLOW_TRACKING_PASSWORD="secret",
    )
    assert result.status == 0, result.err
    assert result.json["metrics"] == {"accuracy": 1.0}


def test_the_password_of_a_database_is_not_shown(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "entry_points: {main: {command: echo}}")
    result = bis("run", project, MLFLOW_TRACKING_URI="postgresql://someone:s3cret@host/runs")
    assert "MLFLOW_TRACKING_URI=postgresql://host/runs is not a server" in result.err
    assert "s3cret" not in result.err + bis("show", "--json").out


def test_a_server_that_does_not_answer_is_one_clear_error(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "entry_points: {main: {command: echo}}")
    result = bis("run", project, MLFLOW_TRACKING_URI="http://someone:s3cret@127.0.0.1:9")
    assert result.status == 2
    assert "the tracking server at http://127.0.0.1:9 does not answer: Connection refused" in result.err


def test_a_uri_that_is_no_server_is_said_and_not_used(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p", MLPROJECT, {"main.py": "import mlflow\nmlflow.log_metric('accuracy', 1)\n"}
    )
    result = run(bis, project, LATEST, MLFLOW_TRACKING_URI="sqlite:///somewhere.db")
    assert result.json["metrics"] == {"accuracy": 1.0}
    assert "is not a server" in result.err
    assert not list(tmp_path.rglob("somewhere.db"))


@pytest.mark.slow
def test_runs_are_recorded_on_a_server_of_mlflow_s_own(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        MLPROJECT,
        {
            "main.py": """
import sys, mlflow
mlflow.set_experiment("elsewhere")
with mlflow.start_run():
    mlflow.log_param("rate", float(sys.argv[1]))
    mlflow.log_metric("accuracy", 0.5)
    mlflow.log_text("text", "note.txt")
"""
        },
    )
    (tmp_path / "server").mkdir()
    with running_server(LATEST, tmp_path / "server") as address:
        result = run(bis, project, LATEST, MLFLOW_TRACKING_URI=address)
        assert result.status == 0, result.err
        document = result.json
        assert document["parameters"] == {"rate": "0.1", "note": "two words; $HOME"}
        assert document["metrics"] == {"accuracy": 0.5}
        assert "this tracking server cannot move a run" in result.err
        shown = bis("show", document["run_id"][:8], "--json", MLFLOW_TRACKING_URI=address).json
        assert {"bis/plan.json", "bis/record.json", "bis/output.log", "note.txt"} <= set(shown["artifacts"])
        assert "cannot move" in bis("logs", "latest", MLFLOW_TRACKING_URI=address).out
        assert bis("list", "--json").json == []  # nothing in the home
        shutil.rmtree(bis.home)
        shutil.rmtree(project)
        again = bis("rerun", document["run_id"], MLFLOW_TRACKING_URI=address, PATH=client_path(LATEST))
        assert again.status == 0, again.out + again.err
        assert again.out.startswith("IDENTICAL")


@pytest.mark.slow
def test_a_run_within_a_run_of_mlflow_s_has_it_as_its_parent(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", "entry_points: {main: {command: echo inner}}")
    code = (
        "import bis, mlflow, sys\n"
        "with mlflow.start_run() as outer:\n"
        "    inner = bis.run(sys.argv[1], env_manager='local')\n"
        "print(outer.info.run_id, inner.result.run.tags.get('mlflow.parentRunId'))\n"
    )
    package = Path(bis_package.__file__).parent.parent
    (tmp_path / "server").mkdir()
    with running_server(LATEST, tmp_path / "server") as address:
        variables = bis.environ(
            MLFLOW_TRACKING_URI=address, PYTHONPATH=str(package), PATH=client_path(LATEST)
        )
        answer = subprocess.run(
            [client_python(LATEST), "-c", code, project],
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
    assert answer.returncode == 0, answer.stderr
    outer, parent = answer.stdout.splitlines()[-1].split()
    assert outer == parent
