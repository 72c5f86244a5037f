"""Fetches a project: from the words of the user to a directory that can be run."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from bis.errors import HomeError, SourceError
from bis.sources.locations import Archive, LocalPath, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.errors import BisError
    from bis.home import Home
    from bis.sources.locations import Location
    from bis.sources.source import Source

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def fetch(uri: str, version: str | None, *, home: Home, notify: Callable[[str], None]) -> Source:
    """The Source that ``uri`` names, at ``version`` (a branch, tag, commit or revision of a Git repository).

    A local directory without a version is run in place. Anything else gives a leased tree in the home, which
    is exactly what was asked for; ``Source.close`` gives it back. Raises SourceError, or HomeError when
    the home cannot be written, with a way out.
    """
    try:
        return _go(parse(uri, version), home, notify)
    except OSError as error:
        raise _explain(error, home) from error


def _go(location: Location, home: Home, notify: Callable[[str], None]) -> Source:
    if isinstance(location, Archive):
        from bis.sources.archives import from_archive  # the start of a local project does not pay for it

        return from_archive(location, home=home, notify=notify)
    if isinstance(location, LocalPath) and not location.version and not location.as_repository:
        from bis.sources.directories import from_directory

        return from_directory(location, home=home, notify=notify)
    from bis.sources.repositories import from_repository

    return from_repository(location, home=home, notify=notify)


def _explain(error: OSError, home: Home) -> BisError:
    """A full disk, missing rights: in the home, or where the project lies."""
    place = os.fsdecode(error.filename) if error.filename else ""
    if error.errno in DISK_ERRORS or place.startswith(str(home.root)):
        return HomeError(
            f"cannot write {place or home.root}: {error.strerror}",
            hint="Make room, or set BIS_HOME to a directory that you can write to.",
        )
    return SourceError(f"cannot read {place}: {error.strerror}")
