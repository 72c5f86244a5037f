"""Work trees by commit: leased to one run at a time, and exactly the commit when they are.

``trees/<commit>`` is the first one of a commit; while it is leased another run gets ``trees/<commit>-1``.
Beside each lie its lock, its indexes, and ``<name>.json``: written last, so a tree without it is half made
and made anew.
"""

from __future__ import annotations

import itertools
import json
import os
from contextlib import ExitStack
from dataclasses import asdict, astuple, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bis.file_locks import hold_first_free
from bis.file_stamps import Stamp
from bis.home_files import read_document, replace_text
from bis.sources import large_files, lfs
from bis.sources.candidates import Candidates
from bis.sources.checkouts import Checkout, remove
from bis.sources.object_store import ObjectStore
from bis.sources.snapshot_state import Snapshot
from bis.sources.snapshots import recording
from bis.sources.source import LargeFile
from bis.sources.submodules import Repository, populate

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.home import Home
    from bis.sources.remotes import Cache

_FORMAT = 1


@dataclass(frozen=True)
class WorkTree:
    """A leased tree; ``lease`` gives it back when closed."""

    directory: Path
    snapshot: Snapshot
    committed_at: datetime
    lease: ExitStack


@dataclass(frozen=True)
class _State:
    """What is known of a finished tree. ``parts`` are its checkouts: the commit, then its submodules."""

    parts: tuple[Checkout, ...]
    lfs: dict[str, Stamp]
    snapshot: Snapshot
    limit_bytes: int
    committed_at: int


def lease(
    cache: Cache, commit: str, *, repository: Repository, home: Home, notify: Callable[[str], None]
) -> WorkTree:
    """A tree of ``commit``, which is fetched when it is not in ``cache``."""
    with ExitStack() as stack:
        directory = _take_free(cache.trees, commit, stack)
        state = _reuse(directory, home) or _make(
            directory, cache, commit, repository=repository, home=home, notify=notify
        )
        time = datetime.fromtimestamp(state.committed_at, timezone.utc)
        return WorkTree(directory, state.snapshot, time, stack.pop_all())


def _take_free(trees: Path, commit: str, stack: ExitStack) -> Path:
    names = (f"{commit}-{number}" if number else commit for number in itertools.count())
    return hold_first_free((trees / f"{name}.lock" for name in names), stack).with_suffix("")


def _reuse(directory: Path, home: Home) -> _State | None:
    """The tree as it was left, brought back to the commit; None when it has to be made anew."""
    state = _read(_state_file(directory))
    if state is None or state.limit_bytes != large_files.limit_bytes():
        return None
    if not ObjectStore.open(home).has_tree(state.snapshot.tree):
        return None
    if not all(part.is_usable() for part in state.parts):
        return None
    if any(_stamp(directory / path) != stamp for path, stamp in state.lfs.items()):
        return None
    spoilt = [part for part in state.parts if not part.is_pristine()]
    if spoilt and state.lfs:
        return None  # cleaning would bring the pointers back
    for part in spoilt:
        part.clean()
    return state


def _make(
    directory: Path,
    cache: Cache,
    commit: str,
    *,
    repository: Repository,
    home: Home,
    notify: Callable[[str], None],
) -> _State:
    cache.fetch(commit, notify)
    _state_file(directory).unlink(missing_ok=True)
    remove(directory)
    indexes = directory.with_name(f"{directory.name}.indexes")
    remove(indexes)
    top = Checkout.of(cache, commit, directory, indexes / "0", repository.url)
    top.make()
    parts = [top]
    numbers = itertools.count(1)
    parts += populate(
        top, repository, home=home, notify=notify, new_index=lambda: indexes / str(next(numbers))
    )
    stamps: dict[str, Stamp] = {}
    for part in parts:
        for path in lfs.complete(part, repository.credentials, storage=cache.directory / "lfs"):
            file = part.directory / path
            stamps[os.path.relpath(file, directory)] = Stamp.of(file.lstat())
    with recording(directory, home) as recorder:
        snapshot = recorder.finish(Candidates(tracked=top.tracked()))
    seconds = int(top.ask("log", "-1", "--format=%ct", "--no-show-signature", commit).text)
    state = _State(tuple(parts), stamps, snapshot, large_files.limit_bytes(), seconds)
    _write(_state_file(directory), state)
    return state


def _stamp(path: Path) -> Stamp | None:
    try:
        return Stamp.of(path.lstat())
    except OSError:
        return None


def _state_file(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.json")


def _write(file: Path, state: _State) -> None:
    document = {
        "format": _FORMAT,
        "parts": [{key: str(value) for key, value in asdict(part).items()} for part in state.parts],
        "lfs": [[path, *stamp] for path, stamp in state.lfs.items()],
        "tree": state.snapshot.tree,
        "large": [astuple(each) for each in state.snapshot.large_files],
        "limit_bytes": state.limit_bytes,
        "committed_at": state.committed_at,
    }
    replace_text(file, json.dumps(document), durable=False)


def _read(file: Path) -> _State | None:
    document = read_document(file)
    if document is None or document.get("format") != _FORMAT:
        return None
    return _State(
        tuple(_checkout(part) for part in document["parts"]),
        {path: Stamp(*stamp) for path, *stamp in document["lfs"]},
        Snapshot(document["tree"], tuple(LargeFile(*each) for each in document["large"])),
        document["limit_bytes"],
        document["committed_at"],
    )


def _checkout(part: dict[str, str]) -> Checkout:
    return Checkout(
        Path(part["directory"]), Path(part["index"]), part["commit"], part["url"], Path(part["objects"])
    )
