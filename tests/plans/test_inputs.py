from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from bis.errors import UsageError
from bis.plans.inputs import found_here, inside

if TYPE_CHECKING:
    from pathlib import Path

    from bis.plans import Plan


def test_inputs_of_the_source_are_known_by_their_place_in_it(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    local = {
        "within": str(root / "data" / "a.csv"),
        "itself": str(root),
        "beside": str(tmp_path / "root.csv"),
        "dotted": str(root / "..b"),
    }
    assert inside(root, local) == {"within": "data/a.csv", "itself": ".", "dotted": "..b"}


def test_a_link_does_not_hide_where_an_input_lies(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.csv").touch()
    (tmp_path / "link").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "out.csv").symlink_to(tmp_path / "far.csv")
    local = {"a": str(tmp_path / "link" / "a.csv"), "out": str(tmp_path / "root" / "out.csv")}
    assert inside(tmp_path / "root", local) == {"a": "a.csv"}


@pytest.fixture
def movable(plan: Plan, tmp_path: Path) -> Plan:
    """A plan with one input, in the tree and at a path of the machine that made it."""
    original = tmp_path / "original.csv"
    original.touch()
    return dataclasses.replace(plan, local={"data": str(original)}, in_tree={"data": "d/data.csv"})


def test_an_input_is_looked_for_in_the_tree_first(movable: Plan, tmp_path: Path) -> None:
    root = tmp_path / "restored"
    (root / "d").mkdir(parents=True)
    (root / "d" / "data.csv").touch()
    assert found_here(movable, root, {}) == {"data": str(root / "d" / "data.csv")}


def test_an_input_that_the_snapshot_has_not_is_where_it_was(movable: Plan, tmp_path: Path) -> None:
    assert found_here(movable, tmp_path / "restored", {}) == movable.local


def test_an_input_is_where_the_user_says(
    movable: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moved.csv").touch()
    found = found_here(movable, tmp_path, {"data": "moved.csv", "table": "original.csv"})
    assert found == {"data": str(tmp_path / "moved.csv"), "table": str(tmp_path / "original.csv")}


def test_a_missing_input_is_named_with_the_way_out(movable: Plan, tmp_path: Path) -> None:
    (tmp_path / "original.csv").unlink()
    with pytest.raises(UsageError, match="the input 'data' is not here") as caught:
        found_here(movable, tmp_path, {})
    assert caught.value.hint == "Say where it is: --input data=PATH"


def test_an_input_that_the_plan_has_not_is_refused_with_the_nearest(movable: Plan, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no input 'dta'") as caught:
        found_here(movable, tmp_path, {"dta": "x"})
    assert caught.value.hint == "Did you mean 'data'?"
