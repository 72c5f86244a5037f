"""Plans as documents: printed by one bis, executed by another."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from bis_command import Bis, git, write_project

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = """\
name: parts
entry_points:
  main:
    parameters:
      word: {default: "a 'b'"}
      data: {type: path, default: data.txt}
    command: "python show.py {word} {data}"
"""
SHOW = """\
import os, random, sys
names = "TZ OMP_NUM_THREADS PYTHONHASHSEED BIS_SEED BIS_LEVEL MY_SWITCH ABSENT TOKEN".split()
print(sys.argv[1], open(sys.argv[2]).read().strip(), [os.environ.get(name) for name in names], random.random())
print(os.path.isdir(os.environ["BIS_REPORT"]))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {"show.py": SHOW, "data.txt": "first\n", "python_env.yaml": "dependencies: []\n"}
    return write_project(tmp_path / "project", MLPROJECT, files)


def plan_of(bis: Bis, project: Path, *words: str, **variables: str) -> Path:
    """A file with the plan of a run."""
    result = bis("run", project, "--dry-run", "--json", *words, **variables)
    assert result.status == 0, result.err
    file = project.parent / "plan.json"
    file.write_text(result.out)
    return file


def test_a_plan_gives_what_the_run_gave(bis: Bis, project: Path) -> None:
    options = ("--seed", "5", "--keep-env", "MY_SWITCH", "--keep-env", "ABSENT")
    caller = {"MY_SWITCH": "on", "TZ": "Asia/Tokyo"}
    run = bis("run", project, "-q", *options, **caller)
    assert run.status == 0, run.err
    assert "'Asia/Tokyo'" in run.out
    plan = plan_of(bis, project, *options, **caller)
    other_caller = {"MY_SWITCH": "off", "TZ": "Europe/Paris", "OMP_NUM_THREADS": "7", "ABSENT": "there"}
    executed = bis("execute", plan, "-q", **other_caller)
    assert (executed.status, executed.out) == (0, run.out), executed.err


def test_the_source_is_the_snapshot_and_not_what_it_has_become(bis: Bis, project: Path) -> None:
    before = bis("run", project, "-q").out
    plan = plan_of(bis, project)
    (project / "show.py").write_text("print('changed')\n")
    (project / "data.txt").unlink()
    assert bis("execute", plan, "-q").out == before
    shutil.rmtree(project)
    result = bis("execute", plan, "-q")
    assert (result.status, result.out) == (0, before), result.err
    assert not list((bis.home / "reruns").iterdir())


def test_the_run_is_recorded_as_one_with_the_same_plan(bis: Bis, project: Path) -> None:
    first = bis.run_json(project)
    result = bis("execute", plan_of(bis, project), "--json", "--run-name", "again", "--set-tag", "a=b")
    assert result.status == 0, result.err
    second = result.json
    assert second["plan_digest"] == first["plan_digest"]
    assert (second["run_name"], second["tags"]["a"]) == ("again", "b")
    assert second["parameters"] == first["parameters"]


def test_a_plan_comes_by_standard_input_too(bis: Bis, project: Path) -> None:
    import subprocess
    import sys

    plan = plan_of(bis, project)
    done = subprocess.run(
        [sys.executable, "-m", "bis", "execute", "-", "-q"],
        input=plan.read_text(),
        env=bis.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("a 'b' first")


def test_it_can_be_executed_in_the_directory_that_has_the_source(bis: Bis, project: Path) -> None:
    plan = plan_of(bis, project)
    result = bis("execute", plan, "-q", "--directory", project)
    assert result.out.startswith("a 'b' first")
    (project / "more.txt").touch()
    result = bis("execute", plan, "--directory", project)
    assert (result.status, "is not the source of this plan" in result.err) == (2, True)


def test_the_commit_of_a_clean_tree_is_fetched_where_the_snapshot_is_not(
    bis: Bis, project: Path, tmp_path: Path
) -> None:
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "all")
    git(tmp_path, "clone", "-q", "--bare", str(project), "remote.git")
    git(project, "remote", "add", "origin", f"file://{tmp_path}/remote.git")
    plan = plan_of(bis, project)
    elsewhere = Bis(home=tmp_path / "another home", cwd=tmp_path)
    result = elsewhere("execute", plan, "-q")
    assert (result.status, result.out.startswith("a 'b' first")) == (0, True), result.err


def test_a_snapshot_that_is_nowhere_is_an_error_with_the_way_out(
    bis: Bis, project: Path, tmp_path: Path
) -> None:
    plan = plan_of(bis, project)
    result = Bis(home=tmp_path / "another home", cwd=tmp_path)("execute", plan)
    assert result.status == 3
    assert "--directory DIR" in result.err


