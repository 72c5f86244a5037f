"""A plan that was read back, in another directory."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from bis.errors import NotRepeatableError, ParameterError, SourceError, UsageError
from bis.home import Home
from bis.plans import Plan, Request, prepare, prepare_again, with_parameters
from bis.plans.checkout import checked_out, in_directory

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = """\
entry_points:
  main:
    parameters:
      data: {type: path, default: data.csv}
      other: {type: path, default: ""}
      alpha: {type: float, default: 0.5}
    command: "python train.py {data} {alpha} {other}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "MLproject").write_text(MLPROJECT)
    (directory / "data.csv").write_text("1\n")
    return directory


@pytest.fixture
def made(project: Path, home: Home) -> Plan:
    """The plan of the project, with a parameter that it does not declare."""
    return plan_of(project, home)


def plan_of(project: Path, home: Home, **parameters: str) -> Plan:
    request = Request(str(project), parameters={"more": "x", **parameters}, env_manager="local")
    return prepare(request, home=home, notify=lambda _: None).plan


def test_the_same_project_elsewhere_has_the_same_plan(made: Plan, project: Path, home: Home) -> None:
    moved = project.rename(project.with_name("moved"))
    assert plan_of(moved, home).digest == made.digest


def test_a_restored_plan_reads_its_inputs_from_the_restored_tree(
    made: Plan, project: Path, home: Home
) -> None:
    (project / "data.csv").write_text("changed\n")
    with checked_out(made, home=home, notify=lambda _: None) as root:
        prepared = prepare_again(made, root)
        assert prepared.places == {"data": str(root / "data.csv")}
        assert (root / "data.csv").read_text() == "1\n"
        assert str(root / "data.csv") in prepared.plan.command(prepared.places)
        assert prepared.source.tree == made.source.tree
    assert not root.exists()


def test_the_directory_is_gone_also_when_what_ran_in_it_failed(made: Plan, home: Home) -> None:
    with (
        pytest.raises(RuntimeError, match="ran"),
        checked_out(made, home=home, notify=lambda _: None) as root,
    ):
        raise RuntimeError("ran")
    assert not root.exists()


def test_other_values_are_checked_as_in_a_first_run(made: Plan, project: Path) -> None:
    changed = with_parameters(made, {"alpha": "0.7"}, root=project, cwd=project)
    assert changed.parameters == {**made.parameters, "alpha": "0.7"}
    assert (changed.local, changed.in_tree, changed.extra) == (made.local, made.in_tree, made.extra)
    assert changed.digest == plan_of(project, Home(project.parent / "home"), alpha="0.7").digest
    with pytest.raises(ParameterError, match="alpha") as caught:
        with_parameters(made, {"alpha": "much"}, root=project, cwd=project)
    assert str(caught.value.where).startswith("MLproject:")  # not where it was restored for a moment


def test_no_other_value_is_the_same_plan(made: Plan, project: Path) -> None:
    assert with_parameters(made, {}, root=project, cwd=project) is made


def test_a_value_of_a_path_is_looked_for_at_the_working_directory(
    made: Plan, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "new.csv").touch()
    changed = with_parameters(made, {"data": "new.csv"}, root=project, cwd=tmp_path)
    assert changed.local["data"] == str(tmp_path / "new.csv")
    assert changed.in_tree == {}


def test_a_plan_without_a_snapshot_is_an_error(made: Plan, home: Home) -> None:
    without = dataclasses.replace(made, source=dataclasses.replace(made.source, tree=None))
    with (
        pytest.raises(NotRepeatableError, match="no snapshot of its source"),
        checked_out(without, home=home, notify=lambda _: None),
    ):
        pass


def test_a_snapshot_with_large_files_is_executed_where_they_are(
    project: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "1K")
    (project / "large.bin").write_bytes(bytes(2000))
    plan = plan_of(project, home)
    with (
        pytest.raises(NotRepeatableError, match=r"by hash alone: large\.bin") as caught,
        checked_out(plan, home=home, notify=lambda _: None),
    ):
        pass
    assert "--directory" in (caught.value.hint or "")
    assert in_directory(plan, str(project), home=home, notify=lambda _: None) == project


def test_another_tree_is_not_the_source_of_a_plan(made: Plan, project: Path, home: Home) -> None:
    (project / "data.csv").write_text("changed\n")
    with pytest.raises(SourceError, match="is not the source of this plan"):
        in_directory(made, str(project), home=home, notify=lambda _: None)


def test_a_subdirectory_that_the_tree_has_not_is_an_error(made: Plan, project: Path) -> None:
    lost = dataclasses.replace(made, source=dataclasses.replace(made.source, subdirectory="lost"))
    with pytest.raises(SourceError, match="no directory 'lost'"):
        prepare_again(lost, project)


def test_missing_secrets_are_named(made: Plan, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIS_TEST_A", raising=False)
    monkeypatch.setenv("BIS_TEST_B", "b")
    secret = dataclasses.replace(made, secrets=("BIS_TEST_A", "BIS_TEST_B"))
    with pytest.raises(UsageError, match="with the variables BIS_TEST_A of an --env-file"):
        prepare_again(secret, project)
    assert prepare_again(secret, project, secrets={"BIS_TEST_A": "a"}).plan is secret
