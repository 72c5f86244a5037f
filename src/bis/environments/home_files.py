"""Files in BIS_HOME that several processes use: written whole or not at all, and locks between processes."""

from __future__ import annotations

import _thread
import contextlib
import errno
import os
from typing import TYPE_CHECKING

from bis.errors import HomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_OF_THE_HOME = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR}


@contextlib.contextmanager
def home_errors(doing: str) -> Iterator[None]:
    """Turn a full disk or missing permission into a HomeError; other errors of the system pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_HOME:
            raise
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        place = f" {error.filename}" if error.filename else ""
        raise HomeError(
            f"cannot {doing}:{place} {error.strerror}",
            hint="Free some space; `bis env prune` removes environments that are not used."
            if full
            else "Set BIS_HOME to a directory that you can write to.",
        ) from error


def replace_text(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all, after a crash too."""
    aside = path.with_name(f"{path.name}.{os.getpid()}-{_thread.get_ident()}.new")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


@contextlib.contextmanager
def exclusive(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[int]:
    """Hold the exclusive lock of a file, give its descriptor; ``waiting`` is called when another has it."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting:
                waiting()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold the shared lock of a file: many may, while no one holds it exclusively."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def exclusive_if_free(path: Path) -> Iterator[bool]:
    """Hold the exclusive lock and give True, or give False at once when anyone holds it."""
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
