"""Files in BIS_HOME that several processes use: written whole or not at all, and read so too."""

from __future__ import annotations

import _thread
import contextlib
import errno
import json
import os
from typing import TYPE_CHECKING, Any

from bis.errors import HomeError

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def read_document(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None when there is none, it is damaged, or it is no object."""
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def replace_text(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a file so that it is there whole or not at all; ``durable``: after a power failure too."""
    aside = path.with_name(f"{path.name}.{os.getpid()}-{_thread.get_ident()}.new")
    try:
        with aside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
