"""Puts a snapshot back onto the disk, byte for byte."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.sources import git, large_files
from bis.sources.candidates import split
from bis.sources.object_store import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.home import Home
    from bis.sources.source import LargeFile


def restore(
    tree: str,
    directory: Path,
    home: Home,
    *,
    originals: Path | None = None,
    bring: Callable[[SourceError], None] | None = None,
) -> tuple[LargeFile, ...]:
    """Write the files of ``tree`` into ``directory``, which must be new or empty.

    ``bring`` is called with what is wrong when the snapshot is not here or not whole; then all begins anew.

    Returns the large files that could not be put back: a snapshot has only their hashes. Those that are still
    unchanged below ``originals`` (the root of the source then) are copied from there.
    """
    import shutil

    try:
        return _restore(tree, directory, home, originals)
    except SourceError as error:
        if bring is None:
            raise
        shutil.rmtree(directory, ignore_errors=True)
        bring(error)
    return _restore(tree, directory, home, originals)


def _restore(tree: str, directory: Path, home: Home, originals: Path | None) -> tuple[LargeFile, ...]:
    import shutil
    import tempfile

    store = ObjectStore.open(home)
    if not store.reads_tree(tree):
        raise SourceError(f"the snapshot {tree} is not in {home.snapshots}")
    if directory.exists() and any(directory.iterdir()):
        raise SourceError(f"{directory} is not empty", hint="A snapshot is restored into a fresh directory.")
    directory.mkdir(parents=True, exist_ok=True)
    aside = tempfile.mkdtemp(dir=home.snapshots, prefix="restore-")
    try:
        variables = store.variables(work_tree=directory, index=home.snapshots / aside / "index")
        git.run("read-tree", tree, cwd=directory, variables=variables)
        git.run("checkout-index", "--all", "--force", cwd=directory, variables=variables)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    pointers = _pointers(store, tree, directory)
    return tuple(file for file in pointers if not _put_back(file, directory, originals))


def has_snapshot(tree: str, home: Home) -> bool:
    """Whether the snapshot can be restored from the home's own store."""
    return home.snapshots.exists() and ObjectStore.open(home).reads_tree(tree)


def _pointers(store: ObjectStore, tree: str, directory: Path) -> list[LargeFile]:
    result = git.run("--git-dir", store.directory, "ls-tree", "-r", "-l", "-z", tree)
    found = []
    for line in split(result.output):
        facts, _, path = line.partition(b"\t")
        if facts.split()[-1] != str(large_files.POINTER_BYTES).encode():
            continue
        name = os.fsdecode(path)
        place = directory / name
        file = None if place.is_symlink() else large_files.read_pointer(name, place.read_bytes())
        if file:
            found.append(file)
    return found


def _put_back(file: LargeFile, directory: Path, originals: Path | None) -> bool:
    """Copy the original over its pointer; False when it is gone or not the same any more."""
    import shutil

    from bis.file_digests import sha256_of

    original = originals / file.path if originals else None
    if original is None or not original.is_file() or original.stat().st_size != file.size_bytes:
        return False
    place = directory / file.path
    aside = place.with_name(f".{place.name}.bis")
    shutil.copyfile(original, aside)
    if sha256_of(aside) != file.sha256:
        aside.unlink()
        return False
    shutil.copymode(place, aside)
    aside.replace(place)
    return True
