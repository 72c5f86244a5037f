"""What differs between two snapshots, file by file; and where a snapshot says something."""

from __future__ import annotations

import itertools
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bis.errors import SourceError
from bis.sources import git
from bis.sources.candidates import split
from bis.sources.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from bis.home import Home

Change = Literal["added", "removed", "changed", "mode"]

_MOST_BYTES = 200_000
"""What is shown of the patch of one file."""
_NO_OBJECT = "0" * 40
_FILE_PATCH = re.compile(rb"^diff --git ", re.MULTILINE)
_BINARY = re.compile(r"^Binary files .* differ$", re.MULTILINE)


@dataclass(frozen=True)
class FileDifference:
    """One file that is not the same in both trees."""

    path: str
    change: Change
    first: str | None
    """Git's id of its content in the first tree; None where it is not there."""
    second: str | None
    patch: str
    """A unified diff without its head; empty for binary files and changes of the mode alone."""


def diff_trees(home: Home, first: str, second: str) -> list[FileDifference]:
    """The files in which two snapshots differ, by path. Raises SourceError when one is not in the home."""
    store = ObjectStore.open(home)
    for tree in (first, second):
        if not store.reads_tree(tree):
            raise SourceError(f"the snapshot {tree} is not in {home.snapshots}")
    options = ("--no-renames", "-r", first, second)
    listed = git.start("--git-dir", store.directory, "diff-tree", "-z", "--raw", *options)
    patches = git.run(
        "--git-dir",
        store.directory,
        "diff-tree",
        "-p",
        "--no-color",
        "--no-ext-diff",
        "--no-textconv",
        *options,
    )
    entries = list(_entries(split(listed.check().output)))
    texts = _split_patches(patches.output)
    return [_difference(*entry, text) for entry, text in zip(entries, texts, strict=True)]


def find_lines(
    home: Home, tree: str, pattern: str, *, files: Sequence[str], most: int = 50
) -> list[tuple[str, int, str]]:
    """Path, number and text of the lines of a snapshot that match an extended regular expression.

    ``files`` are Git's patterns of paths, as ``*.py``. Empty when the snapshot is not in the home.
    """
    store = ObjectStore.open(home)
    if not store.reads_tree(tree):
        return []
    options = ("-z", "-n", "-I", "-E", "--no-color", "--full-name", "-e", pattern)
    result = git.start("--git-dir", store.directory, "grep", *options, tree, "--", *files).finish()
    found: list[tuple[str, int, str]] = []
    for line in result.output.splitlines():
        place, _, rest = line.partition(b"\0")
        number, _, text = rest.partition(b"\0")
        if number.isdigit() and len(found) < most:
            path = os.fsdecode(place).partition(":")[2]
            found.append((path, int(number), text.decode("utf-8", "replace").strip()))
    return found


def _entries(parts: Sequence[bytes]) -> Iterator[tuple[str, list[str]]]:
    """Path and facts (modes, ids, status) of each changed file, from ``diff-tree --raw -z``."""
    for facts, path in zip(parts[::2], parts[1::2], strict=True):
        yield os.fsdecode(path), facts.decode().lstrip(":").split()


def _split_patches(output: bytes) -> list[str]:
    """The patch of each file; a line of content never begins as the head of a patch does."""
    places = [*(found.start() for found in _FILE_PATCH.finditer(output)), len(output)]
    return [output[start:end].decode("utf-8", "replace") for start, end in itertools.pairwise(places)]


def _difference(path: str, facts: list[str], patch: str) -> FileDifference:
    old_mode, new_mode, old, new, _ = facts
    change: Change = "changed"
    if old == _NO_OBJECT:
        change = "added"
    elif new == _NO_OBJECT:
        change = "removed"
    elif old == new and old_mode != new_mode:
        change = "mode"
    return FileDifference(path, change, _present(old), _present(new), _body(patch))


def _present(object_id: str) -> str | None:
    return None if object_id == _NO_OBJECT else object_id


def _body(patch: str) -> str:
    """The hunks of a patch."""
    if _BINARY.search(patch):
        return ""
    start = patch.find("\n@@ ")
    if start < 0:
        return ""
    body = patch[start + 1 :]
    return body if len(body) <= _MOST_BYTES else f"{body[:_MOST_BYTES]}\n… (shortened)\n"
