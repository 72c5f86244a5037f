"""``python train.py`` with bis installed, and no server: the store of the home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import bis

if TYPE_CHECKING:
    from bis_command import Bis

SOURCE = str(Path(bis.__file__).parents[1])


def script(bis: Bis, code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = bis.environ(PYTHONPATH=SOURCE, **variables)
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=bis.cwd,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_script_logs_to_the_home(bis: Bis) -> None:
    done = script(
        bis, "import bis\nwith bis.start_run() as run:\n    bis.log_metric('m', 2)\nprint(run.info.run_id)"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert bis("show", done.stdout.strip(), "--json").json["metrics"] == {"m": 2}


def test_an_address_that_is_no_server_is_said(bis: Bis) -> None:
    done = script(bis, "import bis\nbis.log_metric('m', 2)", MLFLOW_TRACKING_URI="sqlite:///mlflow.db")
    assert done.stderr == "bis: sqlite:///mlflow.db is not a server: runs are kept in bis's own store\n"


def test_processes_below_log_too(bis: Bis) -> None:
    code = """
import bis, os
with bis.start_run() as run:
    child = os.fork()
    if child == 0:
        bis.log_metric("child", 1)
        raise SystemExit
    os.waitpid(child, 0)
    print(bis.get_run(run.info.run_id).data.metrics)
"""
    done = script(bis, code)
    assert (done.stdout, done.stderr) == ("{'child': 1.0}\n", "")


def test_importing_bis_imports_no_client() -> None:
    code = "import sys, bis\nprint([name for name in sys.modules if name.startswith('bis.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['bis._version']\n"
