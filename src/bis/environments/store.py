"""The environments that are kept in BIS_HOME: listed, shown, checked for edits, removed."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from bis.environments.environment import STATE_FILE, lock_path
from bis.environments.locks import Lock
from bis.environments.places import LOCK_COPY
from bis.errors import UsageError
from bis.file_locks import exclusive_if_free
from bis.home_files import home_errors, read_document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from bis.home import Home


@dataclass(frozen=True)
class StoredEnvironment:
    """An environment in BIS_HOME."""

    digest: str
    manager: str
    prefix: Path
    python: str
    """The version of its interpreter, "" where it has none."""
    packages: int
    created: datetime
    last_used: datetime
    size_bytes: int
    """Of all its files, those too that it shares with uv's cache."""
    own_bytes: int
    """What removing it would free."""


def list_environments(home: Home) -> list[StoredEnvironment]:
    """Return the environments, the one used last first."""
    found = [_stored(prefix, state) for prefix, state in _states(home)]
    return sorted(found, key=lambda each: each.last_used, reverse=True)


def show_environment(home: Home, digest_prefix: str) -> tuple[StoredEnvironment, Lock]:
    """Return the environment whose digest begins so, with its lock; raise UsageError for none or several."""
    found = [(prefix, state) for prefix, state in _states(home) if state["digest"].startswith(digest_prefix)]
    if len(found) != 1:
        problem = f"{len(found)} environments begin" if found else "no environment begins"
        raise UsageError(f"{problem} with {digest_prefix!r}", hint="`bis env list` shows them all.")
    prefix, state = found[0]
    lock = Lock.from_dict(json.loads((prefix / LOCK_COPY).read_text("utf-8")))
    return _stored(prefix, state), lock


def changed_files(prefix: Path) -> list[Path]:
    """Return the installed files that were edited after the environment was built, bytecode left out."""
    built = (prefix / LOCK_COPY).stat().st_mtime_ns
    library = prefix / "lib"
    entries = (
        (entry for entry in _entries(library) if "__pycache__" not in entry.path) if library.is_dir() else ()
    )
    return sorted(prefix / os.path.relpath(entry.path, prefix) for entry in entries if _mtime(entry) > built)


def prune_environments(
    home: Home,
    *,
    older_than_days: float = 0,
    needed: Collection[str] = (),
    keep_bytes: int | None = None,
    dry_run: bool = False,
) -> list[StoredEnvironment]:
    """Remove the environments last used so long ago, not ``needed`` (digests), and not in use now.

    With ``keep_bytes`` the ones used last stay as long as they fit into that many. What killed builds have left goes as
    well. Returns those that were removed, or with ``dry_run`` would be.
    """
    limit = time.time() - older_than_days * 24 * 60 * 60
    removed = []
    kept_bytes = 0
    for found in list_environments(home):
        fits = keep_bytes is not None and kept_bytes + found.size_bytes <= keep_bytes
        if fits or found.last_used.timestamp() > limit or found.digest in needed:
            kept_bytes += found.size_bytes
            continue
        with home_errors("remove environments"), exclusive_if_free(lock_path(found.prefix)) as free:
            if free:
                removed.append(found)
                if not dry_run:
                    _remove(found.prefix)
            else:
                kept_bytes += found.size_bytes
    if not dry_run:
        _remove_leftovers(home)
    return removed[::-1]


def _states(home: Home) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in sorted(home.environments.glob(f"*/{STATE_FILE}")):
        if ".building-" in path.parent.name:
            continue
        state = read_document(path)
        if state and "digest" in state:  # else removed meanwhile, or cut short: not an environment
            yield path.parent, state


def _stored(prefix: Path, state: dict[str, Any]) -> StoredEnvironment:
    sizes = [(status.st_size, status.st_nlink) for status in map(_status, _entries(prefix))]
    return StoredEnvironment(
        digest=state["digest"],
        manager=state["manager"],
        prefix=prefix,
        python=state["python"],
        packages=state["packages"],
        created=datetime.fromisoformat(state["created"]),
        last_used=datetime.fromtimestamp((prefix / STATE_FILE).stat().st_mtime, timezone.utc),
        size_bytes=sum(size for size, _ in sizes),
        own_bytes=sum(size for size, links in sizes if links == 1),
    )


def _status(entry: os.DirEntry[str]) -> os.stat_result:
    return entry.stat(follow_symlinks=False)


def _mtime(entry: os.DirEntry[str]) -> int:
    return _status(entry).st_mtime_ns


def _entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    """Give every file below a directory."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)
            else:
                yield entry


def _remove(prefix: Path) -> None:
    """Remove an environment, its state first: cut short, it is none."""
    import shutil  # not at the start of each run

    (prefix / STATE_FILE).unlink()
    shutil.rmtree(prefix)


def _remove_leftovers(home: Home) -> None:
    import shutil

    for path in list(home.environments.glob("*")):
        owner = path.with_name(path.name.partition(".building-")[0])
        if path.is_dir() and not (owner == path and (path / STATE_FILE).exists()):
            with exclusive_if_free(lock_path(owner)) as free:
                if free:
                    shutil.rmtree(path, ignore_errors=True)
