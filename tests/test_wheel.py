"""The wheel as people install it, on the oldest and the newest Python that is here."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv

from execution.interpreters import interpreters

if TYPE_CHECKING:
    from bis_command import Bis

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.slow


def run(*words: str | Path, **variables: str) -> str:
    """Run a program to its end; what it prints."""
    environ = {**os.environ, "UV_PYTHON_DOWNLOADS": "never", **variables}
    answer = subprocess.run([*map(str, words)], env=environ, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    run(uv.find_uv_bin(), "build", "--wheel", "--out-dir", directory, ROOT)
    (found,) = directory.glob("*.whl")
    return found


def ends() -> list[str]:
    """The oldest and the newest interpreter that bis runs on."""
    usable = [
        python for python in interpreters() if tuple(map(int, re.findall(r"\d+", version(python)))) >= (3, 10)
    ]
    ordered = sorted(usable, key=lambda python: [int(part) for part in version(python).split(".")])
    return list(dict.fromkeys([ordered[0], ordered[-1]]))


def version(python: str) -> str:
    """As ``3.10``."""
    return run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()


@pytest.mark.parametrize("python", ends(), ids=version)
def test_a_project_is_made_and_run(python: str, wheel: Path, tmp_path: Path, bis: Bis) -> None:
    environment = tmp_path / "environment"
    run(uv.find_uv_bin(), "venv", "--quiet", "--python", python, environment)
    run(uv.find_uv_bin(), "pip", "install", "--quiet", "--python", environment, wheel)
    command = environment / "bin" / "bis"
    variables = bis.environ()
    assert "bis" in run(command, "--version", **variables)
    run(command, "init", tmp_path / "demo", **variables)
    (tmp_path / "demo" / "MLproject").write_text("entry_points: {main: {command: 'python --version'}}\n")
    (tmp_path / "demo" / "conda.yaml").unlink()
    assert run(command, "run", tmp_path / "demo", "-q", **variables).startswith("Python 3.")
    assert "finished" in run(command, "list", **variables)
