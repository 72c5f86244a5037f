"""Runs that have not ended: how a later bis knows that the process behind one has died.

Each run holds a directory under ``home.running`` and, in it, a file locked with ``flock`` for as long as the
process lives. The kernel gives the lock back whatever ends the process, so a lock that can be taken is a run that
was left behind. No clock is asked, so none can mislead.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.home import Home

_ALIVE = "alive"
_RUN = "run.json"
LOG = "output.log"


@dataclass(frozen=True)
class Owner:
    """Which run of which store a running directory belongs to."""

    run_id: str
    tracking_uri: str | None
    """The tracking server's URI without credentials, or None for the home's own store."""


class RunningDirectory:
    """The directory of one live run: its lock, its log, its downloads. Removed when the run has ended."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def create(cls, home: Home) -> RunningDirectory:
        """A new directory, locked before its final name is visible to others."""
        home.ensure(home.running)
        name = uuid.uuid4().hex
        aside = home.running / f".{name}"
        aside.mkdir()
        lock = os.open(aside / _ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = home.running / name
        aside.rename(path)
        return cls(path, lock)

    @property
    def token(self) -> str:
        """32 hex digits, unique: the id of the run where the store lets bis choose it."""
        return self.path.name

    @property
    def log(self) -> Path:
        """What the command writes, standard output and standard error as they came."""
        return self.path / LOG

    def belong_to(self, owner: Owner) -> None:
        """Write down, in one step, whose run this is."""
        aside = self.path / f"{_RUN}.new"
        aside.write_text(json.dumps(asdict(owner)), encoding="utf-8")
        aside.replace(self.path / _RUN)

    def remove(self) -> None:
        """Delete the directory and give the lock back. What cannot be deleted now is swept later."""
        _remove_tree(self.path)
        os.close(self._lock)


def live_directory(home: Home, run_id: str) -> Path | None:
    """The running directory of ``run_id``, or None when no live process holds it."""
    for path in _entries(home):
        owner = _read_owner(path)
        if owner is not None and owner.run_id == run_id:
            return path
    return None


@contextmanager
def abandoned(home: Home) -> Iterator[list[tuple[Path, Owner | None]]]:
    """The running directories whose process has died, held so that no other bis takes care of them as well."""
    locks: list[int] = []
    found: list[tuple[Path, Owner | None]] = []
    for path in _entries(home):
        lock = _take(path / _ALIVE)
        if lock is not None:
            locks.append(lock)
            found.append((path, _read_owner(path)))
    try:
        yield found
    finally:
        for lock in locks:
            os.close(lock)


def discard(path: Path) -> None:
    """Delete an abandoned running directory."""
    _remove_tree(path)


def _entries(home: Home) -> list[Path]:
    try:
        with os.scandir(home.running) as entries:
            return sorted(home.running / entry.name for entry in entries)
    except OSError:  # none has run yet, or the home cannot be read, which the store reports better
        return []


def _take(alive: Path) -> int | None:
    try:
        lock = os.open(alive, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


def _read_owner(path: Path) -> Owner | None:
    try:
        return Owner(**json.loads((path / _RUN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _remove_tree(path: Path) -> None:
    import shutil  # not needed before a run ends

    shutil.rmtree(path, ignore_errors=True)
