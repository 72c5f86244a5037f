from __future__ import annotations

import json
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis.environments import interpreters
from bis.environments.interpreters import Interpreter, choose
from bis.environments.python_request import PythonRequest
from bis.errors import InterpreterNotFoundError
from environments.doubles import python_or_skip

if TYPE_CHECKING:
    from bis.home import Home

HERE = [
    Interpreter(Path(f"/p/{minor}.{patch}"), (3, minor, patch))
    for minor, patch in [(8, 18), (8, 10), (10, 13), (12, 1)]
]


@pytest.mark.parametrize(
    ("request_text", "day", "version"),
    [
        ("3.8", date(2024, 5, 1), "3.8.18"),
        ("3.8.10", date(2024, 5, 1), "3.8.10"),
        (None, date(2024, 5, 1), "3.10.13"),  # 3.12 was seven months old
        (None, date(2025, 5, 1), "3.12.1"),
        (">=3.11", date(2024, 5, 1), "3.12.1"),  # none was old enough: the oldest minor version that fits
        (">=3.8,<3.10", date(2024, 5, 1), "3.8.18"),
        (None, date(2015, 5, 1), "3.8.18"),
    ],
)
def test_the_interpreter_is_chosen_as_of_a_date(request_text: str | None, day: date, version: str) -> None:
    choice = choose(PythonRequest.parse(request_text), HERE, day)
    assert choice
    assert choice.interpreter.version == version
    assert choice.note is None


def test_a_patch_version_that_is_not_here_gives_way_to_its_minor_with_a_note() -> None:
    choice = choose(PythonRequest.parse("3.8.12"), HERE, date(2024, 5, 1))
    assert choice
    assert choice.interpreter.version == "3.8.18"
    assert choice.note == "Python 3.8.12 is not here: 3.8.18 is used"


def test_another_minor_version_is_never_taken_instead() -> None:
    assert choose(PythonRequest.parse("3.9"), HERE, date(2024, 5, 1)) is None


def _fake(path: Path, version: str, *, code: str | None = None) -> Path:
    """An executable that answers a probe as a Python of that version would."""
    facts = {
        "version": [int(part) for part in version.split(".")],
        "final": True,
        "implementation": "cpython",
        "free_threaded": False,
        "base": str(path),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code or f"#!/bin/sh\necho '{json.dumps(facts)}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any Python but those that a test puts there (and those in system directories)."""
    for name in (
        "UV_PYTHON_INSTALL_DIR",
        "PYENV_ROOT",
        "CONDA_PREFIX",
        "CONDA_EXE",
        "MAMBA_ROOT_PREFIX",
        "MLFLOW_CONDA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    return tmp_path


@pytest.mark.parametrize(
    "place",
    [
        ".pyenv/versions/3.97.5/bin/python",
        ".local/share/uv/python/cpython-3.97.5-linux-x86_64-gnu/bin/python3.97",
        "miniconda3/bin/python",
        "anaconda3/envs/old/bin/python",
        "bin/python3.97",
        "bin/python",
    ],
)
def test_interpreters_are_found_where_people_have_them(machine: Path, home: Home, place: str) -> None:
    expected = _fake(machine / place, "3.97.5")
    choice = interpreters.find("3.97", None, home=home, notify=lambda _: None)
    assert choice.interpreter == Interpreter(expected, (3, 97, 5))


@pytest.mark.parametrize(
    "code",
    ["#!/bin/sh\nexit 127\n", "#!/bin/sh\necho not json\n", "#!/nowhere/sh\n", "#!/bin/sh\necho '[]'\n"],
)
def test_broken_interpreters_are_passed_by(machine: Path, home: Home, code: str) -> None:
    _fake(machine / "bin/python3.97", "3.97.9", code=code)
    _fake(machine / ".pyenv/versions/3.97.1/bin/python", "3.97.1")
    assert interpreters.find("3.97", None, home=home, notify=lambda _: None).interpreter.version == "3.97.1"


def test_pyenv_shims_are_not_looked_at(machine: Path, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake(machine / ".pyenv/shims/python3.97", "3.97.5")
    monkeypatch.setenv("PATH", str(machine / ".pyenv/shims"))
    with pytest.raises(InterpreterNotFoundError):
        interpreters.find("3.97", None, home=home, notify=lambda _: None)


def test_an_interpreter_is_run_once_and_again_when_it_changes(machine: Path, home: Home) -> None:
    path = _fake(machine / "bin/python3.97", "3.97.5")
    counting = f"#!/bin/sh\necho x >> {machine}/count\n" + path.read_text().partition("\n")[2]
    _fake(path, "3.97.5", code=counting)
    for _ in range(3):
        interpreters.find("3.97", None, home=home, notify=lambda _: None)
    assert (machine / "count").read_text() == "x\n"
    _fake(path, "3.97.55")
    assert interpreters.find("3.97", None, home=home, notify=lambda _: None).interpreter.version == "3.97.55"


def test_a_missing_python_is_an_error_that_lists_what_is_here(machine: Path, home: Home) -> None:
    _fake(machine / "bin/python3.97", "3.97.5")
    with pytest.raises(InterpreterNotFoundError, match=r"no Python 3\.98") as caught:
        interpreters.find("3.98", None, home=home, notify=lambda _: None)
    assert "3.97.5" in (caught.value.hint or "")


def test_uv_downloads_a_python_that_is_not_here(
    machine: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_PYTHON_DOWNLOADS")
    ready = _fake(machine / "ready", "3.14.2")
    goal = machine / ".local/share/uv/python/cpython-3.14.2-x/bin/python3.14"
    uv = machine / "uv"
    uv.write_text(
        f'#!/bin/sh\n[ "$*" = "python install 3.14" ] || exit 1\nmkdir -p {goal.parent} && cp {ready} {goal}\n'
    )
    uv.chmod(0o755)
    monkeypatch.setattr("bis.environments.uv_command.uv_executable", lambda: str(uv))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    notes: list[str] = []
    choice = interpreters.find("3.14", None, home=home, notify=notes.append)
    assert choice.interpreter.version == "3.14.2"
    assert notes == ["Downloading Python 3.14, which is not on this machine"]


def test_python_2_is_said_to_be_too_old(machine: Path, home: Home) -> None:
    with pytest.raises(InterpreterNotFoundError, match=r"2\.7, which is older"):
        interpreters.find("2.7", None, home=home, notify=lambda _: None)


def test_a_home_that_cannot_be_written_to_does_not_matter(machine: Path, home: Home) -> None:
    _fake(machine / "bin/python3.97", "3.97.5")
    home.root.write_text("a file where the folder should be")
    assert interpreters.find("3.97", None, home=home, notify=lambda _: None).interpreter.version == "3.97.5"


def test_the_interpreters_of_this_machine_are_of_the_version_that_they_say(home: Home) -> None:
    version = python_or_skip("3", home)
    old = datetime(2030, 1, 1, tzinfo=timezone.utc)
    choice = interpreters.find(version, old, home=home, notify=lambda _: None)
    facts = interpreters.probe(
        choice.interpreter.path, "import json, sys; print(json.dumps({'v': sys.version}))", isolated=True
    )
    assert facts["v"].startswith(version)
