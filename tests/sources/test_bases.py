from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from bis.sources.bases import base_tree, read_changes
from sources.scene import make_repository

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from sources.scene import Fetcher


def test_uncommitted_changes_are_readable_after_the_repository_was_deleted(
    get: Fetcher, tmp_path: Path
) -> None:
    project = make_repository(tmp_path / "p")
    project.write("train.py", "rate = 1\n")
    project.write("gone.py", "secret = 1\n")
    commit = project.commit()
    project.write("train.py", "rate = 2\n")
    project.write("new.py", "fresh\n")
    (project.path / "gone.py").unlink()
    source = get(project.path)
    assert source.commit == commit
    assert source.tree
    shutil.rmtree(project.path)
    changes = read_changes(get.home, commit, source.tree)
    assert changes
    assert "-rate = 1\n+rate = 2\n" in changes
    assert "+++ b/new.py" in changes
    assert "deleted file mode" in changes
    assert "secret" not in changes  # of what was deleted, the name is enough


def test_a_clean_commit_needs_no_base(get: Fetcher, tmp_path: Path) -> None:
    project = make_repository(tmp_path / "p")
    source = get(project.path)
    assert source.commit
    assert source.tree
    assert base_tree(get.home, source.commit) is None
    assert read_changes(get.home, source.commit, source.tree) is None


def test_the_base_is_that_of_the_commit(get: Fetcher, tmp_path: Path) -> None:
    project = make_repository(tmp_path / "p")
    project.write("bin/run", "1")
    (project.path / "bin" / "run").chmod(0o755)
    commit = project.commit()
    project.write("bin/run", "2")
    get(project.path)
    assert base_tree(get.home, commit) == project.git("rev-parse", "HEAD^{tree}")


def test_a_large_file_of_the_commit_is_compared_by_its_hash(
    get: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "200")
    project = make_repository(tmp_path / "p")
    project.write("data.csv", "1" * 300)
    commit = project.commit()
    project.write("data.csv", "2" * 300)
    source = get(project.path)
    assert source.tree
    changes = read_changes(get.home, commit, source.tree)
    assert changes
    assert "sha256" in changes
    assert "111" not in changes


def test_a_commit_that_lacks_its_files_is_no_reason_not_to_run(get: Fetcher, tmp_path: Path) -> None:
    project = make_repository(tmp_path / "p")
    project.write("a", "first")
    commit = project.commit()
    blob = project.git("rev-parse", "HEAD:a")
    (project.path / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    project.write("a", "second")
    assert get(project.path).tree
    assert base_tree(get.home, commit) is None
