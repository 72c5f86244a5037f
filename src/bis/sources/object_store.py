"""The object store of the snapshots: a bare repository of our own, that holds raw bytes.

It has everything a tree needs and borrows nothing from the user's repository, whose objects may be gone after
a rebase. Line ends, filters, LFS, ``ident`` and encodings are off: what is stored is what was on the disk.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.file_locks import shared
from bis.sources import git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.home import Home

GC_LOCK = "gc.lock"
"""Held shared by those who write objects, and alone by the one who deletes them."""

# Settings of the repository itself, so that they win over the user's own.
_CONFIG = """\
[core]
	repositoryformatversion = 0
	bare = true
	filemode = true
	symlinks = true
	ignorecase = false
	autocrlf = false
	safecrlf = false
	protectNTFS = false
	protectHFS = false
	splitIndex = false
	untrackedCache = false
	sparseCheckout = false
	attributesFile = /dev/null
	compression = 1
[index]
	sparse = false
[gc]
	auto = 0
"""

# The highest of all attribute files: it wins over every .gitattributes of the tree (gitattributes(5)).
_ATTRIBUTES = "* -text !eol !crlf !ident !filter !working-tree-encoding\n"


@dataclass(frozen=True)
class ObjectStore:
    """The bare repository at ``directory``."""

    directory: Path

    @classmethod
    def open(cls, home: Home) -> ObjectStore:
        """The store of ``home``, made when it is not there."""
        directory = home.snapshots / "store.git"
        if not (directory / "HEAD").is_file():
            home.ensure(home.snapshots)
            _create(directory)
        return cls(directory)

    def variables(self, *, work_tree: Path, index: Path) -> dict[str, str]:
        """The variables with which Git works on ``work_tree`` with this store and an index of our own."""
        return {
            "GIT_DIR": str(self.directory),
            "GIT_WORK_TREE": str(work_tree),
            "GIT_INDEX_FILE": str(index),
            "GIT_OPTIONAL_LOCKS": "1",
        }

    def has_tree(self, tree: str) -> bool:
        """Whether the tree was written here; this asks only the disk.

        A loose object that a power failure left empty is none: Git does not wait for the disk with those.
        """
        file = self.directory / "objects" / tree[:2] / tree[2:]
        try:
            return file.stat().st_size > 0
        except FileNotFoundError:
            return self._is_packed(tree)

    def reads_tree(self, tree: str) -> bool:
        """Whether any text names a tree that Git can read here: slower than ``has_tree``, and sure."""
        if not re.fullmatch(r"[0-9a-f]{40}", tree):
            return False
        result = git.start("--git-dir", self.directory, "cat-file", "-t", tree).finish()
        return result.status == 0 and result.text == "tree"

    def _is_packed(self, name: str) -> bool:
        try:
            indexes = [
                each for each in os.scandir(self.directory / "objects" / "pack") if each.name.endswith(".idx")
            ]
        except FileNotFoundError:
            return False
        if not indexes:
            return False
        from bis.sources.pack_index import lists  # only once `bis gc` has packed objects

        return any(lists(index.path, name) for index in indexes)

    @contextlib.contextmanager
    def in_use(self) -> Iterator[None]:
        """While objects are written that nothing refers to yet: `bis gc` waits."""
        with shared(self.directory.parent / GC_LOCK):
            yield


def _create(directory: Path) -> None:
    """Make the repository aside and move it into place; another process may be as fast."""
    import shutil

    aside = directory.with_name(f"{directory.name}.{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    git.run(
        "init", "--quiet", "--bare", "--template=", "--", aside, settings=("init.defaultObjectFormat=sha1",)
    )
    (aside / "config").write_text(_CONFIG)
    (aside / "info").mkdir(exist_ok=True)
    (aside / "info" / "attributes").write_text(_ATTRIBUTES)
    try:
        aside.rename(directory)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        if not (directory / "HEAD").is_file():
            raise
