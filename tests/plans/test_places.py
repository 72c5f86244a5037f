"""The directories in which plans are executed again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.file_locks import exclusive
from bis.home import Home
from bis.plans.places import fresh_place, unique_name

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def left_behind(home: Home, name: str) -> Path:
    """A place whose bis was killed."""
    place = home.ensure(home.reruns / name)
    (place / "lock").touch()
    (place / "source").mkdir()
    return place


def test_a_place_is_gone_after_it_was_used_also_when_that_failed(home: Home) -> None:
    with fresh_place(home, unique_name("run")) as place:
        (place / "source").mkdir()
    with pytest.raises(ValueError, match="failed"), fresh_place(home, unique_name("run")):
        raise ValueError("failed")
    assert not list(home.reruns.iterdir())


def test_what_a_killed_bis_left_is_swept_and_what_another_uses_is_not(home: Home) -> None:
    left, used = left_behind(home, "left"), left_behind(home, "used")
    with exclusive(used / "lock"), fresh_place(home, "new") as place:
        assert {each.name for each in home.reruns.iterdir()} == {"used", "new"}
        assert place.is_dir()
    assert not left.exists()


def test_a_kept_place_stays(home: Home) -> None:
    with fresh_place(home, "kept", keep=True) as place:
        (place / "source").mkdir()
    with fresh_place(home, "another"):
        assert (place / "source").is_dir()
