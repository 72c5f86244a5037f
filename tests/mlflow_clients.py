"""Interpreters with an unmodified MLflow of each generation, made once and shared by the tests of the
repository.

They live below ``BIS_TEST_CACHE`` (default ``~/.cache/bis-tests``), one directory for each set of
requirements, made aside and renamed, with a lock so that parallel test processes make each of them once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv

if TYPE_CHECKING:
    from collections.abc import Iterator

# What was published when the client was: newer releases of these break MLflow 1.x.
_ONE = ("protobuf<3.21", "setuptools<81", "numpy<1.24", "pandas<2", "sqlalchemy<1.5", "scikit-learn==1.0.2")

CLIENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "1.20.2": (
        "3.8",
        (*_ONE, "markupsafe<2.1", "jinja2<3.1", "werkzeug<2.1", "flask<2.1", "itsdangerous<2.1"),
    ),
    "1.30.1": ("3.8", (*_ONE, "matplotlib<3.8")),
    "2.17.2": ("3.8", ("scikit-learn==1.3.2", "setuptools<81", "psutil")),
    "2.22.1": ("3.10", ("scikit-learn==1.6.1", "setuptools<81", "psutil")),
    "3.17.2": ("3.11", ("scikit-learn", "psutil")),
}
"""MLflow version -> (Python version, what is installed beside it)."""

BOOSTING: dict[str, tuple[str, ...]] = {
    "1.30.1": ("xgboost==1.6.2", "lightgbm==3.3.3"),
    "2.17.2": ("xgboost-cpu==2.1.4", "lightgbm==4.5.0"),
    "2.22.1": ("xgboost-cpu==3.0.0", "lightgbm==4.6.0"),
    "3.17.2": ("xgboost-cpu==3.2.0", "lightgbm==4.7.0"),
}
"""MLflow version -> the XGBoost and LightGBM whose autologging it knows."""

LATEST = "3.17.2"


def client_python(version: str, *, boosting: bool = False) -> Path:
    """The interpreter of an environment that holds ``mlflow==version``; made at the first call.

    ``boosting``: with XGBoost and LightGBM beside it, which are large. Skips the calling test when the Python
    it needs is neither here nor to be had.
    """
    python, beside = CLIENTS[version]
    wanted = [f"mlflow=={version}", *beside, *(BOOSTING[version] if boosting else ())]
    key = hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:12]
    directory = cache_directory() / f"mlflow-{version}-{key}"
    if not (directory / "complete").exists():
        _make(directory, python, wanted)
    return directory / "bin" / "python"


def plugin_python(version: str) -> Path:
    """As ``client_python``, with this checkout of bis installed beside MLflow (Python 3.10 or later)."""
    python, beside = CLIENTS[version]
    root = Path(__file__).parents[1]
    wanted = [f"mlflow=={version}", *beside, "-e", str(root)]
    project = (root / "pyproject.toml").read_text()
    declared = project.partition("[project]")[2].partition("[dependency-groups]")[0]
    key = hashlib.sha256("\n".join([python, *wanted, declared]).encode()).hexdigest()[:12]
    directory = cache_directory() / f"mlflow-bis-{version}-{key}"
    if not (directory / "complete").exists():
        _make(directory, python, wanted)
    return directory / "bin" / "python"


@contextmanager
def running_server(version: str, directory: Path) -> Iterator[str]:
    """MLflow's own server of that version, with its data in ``directory``; gives its address when it answers."""
    python, port = client_python(version), _free_port()
    command = [
        *(
            str(python.with_name("mlflow")),
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--workers",
            "1",
        ),
        *("--backend-store-uri", f"sqlite:///{directory / 'mlflow.db'}"),
        *("--artifacts-destination", str(directory / "artifacts"), "--serve-artifacts"),
        *("--default-artifact-root", "mlflow-artifacts:/"),
    ]
    variables = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{python.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",  # it starts gunicorn by name
    }
    with (directory / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            env=variables,
            cwd=directory,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_answers(f"http://127.0.0.1:{port}/health", process, directory / "server.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the server does not start: {log.read_text()[-2000:]}")


def cache_directory() -> Path:
    """Where what tests install is kept for the next ones."""
    root = Path(os.environ.get("BIS_TEST_CACHE") or Path.home() / ".cache" / "bis-tests")
    root.mkdir(parents=True, exist_ok=True)
    return root


def _make(directory: Path, python: str, requirements: list[str]) -> None:
    with directory.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / "complete").exists():
            return
        shutil.rmtree(directory, ignore_errors=True)
        made = _uv("venv", "--quiet", "--relocatable", "--python", python, str(directory))
        if made.returncode:
            pytest.skip(f"no Python {python} for MLflow {requirements[0]}: {made.stderr.strip()}")
        installed = _uv(
            "pip", "install", "--quiet", "--python", str(directory / "bin" / "python"), *requirements
        )
        if installed.returncode:
            raise RuntimeError(f"{requirements}: {installed.stderr}")
        (directory / "complete").touch()  # written last: a killed build is made again


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    variables["UV_PYTHON_SEARCH_PATH"] = os.pathsep.join([*_pyenv(), os.environ.get("PATH", os.defpath)])
    return subprocess.run(
        [uv.find_uv_bin(), *arguments], env=variables, capture_output=True, text=True, check=False
    )


def _pyenv() -> list[str]:
    """The directories of pyenv's real interpreters; its shims, which come first on PATH, fail for uv."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return sorted(str(path) for path in root.glob("versions/3.*/bin"))
