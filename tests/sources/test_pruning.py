from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from bis.sources import restore
from bis.sources.bases import read_changes
from bis.sources.object_store import ObjectStore
from bis.sources.objects import add_blob
from bis.sources.pack_index import lists
from bis.sources.pruning import Pruned, keep, prune_snapshots
from sources.scene import make_repository

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home
    from sources.scene import Fetcher


def prune(home: Home, *trees: str, commits: tuple[str, ...] = (), dry_run: bool = False) -> Pruned:
    return prune_snapshots(home, trees=lambda: trees, commits=lambda: commits, dry_run=dry_run)


def age(home: Home, days: float = 30) -> None:
    """Let time pass for all that lies in the store."""
    moment = time.time() - days * 24 * 3600
    for path in home.snapshots.rglob("*"):
        os.utime(path, (moment, moment), follow_symlinks=False)


@pytest.fixture
def trees(get: Fetcher, tmp_path: Path) -> tuple[str, str]:
    """Two snapshots that share a file."""
    found = []
    for text in ("1", "2"):
        (tmp_path / "p").mkdir(exist_ok=True)
        (tmp_path / "p" / "shared").write_text("shared")
        (tmp_path / "p" / "own").write_text(text)
        found.append(get(tmp_path / "p").tree or "")
    return found[0], found[1]


def test_a_kept_snapshot_stays_whole_and_another_goes(
    get: Fetcher, trees: tuple[str, str], tmp_path: Path
) -> None:
    age(get.home)
    would = prune(get.home, trees[0], dry_run=True)
    assert (would.kept, would.deleted) == (1, 2)  # a directory and the file in it that it alone has
    assert ObjectStore.open(get.home).has_tree(trees[1])
    assert prune(get.home, trees[0]) == would
    restore(trees[0], tmp_path / "back", get.home)
    assert (tmp_path / "back" / "own").read_text() == "1"
    assert not ObjectStore.open(get.home).has_tree(trees[1])


def test_what_was_used_lately_stays(get: Fetcher, trees: tuple[str, str]) -> None:
    assert prune(get.home).deleted == 0
    age(get.home)
    get(get.sources[-1].root)  # looked at again, and not written again
    assert prune(get.home).kept == 1
    assert ObjectStore.open(get.home).has_tree(trees[1])


def test_a_snapshot_that_was_packed_is_found_without_git(get: Fetcher, trees: tuple[str, str]) -> None:
    age(get.home)
    prune(get.home, *trees)
    store = ObjectStore.open(get.home)
    assert not (store.directory / "objects" / trees[0][:2]).exists()
    assert store.has_tree(trees[0])
    assert store.has_tree(trees[1])
    assert not store.has_tree("0" * 40)
    assert not store.has_tree("f" * 40)


def test_a_directory_whose_snapshot_went_is_read_anew(get: Fetcher, trees: tuple[str, str]) -> None:
    age(get.home)
    prune(get.home)
    assert get(get.sources[-1].root).tree == trees[1]


def test_a_snapshot_that_runs_elsewhere_refer_to_stays(get: Fetcher, trees: tuple[str, str]) -> None:
    keep(get.home, trees[0])
    age(get.home)
    assert prune(get.home).kept == 1
    assert ObjectStore.open(get.home).has_tree(trees[0])


def test_the_commit_below_uncommitted_changes_goes_with_its_runs(get: Fetcher, tmp_path: Path) -> None:
    project = make_repository(tmp_path / "p")
    project.write("a", "1\n")
    commit = project.commit()
    project.write("a", "2\n")
    tree = get(project.path).tree
    assert tree
    shutil.rmtree(project.path)
    age(get.home)
    prune(get.home, tree, commits=(commit,))
    assert "+2" in (read_changes(get.home, commit, tree) or "")
    age(get.home)
    prune(get.home, tree)
    assert read_changes(get.home, commit, tree) is None


def test_a_damaged_snapshot_is_named_and_the_others_are_collected(
    get: Fetcher, trees: tuple[str, str]
) -> None:
    store = ObjectStore.open(get.home)
    blob = add_blob(store, b"1")
    (store.directory / "objects" / blob[:2] / blob[2:]).unlink()
    age(get.home)
    pruned = prune(get.home, *trees, "0" * 40)
    assert set(pruned.missing) == {trees[0], "0" * 40}
    assert pruned.kept == 1
    assert store.has_tree(trees[1])


@pytest.mark.parametrize("content", [b"", b"short", b"\xfftOc\x00\x00\x00\x02" + b"\0" * 1024])
def test_what_is_no_index_lists_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pack.idx").write_bytes(content)
    assert not lists(tmp_path / "pack.idx", "00" * 20)
    assert not lists(tmp_path / "absent.idx", "00" * 20)
