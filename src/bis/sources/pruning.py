"""Deletes from the store of snapshots what nothing needs any more, and packs the rest.

Kept are the trees that the caller names, the trees of work trees that lie ready, the bases of the commits that the
caller names, and what was looked at in the last days: a run that is about to begin has a snapshot and no record yet.
The store is held alone meanwhile.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.file_locks import exclusive, exclusive_if_free
from bis.sources import git
from bis.sources.bases import base_tree
from bis.sources.object_store import GC_LOCK, ObjectStore
from bis.sources.objects import absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from bis.home import Home

RECENT_S = 14 * 24 * 3600
"""A directory that was run in the last two weeks keeps its last snapshot: its next one is quick."""
GRACE_S = 3600
"""What is younger is never deleted: something that is not yet written down may need it."""

_REFS = "refs/kept/"
_TREE = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Pruned:
    """What a collection did, or would do."""

    kept: int
    """Snapshots."""
    deleted: int
    """Objects: files and directories of snapshots."""
    freed_bytes: int
    missing: tuple[str, ...]
    """Trees that should be kept, and are not here, or not whole."""


def prune_snapshots(
    home: Home,
    *,
    trees: Callable[[], Iterable[str]],
    commits: Callable[[], Iterable[str]],
    dry_run: bool = False,
) -> Pruned:
    """Delete what neither ``trees``, the bases of ``commits`` nor recent use needs.

    Both are called while the store is held, so that no run can come in between.
    """
    store = ObjectStore.open(home)
    with exclusive(home.snapshots / GC_LOCK):
        bases = {commit: tree for commit in set(commits()) if (tree := base_tree(home, commit))}
        wanted = {*trees(), *bases.values(), *_recent(home), *_ready(home), *_kept(home)}
        broken = sorted(_broken(store, wanted))
        kept = wanted - set(broken)
        _point_at(store, kept)
        garbage = _garbage(store)
        if not dry_run:
            _collect(store)
            _drop_states(home, store, set(bases))
        return Pruned(len(kept), len(garbage), sum(garbage.values()), tuple(broken))


def keep(home: Home, tree: str) -> None:
    """Keep a snapshot for good: a run elsewhere refers to it, of which this home has no record."""
    directory = home.ensure(home.snapshots / "kept")
    (directory / tree).touch()


def _recent(home: Home) -> Iterator[str]:
    """The trees of directories that were looked at lately."""
    limit = time.time() - RECENT_S
    for state in home.snapshots.glob("indexes/*/state.json"):
        if state.parent.stat().st_mtime > limit:
            yield from _tree_of(state)


def _ready(home: Home) -> Iterator[str]:
    """The trees of commits that are checked out in the home."""
    for state in home.repositories.glob("*/trees/*.json"):
        yield from _tree_of(state)


def _kept(home: Home) -> Iterator[str]:
    yield from (file.name for file in home.snapshots.glob("kept/*"))


def _tree_of(state: Path) -> Iterator[str]:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        yield json.loads(state.read_text())["tree"]


def _broken(store: ObjectStore, trees: set[str]) -> set[str]:
    """Those that are not in the store, or not whole."""
    odd = {tree for tree in trees if not _TREE.fullmatch(tree)}
    broken = odd | set(absent(store, sorted(trees - odd)))
    whole = sorted(trees - broken)
    if _reaches_all(store, whole):
        return broken
    return broken | {tree for tree in whole if not _reaches_all(store, [tree])}


def _reaches_all(store: ObjectStore, trees: list[str]) -> bool:
    if not trees:
        return True
    stdin = "".join(f"{tree}\n" for tree in trees).encode()
    arguments = ("rev-list", "--objects", "--quiet", "--stdin")
    return git.start("--git-dir", store.directory, *arguments, feed=True).finish(stdin).status == 0


def _point_at(store: ObjectStore, trees: set[str]) -> None:
    """Make a reference for each tree, and no others: Git keeps what they reach."""
    known = set(_ask(store, "for-each-ref", "--format=%(objectname)", _REFS).split())
    lines = [f"delete {_REFS}{tree}" for tree in sorted(known - trees)]
    lines += [f"create {_REFS}{tree} {tree}" for tree in sorted(trees - known)]
    if lines:
        stdin = "".join(f"{line}\n" for line in lines).encode()
        git.run("--git-dir", store.directory, "update-ref", "--stdin", stdin=stdin)


def _garbage(store: ObjectStore) -> dict[str, int]:
    """The objects that nothing refers to and that are old enough, with the bytes that they take."""
    reached = set(_ask(store, "rev-list", "--objects", "--all", "--no-object-names").split())
    shape = "--batch-check=%(objectname) %(objectsize:disk)"
    every = _ask(store, "cat-file", "--batch-all-objects", shape).splitlines()
    sizes = {name: int(size) for name, size in map(str.split, every)}
    limit = time.time() - GRACE_S
    return {name: size for name, size in sizes.items() if name not in reached and _age(store, name) < limit}


def _age(store: ObjectStore, name: str) -> float:
    """When a loose object was written or last used; 0 for one in a pack."""
    try:
        return (store.directory / "objects" / name[:2] / name[2:]).stat().st_mtime
    except FileNotFoundError:
        return 0


def _collect(store: ObjectStore) -> None:
    expiry = f"{GRACE_S}.seconds.ago"
    _ask(store, "pack-refs", "--all", "--prune")
    _ask(store, "repack", "-A", "-d", "-q", f"--unpack-unreachable={expiry}")
    _ask(store, "prune", f"--expire={expiry}")


def _ask(store: ObjectStore, *arguments: str) -> str:
    return git.run("--git-dir", store.directory, *arguments).text


def _drop_states(home: Home, store: ObjectStore, commits: set[str]) -> None:
    """Forget the bases and the quick indexes whose objects are gone, and what was left half-way."""
    for base in home.snapshots.glob("bases/*"):
        if base.name not in commits:
            base.unlink(missing_ok=True)
    for directory in home.snapshots.glob("indexes/*"):
        if any(store.has_tree(tree) for tree in _tree_of(directory / "state.json")):
            continue
        with exclusive_if_free(directory / "lock") as free:
            if free:
                shutil.rmtree(directory, ignore_errors=True)
    for pattern in ("restore-*", "index-*"):
        for left in home.snapshots.glob(pattern):
            if left.stat().st_mtime < time.time() - 24 * 3600:
                shutil.rmtree(left, ignore_errors=True)
