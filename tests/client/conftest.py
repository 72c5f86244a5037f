"""A server as bis starts it for a run, and scripts that log to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

import bis.client
from bis.execution.variables import PROBE
from bis.home import Home
from bis.server.loopback import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = Path(bis.client.__file__).parent
LIMIT_S = 60
PLAIN = str(getattr(sys, "_base_executable", sys.executable))
"""A Python without bis: that of the tests has it installed."""


@dataclass(frozen=True)
class Tracked:
    """What a server has, asked without the client; and the variables of a script that logs to it."""

    url: str
    token: str
    directory: Path

    def ask(self, endpoint: str, body: dict[str, Any] | None = None, **query: object) -> Any:
        """The answer of MLflow's protocol."""
        request = urllib.request.Request(
            f"{self.url}/api/2.0/mlflow/{endpoint}?{urlencode(query)}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=LIMIT_S) as reply:
            return json.load(reply)

    def new_run(self) -> str:
        """A run that bis would have begun."""
        made = self.ask("runs/create", {"experiment_id": "0", "start_time": 1})
        return str(made["run"]["info"]["run_id"])

    def run(self, run_id: str) -> Any:
        """What the server tells of a run: info, and data with pairs as dictionaries."""
        run = self.ask("runs/get", run_id=run_id)["run"]
        data = {
            kind: {one["key"]: one.get("value") for one in run.get("data", {}).get(kind, ())}
            for kind in ("metrics", "params", "tags")
        }
        return {"info": run["info"], **data}

    def runs(self) -> list[Any]:
        """Every run, the oldest first."""
        found = self.ask("runs/search", {"experiment_ids": ["0"], "order_by": ["start_time"]}).get("runs", [])
        return [self.run(one["info"]["run_id"]) for one in found]

    def history(self, run_id: str, key: str) -> list[float]:
        """The values of a metric, by step and time."""
        found: list[float] = []
        query: dict[str, Any] = {"run_id": run_id, "metric_key": key, "max_results": 25_000}
        while True:
            answer = self.ask("metrics/get-history", None, **query)
            found += [float(one.get("value", 0)) for one in answer.get("metrics", [])]
            if not answer.get("next_page_token"):
                return found
            query["page_token"] = answer["next_page_token"]

    def artifact(self, run: Any, path: str) -> bytes:
        """The content of an artifact."""
        root = str(run["info"]["artifact_uri"]).removeprefix("mlflow-artifacts:/")
        return (self.directory / "artifacts" / root / path).read_bytes()

    def environ(self, *, run_id: str | None = None, **more: str) -> dict[str, str]:
        """With ``run_id``, those of a script under ``bis run``; else of any script, beside the client."""
        steering = ("MLFLOW_", "BIS_", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "NO_PROXY", "no_proxy")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(steering)}
        variables = {"MLFLOW_TRACKING_URI": self.url, "MLFLOW_TRACKING_TOKEN": self.token}
        if run_id is None:
            variables["PYTHONPATH"] = str(self.beside())
        else:
            variables.update(PYTHONPATH=str(PROBE), BIS_RUN_ID=run_id, BIS_TRACKING_URI=self.url)
            variables.update(MLFLOW_RUN_ID=run_id, MLFLOW_EXPERIMENT_ID="0")
        return {**kept, **variables, "NO_PROXY": "127.0.0.1", **more}

    def beside(self) -> Path:
        """A folder with the client as the package ``bis``, and nothing else of it."""
        package = self.directory / "site" / "bis"
        if not package.exists():
            package.mkdir(parents=True)
            (package / "__init__.py").write_bytes((PROBE / "bis_light.py").read_bytes())
            (package / "client").symlink_to(CLIENT)
        return package.parent

    def start(
        self, code: str, *, python: str | Path = PLAIN, run_id: str | None = None, **more: str
    ) -> subprocess.Popen[str]:
        """Start a script that logs here."""
        script = self.directory / "script.py"
        script.write_text(textwrap.dedent(code))
        return subprocess.Popen(
            [python, str(script)],
            env=self.environ(run_id=run_id, **more),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def script(
        self,
        code: str,
        *,
        python: str | Path = PLAIN,
        run_id: str | None = None,
        status: int = 0,
        **more: str,
    ) -> tuple[str, str]:
        """Run a script to its end; returns what it printed and what it said."""
        process = self.start(code, python=python, run_id=run_id, **more)
        try:
            out, err = process.communicate(timeout=LIMIT_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        assert process.returncode == status, err
        return out.strip(), err.strip()


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[Tracked]:
    """A server of bis with an empty store."""
    home = Home(tmp_path)
    with LoopbackServer(home.database, home.artifacts) as server:
        yield Tracked(server.url, server.token, tmp_path)
