"""Locks between processes: an ``flock``, given back when its owner ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from bis.errors import HomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


@contextlib.contextmanager
def exclusive(file: Path, waiting: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold the lock of ``file`` alone, and give its descriptor; ``waiting`` is called when another has it."""
    with _opened(file) as descriptor:
        if not _take_at_once(descriptor):
            if waiting is not None:
                waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor


@contextlib.contextmanager
def shared(file: Path) -> Iterator[None]:
    """Hold the lock of ``file`` together with others who share it, waiting for one who holds it alone."""
    with _opened(file) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def exclusive_if_free(file: Path) -> Iterator[bool]:
    """Hold the lock of ``file`` alone when nobody else has it; gives whether it is held."""
    with _opened(file) as descriptor:
        yield _take_at_once(descriptor)


def hold_first_free(files: Iterable[Path], stack: contextlib.ExitStack) -> Path:
    """Hold alone, until ``stack`` is closed, the first of endlessly many locks that nobody has; returns its file."""
    for file in files:
        with contextlib.ExitStack() as attempt:
            if attempt.enter_context(exclusive_if_free(file)):
                stack.push(attempt.pop_all())
                return file
    raise AssertionError("files have no end")


def _take_at_once(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[int]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HomeError(
            f"cannot write {file}: {error.strerror}",
            hint="Set BIS_HOME to a directory that you can write to.",
        ) from error
    try:
        yield descriptor
    finally:
        # Closing is not enough: a child that another thread has just forked shares the lock until it executes.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)
