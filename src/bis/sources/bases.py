"""The commit under uncommitted changes: kept as a tree of the snapshot store, so that the difference stays readable.

A snapshot has what ran. When that was a work tree with uncommitted changes, its commit may be gone after a rebase, and
the whole repository after a deletion. ``keep_base`` copies of the commit what the store does not have yet, which is
what was changed, and ``read_changes`` shows the difference at any time.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.home_files import replace_text
from bis.sources import git, large_files
from bis.sources.candidates import split
from bis.sources.object_store import ObjectStore
from bis.sources.objects import absent, add_blob, read_blobs, write_tree
from bis.sources.source import LargeFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.home import Home

MAX_COPIED_BYTES = 200_000_000
"""A commit that lacks more than this in the store (one whose files are all converted on checkout) is not kept."""

_LINK = "120000"
_LINK_TO_REPOSITORY = "160000"


@dataclass(frozen=True)
class _Entry:
    """A file of the commit; ``repository`` is the one that has its content: the commit's, or that of a submodule."""

    mode: str
    blob: str
    size_bytes: int
    path: bytes
    repository: bytes


def keep_base(root: Path, commit: str, home: Home) -> None:
    """Keep the tree of ``commit`` of the repository at ``root``; nothing is done when it is kept already.

    What Git cannot give (a partial clone without its files) is no reason not to run: then there is no base.
    """
    place = base_file(home, commit)
    if place.exists():
        return
    store = ObjectStore.open(home)
    try:
        with store.in_use():
            entries = list(_entries(os.fsencode(root), commit))
            missing = set(absent(store, {entry.blob for entry in entries}))
            if sum(each.size_bytes for each in entries if each.blob in missing) > MAX_COPIED_BYTES:
                return
            became = _copy(entries, missing, store)
            tree = write_tree(store, [(_mode(e), became.get(e.blob, e.blob), e.path) for e in entries])
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_text(place, tree, durable=False)
    except SourceError:
        return


def base_file(home: Home, commit: str) -> Path:
    """Where the tree id of a kept commit is written down."""
    return home.snapshots / "bases" / commit


def base_tree(home: Home, commit: str) -> str | None:
    """The tree of a kept commit, in the form of a snapshot; None when it is not kept, or its tree is gone."""
    try:
        tree = base_file(home, commit).read_text().strip()
    except OSError:
        return None
    return tree if ObjectStore.open(home).has_tree(tree) else None


def read_changes(home: Home, commit: str, tree: str) -> str | None:
    """The difference of a snapshot from its commit, as a patch to be read; None when the commit is not kept.

    Of deleted files it has the names alone, of binary ones that they differ.
    """
    base = base_tree(home, commit)
    if base is None:
        return None
    store = ObjectStore.open(home)
    options = ("-p", "-M", "--irreversible-delete", "--no-ext-diff", "--no-textconv", "--no-color")
    result = git.run("--git-dir", store.directory, "diff-tree", *options, base, tree)
    return result.output.decode("utf-8", "replace")


def _entries(repository: bytes, commit: str, prefix: bytes = b"") -> Iterator[_Entry]:
    result = git.run("ls-tree", "-r", "-l", "-z", "--full-tree", commit, cwd=repository)
    for line in split(result.output):
        facts, _, path = line.partition(b"\t")
        mode, _, name, size = facts.decode().split()
        if mode != _LINK_TO_REPOSITORY:
            if not size.isdigit():  # "BAD", in Git's words
                raise SourceError(f"the object {name} of the commit {commit} is missing")
            yield _Entry(mode, name, int(size), prefix + path, repository)
            continue
        inner = os.path.join(repository, path)  # noqa: PTH118 - bytes
        if os.path.lexists(os.path.join(inner, b".git")):  # noqa: PTH118 - bytes
            yield from _entries(inner, name, prefix + path + b"/")


def _mode(entry: _Entry) -> str:
    """The mode as a snapshot has it: old repositories have a few more."""
    return entry.mode if entry.mode in ("100755", _LINK) else "100644"


def _copy(entries: list[_Entry], missing: set[str], store: ObjectStore) -> dict[str, str]:
    """Bring the missing contents into the store, in the form of a snapshot; returns the blob that each one became."""
    limit = large_files.limit_bytes()
    became: dict[str, str] = {}
    for repository in {entry.repository for entry in entries}:
        wanted = {
            each.blob: each for each in entries if each.blob in missing and each.repository == repository
        }
        contents = read_blobs(repository, wanted)
        for entry, content in zip(wanted.values(), contents, strict=True):
            is_large = entry.size_bytes > limit and entry.mode != _LINK
            stored = large_files.pointer(_large_file(entry, content)) if is_large else content
            became[entry.blob] = add_blob(store, stored)
    return became


def _large_file(entry: _Entry, content: bytes) -> LargeFile:
    return LargeFile(os.fsdecode(entry.path), entry.size_bytes, hashlib.sha256(content).hexdigest())
