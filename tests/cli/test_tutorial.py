"""The tutorial project, never modified: its result comes back here, and elsewhere for another user."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uv

from bis_command import Bis
from execution.interpreters import interpreters

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
NOBODY = 65534

pytestmark = pytest.mark.slow


@pytest.fixture
def project(bis: Bis, tmp_path: Path) -> Path:
    """The project as ``bis init`` makes it, outside of any repository."""
    assert bis("init", tmp_path / "demo").status == 0
    return tmp_path / "demo"


@pytest.fixture
def run_id(bis: Bis, project: Path) -> str:
    if not any("3.8" in python for python in interpreters()):
        pytest.skip("the tutorial asks for Python 3.8")
    document = bis.run_json(project, "-P", "learning_rate=0.05", "-P", "num_epochs=20")
    return str(document["run_id"])


def test_five_rounds_are_identical_and_without_the_probe_they_are_not(
    bis: Bis, project: Path, run_id: str
) -> None:
    verified = bis("verify", run_id, "--rounds", "5", "--json")
    assert verified.status == 0, verified.out + verified.err
    assert verified.json["verdict"] == "IDENTICAL"
    words = ("-P", "learning_rate=0.05", "-P", "num_epochs=20", "--level", "observe")
    free = [bis.run_json(project, *words)["metrics"]["accuracy"] for _ in range(5)]
    assert len(set(free)) > 1


def test_its_capsule_is_small_and_opens_elsewhere(bis: Bis, run_id: str, tmp_path: Path) -> None:
    capsule = tmp_path / "run.zip"
    assert bis("export", run_id, capsule).status == 0
    assert capsule.stat().st_size <= 100_000
    elsewhere = Bis(home=tmp_path / "elsewhere", cwd=tmp_path)
    again = elsewhere("rerun", capsule, "--yes", "--json")
    assert again.status == 0, again.err
    assert again.json["verdict"] == "IDENTICAL"


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that another user can read and write."""
    directory = Path(tempfile.mkdtemp(prefix="bis-other-user-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
@pytest.mark.skipif(
    not os.access("/usr/bin/python3", os.X_OK), reason="needs a Python that everybody can use"
)
def test_another_user_with_an_empty_cache_gets_the_same(bis: Bis, run_id: str, public: Path) -> None:
    capsule = public / "run.zip"
    assert bis("export", run_id, capsule).status == 0
    capsule.chmod(0o644)
    environment = install_bis(public)
    python = next(Path(python).resolve() for python in interpreters() if "3.8" in python)
    copy = public / "pyenv" / "versions" / python.parent.parent.name
    shutil.copytree(python.parent.parent, copy, symlinks=True)
    (public / "theirs").mkdir()
    os.chown(public / "theirs", NOBODY, NOBODY)
    again = subprocess.run(
        [environment / "bin" / "bis", "rerun", capsule, "--yes", "--json"],
        cwd=public / "theirs",
        env=bis.environ(
            BIS_HOME=str(public / "theirs" / "home"),
            HOME=str(public / "theirs"),
            UV_CACHE_DIR=str(public / "theirs" / "cache"),
            PYENV_ROOT=str(public / "pyenv"),
            LD_LIBRARY_PATH=str(copy / "lib"),  # a shared libpython has the place it was built for in it
            PATH="/usr/local/bin:/usr/bin:/bin",
        ),
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert '"verdict": "IDENTICAL"' in again.stdout


def install_bis(public: Path) -> Path:
    """bis as a wheel, in an environment that everybody can use."""
    environment = public / "environment"
    commands: list[list[str | Path]] = [
        ["venv", "--quiet", "--python", "/usr/bin/python3", environment],
        ["pip", "install", "--quiet", "--link-mode", "copy", "--python", environment, ROOT],
    ]
    for words in commands:
        subprocess.run([uv.find_uv_bin(), *words], check=True)
    return environment
