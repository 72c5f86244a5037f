"""``bis.run`` from Python."""

from __future__ import annotations

import inspect
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

import bis
from bis.errors import ParameterError, ProjectError, RunFailedError, SourceError, UsageError
from bis_command import await_file, write_project
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = """\
name: api
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
    command: "echo {alpha}"
  fail: {command: "exit 3"}
  wait: {command: "echo $$ > started; sleep 600"}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BIS_HOME", str(tmp_path / "home"))
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "BIS_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    return write_project(tmp_path / "project", MLPROJECT)


def test_a_run_gives_its_result(project: Path) -> None:
    run = bis.run(str(project), parameters={"alpha": 0.7}, run_name="named", tags={"team": "blue"})
    assert len(run.run_id) == 32
    assert (run.status, run.get_status(), run.exit_code, run.wait()) == ("FINISHED", "FINISHED", 0, True)
    assert run.parameters == {"alpha": "0.7"}
    assert run.metrics == {}
    assert isinstance(run, bis.ProjectRun)
    assert run.result.run.info.name == "named"
    assert run.result.run.tags["team"] == "blue"


def test_it_takes_what_mlflow_takes_in_the_same_places() -> None:
    code = "import inspect, mlflow.projects; print(list(inspect.signature(mlflow.projects.run).parameters))"
    answer = subprocess.run(
        [client_python(LATEST), "-c", code], capture_output=True, text=True, check=True
    ).stdout
    theirs = eval(answer.splitlines()[-1])  # a list of names, printed by our own line
    ours = list(inspect.signature(bis.run).parameters)
    assert ours[: len(theirs)] == theirs


def test_a_failed_run_is_an_error_that_says_where_to_look(project: Path) -> None:
    with pytest.raises(RunFailedError, match=r"exit code 3(.|\n)*bis logs [0-9a-f]{8}"):
        bis.run(str(project), entry_point="fail")


def test_an_asynchronous_run_goes_on_while_the_caller_does(project: Path) -> None:
    run = bis.run(str(project), synchronous=False)
    assert run.wait()
    assert run.status == "FINISHED"
    failed = bis.run(str(project), entry_point="fail", synchronous=False)
    assert not failed.wait()
    assert (failed.status, failed.exit_code) == ("FAILED", 3)


def test_an_asynchronous_run_can_be_cancelled(project: Path) -> None:
    run = bis.run(str(project), entry_point="wait", synchronous=False)
    await_file(project / "started")
    assert run.status == "RUNNING"
    assert isinstance(run, bis.ProjectRun)
    assert run.outcome is None
    run.cancel()
    assert run.status == "KILLED"
    assert not run.wait()
    run.cancel()  # of a run that has ended: nothing


def test_several_run_at_once_in_one_process(project: Path) -> None:
    started = time.monotonic()
    runs = [bis.run(str(project), parameters={"alpha": i}, synchronous=False) for i in range(3)]
    assert all(run.wait() for run in runs)
    assert [run.parameters for run in runs] == [{"alpha": str(i)} for i in range(3)]
    assert time.monotonic() - started < 60


def test_the_interpreter_waits_for_a_run_before_it_exits(project: Path, tmp_path: Path) -> None:
    code = (
        "import bis; run = bis.run({!r}, entry_point='short', synchronous=False); print(run.status)"
    ).format(
        str(
            write_project(
                tmp_path / "slow", "entry_points: {short: {command: 'sleep 0.5; echo end > ended'}}"
            )
        )
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "RUNNING\n"
    assert (tmp_path / "slow" / "ended").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"entry_point": "mian"}, ProjectError, "Did you mean 'main'"),
        ({"parameters": {"alpha": "much"}}, ParameterError, "alpha"),
        ({"backend": "locl"}, UsageError, "Did you mean 'local'"),
        ({"env_manager": "uvv"}, UsageError, "uv"),
        ({"version": "v1"}, SourceError, "v1"),
        ({"docker_args": {"--gpus": "all"}}, UsageError, "dashes"),
        ({"backend_config": "{"}, UsageError, "JSON"),
        ({"experiment_name": "a", "experiment_id": "0"}, UsageError, "not both"),
        ({"as_of": "soon"}, UsageError, "soon"),
        ({"timeout_s": -1.0}, UsageError, "time"),
        ({"env_file": "/nowhere/x.env"}, UsageError, "x.env"),
    ],
)
def test_mistakes_are_errors_with_a_way_out(
    project: Path, arguments: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as caught:
        bis.run(str(project), **arguments)  # type: ignore[arg-type]
    assert words in str(caught.value)


def test_the_backends_configuration_of_the_caller_is_not_changed(project: Path) -> None:
    config = {"key": "value"}
    bis.run(str(project), backend_config=config)
    assert config == {"key": "value"}


def test_the_import_is_light() -> None:
    code = "import sys, bis; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    heavy = {
        "asyncio",
        "uvicorn",
        "sqlite3",
        "yaml",
        "rich",
        "argparse",
        "urllib.request",
        "http",
        "packaging",
    }
    assert heavy.isdisjoint(modules)
    assert {name for name in modules if name.startswith("bis")} == {"bis", "bis._version"}
