"""MLflow's own clients, unmodified, of each generation, against the server of a run."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking import RunStatus
from bis.tracking.sqlite import SqliteStore
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from bis.server.loopback import LoopbackServer

pytestmark = pytest.mark.slow
SCRIPTS = Path(__file__).with_name("clients")


def _run(script: str, version: str, server: LoopbackServer, directory: Path) -> Any:
    """Run a script with that MLflow; what it printed last, as JSON."""
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_TOKEN": server.token,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",  # a retry is a defect of the server here
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONIOENCODING": "utf-8",
    }
    done = subprocess.run(
        [client_python(version), SCRIPTS / f"{script}.py"],
        env=variables,
        cwd=directory,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("version", ["1.20.2", "1.30.1", "2.17.2", LATEST])
def test_the_fluent_interface(version: str, server: LoopbackServer, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    seen = _run("fluent", version, server, work)
    assert seen["version"] == version
    assert seen["figure"] in (True, None)
    assert seen["artifact_uri"].startswith("file:///" if version == "1.20.2" else "mlflow-artifacts:/1/")
    assert list(work.iterdir()) == []  # no ./mlruns beside the script
    server.stop()
    store = SqliteStore(tmp_path / "tracking.db", tmp_path / "artifacts")
    statuses = [run.info.status for run in store.search_runs().items]
    assert RunStatus.RUNNING not in statuses
    store.close()


@pytest.mark.parametrize("version", ["2.17.2", LATEST])
def test_models_and_autologging_of_scikit_learn(version: str, server: LoopbackServer, tmp_path: Path) -> None:
    seen = _run("sklearn_models", version, server, tmp_path)
    assert seen["version"] == version
    assert seen["artifacts"] >= 3
