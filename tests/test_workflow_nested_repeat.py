"""A run with runs inside it, repeated: each of them in the source that it had, wherever that came from."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, git, write_project

if TYPE_CHECKING:
    from pathlib import Path

_CHILD = """\
entry_points:
  first: {command: "cat words.txt"}
  main: {after: [], command: "cat words.txt"}
  chain: {after: first, command: "cat words.txt"}
"""


def _parent(directory: Path, address: str, entry_point: str = "main") -> Path:
    script = f"import bis\nbis.run({address!r}, {entry_point!r})\n"
    return write_project(
        directory, 'entry_points:\n  main: {command: "python main.py"}\n', {"main.py": script}
    )


@pytest.mark.parametrize("entry_point", ["main", "chain"])
@pytest.mark.parametrize("change", ["edited", "gone"])
def test_a_project_beside_that_of_the_script_is_taken_as_it_was(
    bis: Bis, tmp_path: Path, change: str, entry_point: str
) -> None:
    beside = write_project(tmp_path / "beside", _CHILD, {"words.txt": "as it was\n"})
    parent = bis.run_json(_parent(tmp_path / "parent", "../beside", entry_point))["run_id"]
    if change == "gone":
        shutil.rmtree(beside)
    else:
        (beside / "words.txt").write_text("edited\n")
    result = bis("rerun", parent)
    assert result.status == 0, result.out + result.err
    assert result.out.startswith("IDENTICAL")
    assert "log" not in result.out


def test_a_repository_is_taken_at_the_commit_that_it_had_though_its_branch_moved(
    bis: Bis, tmp_path: Path
) -> None:
    repository = write_project(tmp_path / "repository", _CHILD, {"words.txt": "as it was\n"})
    git(repository, "init", "--quiet", "--initial-branch", "main")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", "one")
    parent = bis.run_json(_parent(tmp_path / "parent", f"git+file://{repository}"))["run_id"]
    (repository / "words.txt").write_text("of another commit\n")
    git(repository, "commit", "--quiet", "--all", "--message", "two")
    result = bis("rerun", parent)
    assert result.status == 0, result.out + result.err
    assert "log" not in result.out


def test_quiet_says_nothing_of_the_runs_inside(bis: Bis, tmp_path: Path) -> None:
    write_project(tmp_path / "beside", _CHILD, {"words.txt": "words\n"})
    parent = bis.run_json(_parent(tmp_path / "parent", "../beside"))["run_id"]
    assert "bis: run" in bis("rerun", parent).err
    assert bis("rerun", parent, "--quiet").err == "words\n"
