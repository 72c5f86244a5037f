"""Submodules: each is fetched into a cache of its own and checked out in its place, theirs too."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.sources import git
from bis.sources.checkouts import Checkout
from bis.sources.locations import read_repository_url, submodule_url
from bis.sources.remotes import Cache, Origin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.home import Home
    from bis.sources.credentials import Credentials

_NESTING_LIMIT = 20  # a repository that is its own submodule never ends


@dataclass(frozen=True)
class Repository:
    """What submodules are found by: the URL of their parent, and its Git directory when it is here."""

    url: str
    credentials: Credentials | None = field(default=None, repr=False)
    is_local: bool = False
    git_directory: Path | None = None


def populate(
    parent: Checkout,
    repository: Repository,
    *,
    home: Home,
    notify: Callable[[str], None],
    new_index: Callable[[], Path],
    depth: int = 0,
) -> list[Checkout]:
    """Check out all submodules of ``parent``; returns them. ``new_index`` names a free index file."""
    entries = parent.submodules()
    if not entries:
        return []
    if depth == _NESTING_LIMIT:
        raise SourceError(f"the submodules of {repository.url} are nested more than {_NESTING_LIMIT} deep")
    made = []
    declared = _declared(parent)
    for path, commit in entries.items():
        if path not in declared:
            notify(f"{path} is a repository that .gitmodules does not name: it stays empty")
            continue
        name, url = declared[path]
        try:
            inner, cache = _find(name, url, commit, repository, home)
            cache.fetch(commit, notify)
            checkout = Checkout.of(cache, commit, parent.directory / path, new_index(), inner.url)
            checkout.make()
        except SourceError as error:
            raise SourceError(f"submodule {path}: {error.message}", hint=error.hint) from error
        made.append(checkout)
        made += populate(checkout, inner, home=home, notify=notify, new_index=new_index, depth=depth + 1)
    return made


def _declared(parent: Checkout) -> dict[str, tuple[str, str]]:
    """Name and URL of each path that the commit's own .gitmodules names."""
    found = parent.ask(
        "config",
        "-z",
        "--blob",
        f"{parent.commit}:.gitmodules",
        "--get-regexp",
        r"^submodule\..*\.(path|url)$",
    )
    values: dict[str, dict[str, str]] = {}
    for entry in found.output.split(b"\0"):
        key, newline, value = entry.partition(b"\n")
        if newline:
            name, _, field_name = os.fsdecode(key).removeprefix("submodule.").rpartition(".")
            values.setdefault(name, {})[field_name] = os.fsdecode(value)
    return {
        each["path"]: (name, each["url"]) for name, each in values.items() if "path" in each and "url" in each
    }


def _find(name: str, url: str, commit: str, parent: Repository, home: Home) -> tuple[Repository, Cache]:
    """Where the submodule's commit comes from: the user's own copy when there is one, else its URL."""
    absolute = submodule_url(url, parent.url, parent_is_local=parent.is_local)
    address, credentials, is_local = read_repository_url(absolute)
    if credentials is None and parent.credentials and address.startswith(parent.credentials.server + "/"):
        credentials = parent.credentials
    own = _own_copy(parent.git_directory, name, commit)
    inner = Repository(address, credentials, parent.is_local and (is_local or own is not None), own)
    origin = Origin(str(own), is_local=True) if own else Origin(address, credentials, is_local)
    return inner, Cache.open(origin, home)


def _own_copy(git_directory: Path | None, name: str, commit: str) -> Path | None:
    if git_directory is None or ".." in name.split("/"):
        return None
    own = git_directory / "modules" / name
    if not own.is_dir():
        return None
    result = git.start("--git-dir", own, "cat-file", "-e", f"{commit}^{{commit}}").finish()
    return own if result.status == 0 else None