def test_an_input_is_taken_from_where_it_lies_now(bis: Bis, project: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("second\n")
    plan = plan_of(bis, project, "-P", f"data={outside}")
    outside.rename(tmp_path / "moved.txt")
    result = bis("execute", plan)
    assert (result.status, "--input data=PATH" in result.err) == (2, True), result.err
    result = bis("execute", plan, "-q", "--input", f"data={tmp_path / 'moved.txt'}")
    assert result.out.startswith("a 'b' second")


def test_an_ignored_input_is_read_where_it_was(bis: Bis, project: Path) -> None:
    git(project, "init", "-q")
    (project / ".gitignore").write_text("data.txt\n")
    result = bis("execute", plan_of(bis, project), "-q")
    assert (result.status, result.out.startswith("a 'b' first")) == (0, True), result.err


def test_secrets_are_asked_for_and_are_in_no_document(bis: Bis, project: Path, tmp_path: Path) -> None:
    (tmp_path / "env").write_text("TOKEN=s3cr3t\nTZ=UTC\n")
    plan = plan_of(bis, project, "--env-file", str(tmp_path / "env"))
    document = json.loads(plan.read_text())
    assert document["variables"]["secret"] == ["TOKEN"]
    assert document["variables"]["set"]["TZ"] == "UTC"
    assert "s3cr3t" not in plan.read_text()
    result = bis("execute", plan)
    assert (result.status, "the variables TOKEN" in result.err) == (2, True), result.err
    assert "'s3cr3t'" in bis("execute", plan, "-q", "--env-file", tmp_path / "env").out
    assert "'other'" in bis("execute", plan, "-q", TOKEN="other").out


def test_a_plan_that_was_changed_is_refused(bis: Bis, project: Path) -> None:
    plan = plan_of(bis, project)
    document: dict[str, Any] = json.loads(plan.read_text())
    document["template"] = "echo changed"
    plan.write_text(json.dumps(document))
    result = bis("execute", plan)
    assert (result.status, "not what its digest says" in result.err) == (2, True)
    del document["digest"]
    plan.write_text(json.dumps(document))
    assert bis("execute", plan, "-q").out.startswith("changed")


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "not a plan"), (b"\xff", "not UTF-8"), (b'{"format": "bis.plan/7"}', "'bis.plan/7'")],
)
def test_what_is_no_plan_is_said_to_be_none(bis: Bis, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    result = bis("execute", "plan.json")
    assert (result.status, said in result.err) == (2, True), result.err


def test_a_missing_plan_is_an_error(bis: Bis) -> None:
    result = bis("execute", "nothing.json")
    assert (result.status, "cannot read the plan nothing.json" in result.err) == (2, True)


def test_the_seed_and_the_level_reach_the_command(bis: Bis, project: Path) -> None:
    shown = bis("run", project, "-q", "--seed", "9", "--level", "strict").out
    assert "'9', 'strict'" in shown
    assert "'UTC', '1', '9'" in shown
    assert "'0', 'seed'" in bis("run", project, "-q").out
    assert "'3', 'observe'" in bis("run", project, "-q", BIS_SEED="3", BIS_LEVEL="observe").out


def test_a_random_seed_is_recorded(bis: Bis, project: Path) -> None:
    first, second = (
        json.loads(plan_of(bis, project, "--seed", "random").read_text())["seed"] for _ in range(2)
    )
    assert first != second


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--seed", "x"), "--seed 'x' is no seed"), (("--level", "sead"), "Did you mean 'seed'?")],
)
def test_a_bad_seed_or_level_is_wrong_use(bis: Bis, project: Path, words: tuple[str, ...], said: str) -> None:
    result = bis("run", project, *words)
    assert (result.status, said in result.err) == (2, True), result.err


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("platform", "win32-x86_64", "was locked for win32-x86_64"), ("python", "3.99.1", "3.99.1")],
)
def test_an_environment_that_is_not_to_be_had_is_another_error_than_wrong_use(
    bis: Bis, project: Path, key: str, value: str, said: str
) -> None:
    plan = plan_of(bis, project)
    document: dict[str, Any] = json.loads(plan.read_text())
    del document["digest"]
    document["environment"][key] = value
    plan.write_text(json.dumps(document))
    result = bis("execute", plan)
    assert (result.status, said in result.err) == (3, True), result.err
    assert "this plan cannot be executed again" in result.err
    assert bis.statuses() == []
