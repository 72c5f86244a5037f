"""``bis env``: what it lists and shows, and what it deletes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, write_project

if TYPE_CHECKING:
    from pathlib import Path

HELLO = "entry_points: {main: {command: 'echo hello'}}\n"


@pytest.fixture
def two_runs(bis: Bis, tmp_path: Path) -> list[str]:
    """The ids of two runs of one environment, the newest first."""
    project = write_project(tmp_path / "p", HELLO)
    return [bis.run_json(project)["run_id"] for _ in range(2)][::-1]


def test_the_runs_of_an_environment_are_counted_and_named(bis: Bis, two_runs: list[str]) -> None:
    (found,) = bis("env", "list", "--json").json
    assert found["runs"] == two_runs
    assert found["manager"] == "uv"
    listed = bis("env", "list").out.splitlines()
    assert listed[0].split()[-1] == "RUNS"
    assert listed[1].split()[-1] == "2"
    shown = bis("env", "show", found["digest"][:8]).out
    assert f"2: {two_runs[0][:8]}, {two_runs[1][:8]}" in shown


def test_what_no_run_was_made_with_is_unused(bis: Bis, tmp_path: Path, two_runs: list[str]) -> None:
    kept = bis("env", "prune", "--unused")
    assert kept.out == "Deleted 0 environments, 0 B\n"
    other = write_project(tmp_path / "q", HELLO, {"requirements.txt": "six==1.16.0\n"})
    failed = bis("run", other, "-P", "nothing=1", "--dry-run")
    assert failed.status == 0, failed.err
    run = bis.run_json(other)["run_id"]
    assert len(bis("env", "list", "--json").json) == 2
    assert bis("env", "prune", "--unused", "--json").json == []
    assert run not in two_runs


def test_what_only_deleted_runs_were_made_with_is_deleted(bis: Bis, two_runs: list[str]) -> None:
    assert bis("runs", "delete", *two_runs).status == 0
    assert "Deleted 1 environment" in bis("env", "prune", "--unused").out
    assert bis("env", "list", "--json").json == []


def test_a_size_to_keep_is_read_with_its_unit(bis: Bis, two_runs: list[str]) -> None:
    assert bis("env", "prune", "--keep-size", "10GB", "--dry-run").out == "Would delete 0 environments, 0 B\n"
    assert (
        bis("env", "prune", "--keep-size", "1K", "--dry-run")
        .out.splitlines()[-1]
        .startswith("Would delete 1 ")
    )
    refused = bis("env", "prune", "--keep-size", "some")
    assert refused.status == 2
    assert "--keep-size" in refused.err


def test_an_environment_that_was_pruned_is_built_again(bis: Bis, two_runs: list[str]) -> None:
    assert "Deleted 1 environment" in bis("env", "prune", "--older-than", "0").out
    assert bis("rerun", two_runs[0]).status == 0
    assert len(bis("env", "list", "--json").json) == 1
