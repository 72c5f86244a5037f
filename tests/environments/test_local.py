from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis import environments
from bis.environments import installed, local

if TYPE_CHECKING:
    from bis.environments import Lock
    from bis.environments.environment import Environment
    from environments.doubles import PackageIndex, Project


@pytest.fixture
def active(project: Project, index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment with alpha 1.0 that the caller has activated; the project declares nothing yet."""
    index.add("alpha", "1.0")
    project.write("requirements.txt", "alpha\n")
    made = project.realize()
    monkeypatch.setenv("PATH", made.variables(os.environ)["PATH"])
    return made


def test_the_callers_python_is_used_and_nothing_is_built(project: Project, active: Environment) -> None:
    lock = project.lock(manager="local")
    made = project.realize(lock)
    assert (made.prefix, made.python, made.created) == (None, active.python, False)
    assert lock.python == active.lock.python
    assert lock.packages["alpha"] == "1.0"
    assert not lock.pinned
    assert any("not pinned" in note for note in lock.notes)


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("alpha==1.0", None),
        ("Alpha>=1 ; python_version >= '3'", None),
        ("beta ; python_version < '3'", None),
        ("git+https://example.com/x.git", None),
        ("beta", "beta (not installed)"),
        ("alpha>=2", "alpha>=2 (here 1.0)"),
    ],
)
def test_what_is_declared_and_not_met_is_said(
    project: Project, active: Environment, requirement: str, said: str | None
) -> None:
    project.write("requirements.txt", f"{requirement}\n")
    project.notes.clear()
    project.lock(manager="local")
    assert len(project.notes) == (said is not None)
    assert said is None or said in project.notes[0]


def test_another_python_than_declared_is_said(project: Project, active: Environment) -> None:
    project.write("python_env.yaml", "python: '2.7'\n")
    project.lock(manager="local")
    assert f"Python 2.7 (here {active.lock.python})" in project.notes[-1]


def test_the_verdict_is_kept_until_something_is_installed(
    project: Project, active: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("requirements.txt", "beta\n")
    first = project.lock(manager="local")
    looks: list[Path] = []
    look = installed.look

    def counted(python: Path) -> installed.Installed:
        looks.append(python)
        return look(python)

    monkeypatch.setattr(installed, "look", counted)
    assert project.lock(manager="local") == first
    assert looks == []
    (packages,) = (active.prefix or Path()).glob("lib/*/site-packages")
    (packages / "beta-3.0.dist-info").mkdir()
    assert project.lock(manager="local").packages["beta"] == "3.0"
    assert len(looks) == 1


def test_development_installs_are_seen(project: Project, active: Environment) -> None:
    (packages,) = (active.prefix or Path()).glob("lib/*/site-packages")
    (packages / "beta.egg-info").mkdir()
    (packages / "beta.egg-info" / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: beta\nVersion: 0.1\n")
    assert active.python is not None
    assert installed.look(active.python).packages["beta"] == "0.1"


def _pyenv(root: Path, *versions: str) -> dict[str, str]:
    for version in versions:
        python = root / "versions" / version / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.touch(0o755)
    shim = root / "shims" / "python"
    shim.parent.mkdir(parents=True)
    shim.touch(0o755)
    return {"PYENV_ROOT": str(root), "PATH": str(shim.parent)}


@pytest.mark.parametrize(
    ("setting", "file", "expected"),
    [
        ({"PYENV_VERSION": "3.8.1"}, "3.9.2", "3.8.1"),
        ({}, "3.9.2\n", "3.9.2"),
        ({}, "3.9", "3.9.10"),
        ({}, "system\n3.8.1\n", "3.8.1"),
    ],
)
def test_a_shim_stands_for_the_version_that_it_selects(
    tmp_path: Path, setting: dict[str, str], file: str, expected: str
) -> None:
    environ = _pyenv(tmp_path / "pyenv", "3.8.1", "3.9.2", "3.9.10") | setting
    (tmp_path / ".python-version").write_text(file)
    (tmp_path / "project").mkdir()
    python, note = local.caller_python(environ, tmp_path / "project")
    assert python == tmp_path / "pyenv" / "versions" / expected / "bin" / "python"
    assert note is None


def test_a_shim_that_selects_nothing_is_passed_by_with_a_note(tmp_path: Path) -> None:
    environ = _pyenv(tmp_path / "pyenv", "3.8.1")
    (tmp_path / "pyenv" / "version").write_text("3.7.0\n")
    python, note = local.caller_python(environ, tmp_path)
    assert python == Path(sys.executable)
    assert note
    assert "selects no version" in note


def test_without_any_python_it_is_that_of_bis(tmp_path: Path) -> None:
    assert local.caller_python({"PATH": str(tmp_path)}, tmp_path) == (Path(sys.executable), None)


def test_a_lock_that_is_executed_again_is_what_is_installed_now(
    project: Project, active: Environment
) -> None:
    kept = project.lock(manager="local")
    (packages,) = (active.prefix or Path()).glob("lib/*/site-packages")

    def observed() -> Lock:
        project.notes.clear()
        return environments.observe(
            kept, directory=project.directory, home=project.home, notify=project.notes.append
        )

    assert observed().digest == kept.digest
    assert project.notes == []
    (packages / "alpha-1.0.dist-info").rename(packages / "alpha-1.1.dist-info")
    (packages / "beta-3.0.dist-info").mkdir()
    assert observed().digest != kept.digest
    assert project.notes == [
        "the local environment is not what it was: alpha was 1.0 and is 1.1; beta was not there and is 3.0"
    ]


def test_a_lock_of_another_manager_is_taken_as_it_is(project: Project, active: Environment) -> None:
    lock = active.lock
    assert environments.observe(lock, directory=project.directory, home=project.home, notify=print) is lock
