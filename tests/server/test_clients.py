"""MLflow's own clients, unmodified, of each generation, against the server of a run, and against
``bis server``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking import RunStatus
from bis.tracking.sql_store import open_sql_store
from bis_server import serving
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from bis.server.loopback import LoopbackServer
    from bis_command import Bis
    from postgres_server import PostgresServer
    from raw_http import Server

pytestmark = pytest.mark.slow
SCRIPTS = Path(__file__).with_name("clients")


GENERATIONS = ("1.30.1", "2.17.2", "2.22.1", LATEST)


WITH_PROMPTS = ("2.22.1", LATEST)
ELSEWHERE = re.compile(
    r"trac(e|ing)|span|assessment|feedback|expectation|issue|session|mlflow\.context"  # of traces: not served
    r"|mcp|workspace|webhook|dataset"  # not served; a dataset here is one of evaluations, not an input of a run
    r"|login|doctor|mlflow\.test|telemetry|validate_evaluation"  # ask no tracking server
    r"|import_checkpoints|search_prompt_versions|databricks"  # of Databricks alone
    r"|detach_prompt_from_run"  # of 2.x, and called there: 3.x sets no tag any more that it looks for
)
"""Functions that have no endpoint among those of the groups (i) to (v) of issue 4."""


def _run(script: str, version: str, server: Server, directory: Path, *, boosting: bool = False) -> Any:
    """Run a script with that MLflow; what it printed last, as JSON."""
    python = client_python(version, boosting=boosting)
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",  # projects call python
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a retry is a defect of the server here
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
        "PYTHONIOENCODING": "utf-8",
        **({"MLFLOW_TRACKING_TOKEN": server.token} if server.token else {}),
    }
    done = subprocess.run(
        [python, SCRIPTS / f"{script}.py"],
        env=variables,
        cwd=directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-1000:]}{done.stderr[-4000:]}"
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["version"] == version
    return seen


@pytest.mark.parametrize("version", ["1.20.2", *GENERATIONS])
def test_the_fluent_interface(version: str, server: LoopbackServer, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    seen = _run("fluent", version, server, work)
    assert seen["figure"] in (True, None)
    assert seen["artifact_uri"].startswith("file:///" if version == "1.20.2" else "mlflow-artifacts:/1/")
    assert list(work.iterdir()) == []  # no ./mlruns beside the script
    server.stop()
    store = open_sql_store(tmp_path / "tracking.db", tmp_path / "artifacts")
    statuses = [run.info.status for run in store.search_runs().items]
    assert RunStatus.RUNNING not in statuses
    store.close()


@pytest.mark.parametrize("version", GENERATIONS)
def test_every_function_that_mlflow_has_is_called(version: str, bis: Bis, tmp_path: Path) -> None:
    """The functions of ``mlflow``, ``mlflow.artifacts`` and ``MlflowClient``, as that version itself lists them."""
    scripts = ("client", "registry", *(["prompts"] if version in WITH_PROMPTS else []))
    seen = []
    for script in scripts:
        with serving(bis, BIS_HOME=str(tmp_path / script)) as served:
            seen.append(_run(script, version, served, tmp_path))
    called = {name for one in seen for name in one["called"]}
    assert len(called) > 90
    assert [name for name in seen[0]["public"] if name not in called and not ELSEWHERE.search(name)] == []


@pytest.mark.parametrize("version", ["1.20.2", *GENERATIONS])
def test_a_client_with_a_wrong_token_says_so(version: str, server: LoopbackServer, tmp_path: Path) -> None:
    """Clients of 1.x raise ValueError for an error code that their version does not know."""
    script = "from mlflow.tracking import MlflowClient; MlflowClient().get_run('a')"
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_TOKEN": "wrong",
    }
    done = subprocess.run(
        [client_python(version), "-c", script],
        env=variables,
        cwd=tmp_path,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    last = done.stderr.splitlines()[-1]
    assert last.endswith("RestException: CUSTOMER_UNAUTHORIZED: The token is missing or wrong.")


@pytest.mark.parametrize("version", GENERATIONS)
def test_autologging_of_three_libraries(version: str, bis: Bis, tmp_path: Path) -> None:
    with serving(bis) as served:
        _run("boosting", version, served, tmp_path, boosting=True)


@pytest.mark.parametrize("script", ["client", "registry", "prompts"])
def test_a_store_in_postgresql(script: str, postgres: PostgresServer, bis: Bis, tmp_path: Path) -> None:
    with serving(bis, "--store", postgres.new_database()) as served:
        _run(script, LATEST, served, tmp_path)


@pytest.mark.parametrize("version", ["2.17.2", LATEST])
def test_models_and_autologging_of_scikit_learn(version: str, server: LoopbackServer, tmp_path: Path) -> None:
    seen = _run("sklearn_models", version, server, tmp_path)
    assert seen["artifacts"] >= 3
