"""What differs between two snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import SourceError
from bis.sources import fetch
from bis.sources.differences import diff_trees, find_lines

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home


def snapshot(home: Home, directory: Path) -> str:
    with fetch(str(directory), None, home=home, notify=print) as source:
        assert source.tree is not None
        return source.tree


def test_each_file_is_named_with_its_difference(home: Home, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "train.py").write_text("a = 1\nb = 2\n")
    (project / "gone.txt").write_text("x\n")
    (project / "picture.bin").write_bytes(b"\0\1\2")
    (project / "run.sh").write_text("true\n")
    (project / "ä b\tc.txt").write_text("diff --git is no head here\n")
    first = snapshot(home, project)
    (project / "train.py").write_text("a = 1\nb = 3\n")
    (project / "gone.txt").unlink()
    (project / "picture.bin").write_bytes(b"\0\1\3")
    (project / "run.sh").chmod(0o755)
    (project / "new.txt").write_text("diff --git a/x b/x\n")
    (project / "ä b\tc.txt").write_text("other\n")
    found = {each.path: each for each in diff_trees(home, first, snapshot(home, project))}
    assert {path: each.change for path, each in found.items()} == {
        "gone.txt": "removed",
        "new.txt": "added",
        "picture.bin": "changed",
        "run.sh": "mode",
        "train.py": "changed",
        "ä b\tc.txt": "changed",
    }
    assert found["train.py"].patch == "@@ -1,2 +1,2 @@\n a = 1\n-b = 2\n+b = 3\n"
    assert found["new.txt"].patch == "@@ -0,0 +1 @@\n+diff --git a/x b/x\n"
    assert found["picture.bin"].patch == found["run.sh"].patch == ""
    assert found["gone.txt"].second is None


def test_a_snapshot_does_not_differ_from_itself(home: Home, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "a").write_text("1")
    tree = snapshot(home, tmp_path / "project")
    assert diff_trees(home, tree, tree) == []


@pytest.mark.parametrize("tree", ["0" * 40, "HEAD", "--output=x"])
def test_a_snapshot_that_is_not_here_is_said(home: Home, tree: str) -> None:
    with pytest.raises(SourceError, match="is not in"):
        diff_trees(home, tree, tree)
    assert find_lines(home, tree, "x", files=("*.py",)) == []


def test_lines_of_a_snapshot_are_found(home: Home, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "train.py").write_text("import time\n\nstart = time.time()\n")
    (tmp_path / "project" / "notes.txt").write_text("time.time()\n")
    tree = snapshot(home, tmp_path / "project")
    assert find_lines(home, tree, r"time\.time\(", files=("*.py",)) == [
        ("train.py", 3, "start = time.time()")
    ]
