"""Whether a change of the source touches what a run has read."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from bis.errors import SourceError
from bis.sources.object_store import ObjectStore
from bis.sources.objects import list_files, read_blobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.home import Home
    from bis.plans import Plan

_DOCUMENTATION = (".md", ".rst", ".ipynb", ".txt")
_MOST_BYTES_OF_CODE = 4 << 20


def changed_code(record: Mapping[str, Any], before: str, now: str, plan: Plan, home: Home) -> Iterator[str]:
    """What of the source is not as the run had it and may have counted: a reason for each file."""
    try:
        first, second = _files(before, home), _files(now, home)
    except SourceError as error:
        yield f"the source is another, and cannot be compared: {error.message}"
        return
    read = {
        str(entry["path"])
        for entry in record["files"]
        if entry.get("access") == "read" and entry.get("place") == "tree"
    }
    changed = {path for path in {*first, *second} if first.get(path) != second.get(path)}
    for path in sorted(changed & read):
        yield f"{path} has {'changed' if path in second else 'gone'}, which it read"
    listed = set(record.get("folders") or ())
    written = {str(entry["path"]) for entry in record["files"] if entry.get("access") == "written"}
    for path in sorted(changed - read - written):  # its own outputs are looked at as such
        if path in first and path in second:
            continue  # a file that it did not read
        folder = str(PurePosixPath(path).parent)
        if folder in listed and not path.endswith(".py"):
            yield f"{path} is {'new' if path in second else 'gone'} in a folder that it listed"
        elif path in second and _is_named(path, read, first, plan, home):
            yield f"{path} is new, and may be what it looks for"


def _is_named(
    path: str, read: set[str], files: Mapping[str, tuple[str, str]], plan: Plan, home: Home
) -> bool:
    """Whether a file that is new may have been looked for: its name is in the code that was read, or in the command."""
    pure = PurePosixPath(path)
    if pure.name.lower() == "mlproject":
        return False  # bis reads it, and what came of it is in the plan
    top = PurePosixPath(plan.source.subdirectory)
    beside = pure.parent in (top, PurePosixPath("."))
    if pure.suffix not in (".py", *_DOCUMENTATION) and beside:
        return True  # a configuration that a library looks for by itself
    words = {pure.name, pure.stem, *pure.parts[:-1]} - {"__init__", *top.parts}
    pattern = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in words if word) or r"(?!)")
    texts = [plan.command(), *_texts(tuple(sorted(files[each][1] for each in read if each in files)), home)]
    return any(pattern.search(text) for text in texts)


@lru_cache(maxsize=8)
def _files(tree: str, home: Home) -> dict[str, tuple[str, str]]:
    """Path to mode and blob of each file of a snapshot."""
    import os

    store = ObjectStore.open(home)
    return {os.fsdecode(path): (mode, blob) for mode, blob, path in list_files(store, tree)}


@lru_cache(maxsize=64)
def _texts(blobs: tuple[str, ...], home: Home) -> tuple[str, ...]:
    """The texts of files of a snapshot, up to a few megabytes."""
    store = ObjectStore.open(home)
    found: list[str] = []
    left = _MOST_BYTES_OF_CODE
    for data in read_blobs(store.directory, blobs):
        left -= len(data)
        if left < 0:
            break
        found.append(data.decode("utf-8", "replace"))
    return tuple(found)
