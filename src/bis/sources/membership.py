"""Which paths are files of a snapshot, asked without a process where the store allows."""

from __future__ import annotations

import os
import re
import zlib
from typing import TYPE_CHECKING

from bis.sources import git
from bis.sources.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.home import Home

_BLOB = re.compile(rb"[0-9a-f]{40} blob [0-9]+")


def in_tree(tree: str, paths: Iterable[str], home: Home) -> frozenset[str]:
    """Those of ``paths`` (relative to the root, with ``/``) that are files of ``tree``."""
    wanted = sorted(set(paths))
    if not wanted:
        return frozenset()
    store = ObjectStore.open(home)
    trees = _LooseTrees(store)
    try:
        return frozenset(path for path in wanted if trees.has_file(tree, path))
    except (OSError, zlib.error, _NoTreeError):  # packed, or damaged: Git knows more
        return _ask_git(store, tree, wanted)


class _NoTreeError(Exception):
    pass


class _LooseTrees:
    """Tree objects as they lie in the store: a file each, until they are packed (gitformat-loose)."""

    def __init__(self, store: ObjectStore) -> None:
        self._objects = store.directory / "objects"
        self._read: dict[str, dict[bytes, tuple[bool, str]]] = {}

    def has_file(self, tree: str, path: str) -> bool:
        *folders, name = os.fsencode(path).split(b"/")
        for folder in folders:
            is_tree, tree = self._entries(tree).get(folder, (False, ""))
            if not is_tree:
                return False
        return not self._entries(tree).get(name, (True, ""))[0]

    def _entries(self, tree: str) -> dict[bytes, tuple[bool, str]]:
        if tree not in self._read:
            stored = zlib.decompress((self._objects / tree[:2] / tree[2:]).read_bytes())
            header, _, content = stored.partition(b"\0")
            if not header.startswith(b"tree "):
                raise _NoTreeError
            self._read[tree] = _parse(content)
        return self._read[tree]


def _parse(content: bytes) -> dict[bytes, tuple[bool, str]]:
    """Name to (is it a tree, object id)."""
    entries = {}
    position = 0
    while position < len(content):
        end = content.index(b"\0", position)
        mode, _, name = content[position:end].partition(b" ")
        entries[name] = (mode == b"40000", content[end + 1 : end + 21].hex())
        position = end + 21
    return entries


def _ask_git(store: ObjectStore, tree: str, paths: list[str]) -> frozenset[str]:
    plain = [path for path in paths if "\n" not in path]
    asked = b"".join(os.fsencode(f"{tree}:{path}\n") for path in plain)
    result = git.run("--git-dir", store.directory, "cat-file", "--batch-check", stdin=asked)
    lines = result.output.splitlines()
    return frozenset(path for path, line in zip(plain, lines, strict=True) if _BLOB.fullmatch(line))
