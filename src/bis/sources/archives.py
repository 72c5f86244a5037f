"""A project in a zip or tar archive: unpacked in the home, by its content, for one run at a time.

The archive itself is kept (``archives/<sha256>/archive``), so that a tree which a run wrote into is unpacked
anew.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.file_locks import exclusive, hold_first_free
from bis.file_stamps import Stamp
from bis.sources.candidates import list_plain
from bis.sources.checkouts import remove
from bis.sources.directories import enter
from bis.sources.downloads import download
from bis.sources.git import NOT_REPEATABLE, GitMissingError
from bis.sources.snapshots import recording
from bis.sources.source import Source
from bis.sources.unpacking import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.home import Home
    from bis.sources.locations import Archive
    from bis.sources.snapshot_state import Snapshot


def from_archive(location: Archive, *, home: Home, notify: Callable[[str], None]) -> Source:
    """The Source of an archive, here or downloaded."""
    place = _keep(location, home, notify)
    with ExitStack() as stack:
        top = _lease(place, location.text, stack)
        root = _project_root(top)
        directory = enter(root, location.subdirectory)
        snapshot, withheld = _record(root, home, notify)
        return Source(
            location.text,
            os.fspath(location.path) if location.path and not location.subdirectory else location.text,
            "archive",
            directory,
            root,
            location.subdirectory,
            tree=snapshot.tree if snapshot else None,
            large_files=snapshot.large_files if snapshot else (),
            withheld=withheld,
            lease=stack.pop_all(),
        )


def _keep(location: Archive, home: Home, notify: Callable[[str], None]) -> Path:
    """Put the archive into the home; returns its directory, which is named after its content."""
    import tempfile

    from bis.file_digests import sha256_of

    home.ensure(home.archives)
    if location.path:
        kept = home.archives / sha256_of(location.path)
        if (kept / "archive").is_file():
            return kept
    descriptor, name = tempfile.mkstemp(dir=home.archives, prefix="incoming-")
    os.close(descriptor)
    incoming = Path(name)
    try:
        if location.path:
            shutil.copyfile(location.path, incoming)
        elif location.url:
            notify(f"downloading {location.text}")
            download(location.url, incoming, location.credentials, shown=location.text)
        place = home.archives / sha256_of(incoming)
        with exclusive(place / "lock"):
            if not (place / "archive").is_file():
                incoming.replace(place / "archive")
    except OSError as error:
        raise SourceError(f"cannot keep {location.text} in {home.archives}: {error.strerror}") from error
    finally:
        incoming.unlink(missing_ok=True)
    return place


def _lease(place: Path, shown: str, stack: ExitStack) -> Path:
    lock = hold_first_free((place / f"tree-{number}.lock" for number in itertools.count()), stack)
    tree = lock.with_suffix("")
    _make_pristine(place, tree, shown)
    return tree


def _make_pristine(place: Path, tree: Path, shown: str) -> None:
    """Unpack, unless all files still are as they were unpacked; the list of them is written last."""
    listing = tree.with_suffix(".json")
    try:
        if json.loads(listing.read_text()) == _list(tree):
            return
    except (FileNotFoundError, ValueError):
        pass
    listing.unlink(missing_ok=True)
    remove(tree)
    aside = tree.with_suffix(".new")
    remove(aside)
    try:
        unpack(place / "archive", aside, shown=shown)
        aside.replace(tree)
    except BaseException:
        remove(aside)
        raise
    listing.write_text(json.dumps(_list(tree)))


def _list(tree: Path) -> dict[str, list[int]]:
    """The stamp of each file below ``tree``, and each directory by its mode."""
    found = {}
    for place, directories, files in os.walk(tree):
        for name in files:
            path = Path(place, name)
            found[os.path.relpath(path, tree)] = list(Stamp.of(path.lstat()))
        for name in directories:
            path = Path(place, name)
            found[os.path.relpath(path, tree)] = [path.lstat().st_mode]
    return found


def _project_root(top: Path) -> Path:
    """The single top folder, as GitHub makes it, unless the project lies at the top."""
    entries = list(top.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else top


def _record(root: Path, home: Home, notify: Callable[[str], None]) -> tuple[Snapshot | None, tuple[str, ...]]:
    try:
        with recording(root, home) as recorder:
            candidates = list_plain(recorder.store, root)
            snapshot = recorder.finish(candidates)
    except GitMissingError:
        notify(NOT_REPEATABLE)
        return None, ()
    return snapshot, tuple(map(os.fsdecode, candidates.withheld))
