from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis.environments import Environment, Lock
from bis.environments.environment import STATE_FILE, lock_path
from bis.errors import BuildError
from bis.file_locks import exclusive_if_free

if TYPE_CHECKING:
    from bis.home import Home

LOCK = Lock("uv", "3.8.18", None, "linux", variables=(("LEVEL", "3"),))


def _environment(prefix: Path | None, python: Path, paths: tuple[Path, ...] = ()) -> Environment:
    return Environment(LOCK, "uv", prefix, python, created=False, seconds=0, import_paths=paths)


def test_the_environment_goes_first_on_path_and_the_callers_variables_stay() -> None:
    made = _environment(Path("/e"), Path("/e/bin/python"))
    found = made.variables({"PATH": "/usr/bin", "PYTHONHOME": "/x", "MINE": "1"})
    assert found == {"PATH": "/e/bin:/usr/bin", "VIRTUAL_ENV": "/e", "MINE": "1", "LEVEL": "3"}


def test_without_path_the_systems_default_remains() -> None:
    assert _environment(Path("/e"), Path("/e/bin/python")).variables({})["PATH"].startswith("/e/bin:")


def test_editable_packages_go_before_the_callers_own_import_path() -> None:
    made = _environment(Path("/e"), Path("/e/bin/python"), (Path("/p/src"),))
    assert made.variables({"PYTHONPATH": "/mine"})["PYTHONPATH"] == "/p/src:/mine"


def test_a_local_python_that_path_finds_leaves_path_alone(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.touch(0o755)
    made = _environment(None, python)
    assert made.variables({"PATH": f"/nowhere:{tmp_path}:/bin"})["PATH"] == f"/nowhere:{tmp_path}:/bin"
    assert made.variables({"PATH": "/nowhere"})["PATH"] == f"{tmp_path}:/nowhere"


def test_a_held_environment_cannot_be_locked_by_who_would_remove_it(home: Home) -> None:
    prefix = home.ensure(home.environments) / "e"
    prefix.mkdir()
    (prefix / STATE_FILE).touch()
    made = _environment(prefix, prefix / "bin/python")
    with made.hold(), made.hold(), exclusive_if_free(lock_path(prefix)) as free:
        assert not free
    with exclusive_if_free(lock_path(prefix)) as free:
        assert free


def test_an_environment_that_was_removed_meanwhile_is_not_held(home: Home) -> None:
    home.ensure(home.environments)
    with (
        pytest.raises(BuildError, match="removed meanwhile"),
        _environment(home.environments / "e", Path("/x")).hold(),
    ):
        pass
