"""MLflow's own clients, unmodified, with a token of ``bis tokens``."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from bis_server import serving
from mlflow_clients import CLIENTS, client_python

if TYPE_CHECKING:
    from pathlib import Path

    from bis_command import Bis

pytestmark = pytest.mark.slow

SCRIPT = """
import mlflow
with mlflow.start_run():
    mlflow.log_metric("m", 1)
    mlflow.log_text("a", "a.txt")
"""


# those before 1.24 cannot send files to a server
@pytest.mark.parametrize("version", [version for version in CLIENTS if version != "1.20.2"])
def test_a_client_sends_a_token_as_bearer_and_as_basic(bis: Bis, tmp_path: Path, version: str) -> None:
    writing, reading = (
        bis("tokens", "create", "--role", role, "--name", role).out.strip() for role in ("write", "read")
    )
    with serving(bis, "--auth") as served:
        bearer = _run(version, served.url, tmp_path, MLFLOW_TRACKING_TOKEN=writing)
        assert bearer.returncode == 0, bearer.stderr
        pair = {"MLFLOW_TRACKING_USERNAME": "alice", "MLFLOW_TRACKING_PASSWORD": writing}
        basic = _run(version, served.url, tmp_path, **pair)
        assert basic.returncode == 0, basic.stderr
        refused = _run(version, served.url, tmp_path, MLFLOW_TRACKING_TOKEN=reading)
        assert refused.returncode != 0
        assert "role write" in refused.stderr
        nobody = _run(version, served.url, tmp_path)
        assert nobody.returncode != 0
        assert served.end() == 0
    assert bis.statuses() == ["FINISHED", "FINISHED"]


def _run(version: str, url: str, directory: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    fixed = {
        "MLFLOW_TRACKING_URI": url,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "GIT_PYTHON_REFRESH": "quiet",
    }
    return subprocess.run(
        [client_python(version), "-c", SCRIPT],
        env={**kept, **fixed, **variables},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
