"""Runs that have not ended, and those that were left behind: how a later bis knows that one has died.

Each run holds a directory under ``home.running`` and, in it, a file locked with ``flock`` for as long as the
process lives. The kernel gives the lock back whatever ends the process, so a lock that can be taken is a run that
was left behind. No clock is asked, so none can mislead.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bis.errors import BisError, RunNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bis.home import Home

_ALIVE = "alive"
_RUN = "run.json"
LOG = "output.log"
REPORT_MARK = "begun"
"""A file of the report directory, made just before the command starts: its time is the beginning of the run by the
clock that files have."""


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
        self._left = False

    @classmethod
    def create(cls, home: Home) -> RunningDirectory:
        """A new directory, locked before its final name is visible to others."""
        home.ensure(home.running)
        while (made := cls._made(home)) is None:
            pass
        return made

    @classmethod
    def _made(cls, home: Home) -> RunningDirectory | None:
        """A new directory, or None when a sweep has taken it, before it was locked, for one that was left behind."""
        name = os.urandom(16).hex()
        aside = home.running / f".{name}"
        aside.mkdir()
        lock = os.open(aside / _ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            aside.rename(home.running / name)
        except (BlockingIOError, FileNotFoundError):
            os.close(lock)
            return None
        return cls(home.running / name, lock)

    @property
    def token(self) -> str:
        """32 hex digits, unique: the id of the run where the store lets bis choose it."""
        return self.path.name

    @property
    def log(self) -> Path:
        """What the command writes, standard output and standard error as they came."""
        return self.path / LOG

    @property
    def report(self) -> Path:
        """What the processes of the run have said of themselves, a file each."""
        return self.path / "report"

    def belong_to(self, owner: Owner) -> None:
        """Write down, in one step, whose run this is."""
        aside = self.path / f"{_RUN}.new"
        aside.write_text(json.dumps(asdict(owner)), encoding="utf-8")
        aside.replace(self.path / _RUN)

    def leave(self) -> None:
        """Keep the directory when it is closed: the run could not be ended, and a later bis is to do it."""
        self._left = True

    def close(self) -> None:
        """Delete the directory and give the lock back. What cannot be deleted now is swept later."""
        if not self._left:
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


def sweep(home: Home, *, notify: Callable[[str], None]) -> None:
    """Mark FAILED every run of this home that was left behind, and keep the output it had.

    One whose server does not answer is left for the next time.
    """
    with abandoned(home) as found:
        for path, owner in found:
            if owner is None or _end(home, owner, path, notify):
                _remove_tree(path)


def _end(home: Home, owner: Owner, path: Path, notify: Callable[[str], None]) -> bool:
    """End one run; False when it has to be tried again."""
    from bis.tracking import RunStatus, Tag, open_store, tags  # only when something was left behind

    try:
        store = open_store(home, owner.tracking_uri)
        try:
            run = store.run(owner.run_id)
            if run.info.status.is_terminated:
                return True
            log = path / LOG
            ended_ms = int(log.stat().st_mtime * 1000) if log.exists() else time.time_ns() // 1_000_000
            if log.exists():
                store.log_artifact(owner.run_id, log, "bis")
            store.log_batch(owner.run_id, tags=[Tag(tags.ABANDONED, "true")])
            store.update_run(
                owner.run_id, status=RunStatus.FAILED, end_time=max(ended_ms, run.info.start_time)
            )
        finally:
            store.close()
    except RunNotFoundError:
        return True  # the process died before the run was made
    except BisError as error:
        notify(f"run {owner.run_id} was left behind and could not be ended: {error.message}")
        return False
    notify(f"run {owner.run_id} had lost its bis and was marked FAILED")
    return True


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
