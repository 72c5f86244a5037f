"""Fetches a project: from the words of the user to a directory that can be run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.sources.locations import Archive, LocalPath, parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.home import Home
    from bis.sources.source import Source


def fetch(uri: str, version: str | None, *, home: Home, notify: Callable[[str], None]) -> Source:
    """The Source that ``uri`` names, at ``version`` (a branch, tag, commit or revision of a Git repository).

    A local directory without a version is run in place. Anything else gives a leased tree in the home, which
    is exactly what was asked for; ``Source.close`` gives it back. Raises SourceError, with a way out.
    """
    location = parse(uri, version)
    if isinstance(location, Archive):
        from bis.sources.archives import from_archive  # the start of a local project does not pay for it

        return from_archive(location, home=home, notify=notify)
    if isinstance(location, LocalPath) and not location.version and not location.as_repository:
        from bis.sources.directories import from_directory

        return from_directory(location, home=home, notify=notify)
    from bis.sources.repositories import from_repository

    return from_repository(location, home=home, notify=notify)
