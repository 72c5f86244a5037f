"""From what the user calls a version to a commit.

A branch, HEAD and a tag are asked for at every run, since they move (a tag too: ``latest``, ``nightly``). A
full commit that is in the cache, and a short one of seven digits or more that names one there, ask nobody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import SourceError, did_you_mean
from bis.sources import git

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from bis.sources.remotes import Cache

_FULL = re.compile(r"[0-9a-fA-F]{40}")
_SHORT = re.compile(r"[0-9a-fA-F]{4,39}")
_RELATIVE = re.compile(r"(?P<name>[^~^]+)(?P<steps>[~^].*)?")
_RELIABLE_DIGITS = 7  # Git's own length for the short name of a commit


@dataclass(frozen=True)
class Revision:
    """A commit, and the branch that it was asked for as."""

    commit: str
    branch: str | None = None


def resolve(cache: Cache, version: str | None, notify: Callable[[str], None]) -> Revision:
    """The commit that ``version`` (default: the remote's HEAD) names in the remote of ``cache``."""
    if version is None or version == "HEAD":
        return _head(cache)
    if _FULL.fullmatch(version):
        return Revision(version.lower())
    if _SHORT.fullmatch(version) and len(version) >= _RELIABLE_DIGITS:
        here = cache.starting_with(version.lower())
        if len(here) == 1:
            return Revision(here[0])
    parts = _RELATIVE.fullmatch(version)
    name, steps = (parts["name"], parts["steps"]) if parts else (version, None)
    found = Revision(name.lower()) if _FULL.fullmatch(name) else _by_name(cache, name, notify)
    if found and not steps:
        return found
    start = found.commit if found else name
    commit = _in_history(cache, f"{start}{steps or ''}", None if found else name)
    if commit is None:
        raise no_such_version(version, cache.origin.url, _names(cache))
    return Revision(commit)


def resolve_tree(cache: Cache, tree: str) -> tuple[Revision, str, str]:
    """The revision, its name and the subdirectory in the ``branch/sub/directory`` of a web page's address."""
    try:
        refs = cache.list_refs()
    except git.GitFailedError as error:
        raise cache.explain(error) from error
    parts = tree.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        found = _pick(refs, name)
        if found:
            return found, name, "/".join(parts[count:])
    if _FULL.fullmatch(parts[0]):
        return Revision(parts[0].lower()), parts[0], "/".join(parts[1:])
    raise no_such_version(parts[0], cache.origin.url, _plain_names(refs))


def resolve_local(repository: Path, version: str | None) -> Revision:
    """The commit that ``version`` (default: HEAD) names in a repository here, which is only read."""
    git_dir = find_git_directory(repository)
    for name in (version, f"refs/remotes/origin/{version}") if version else ("HEAD",):
        wanted = f"{name}^{{commit}}"
        result = git.start("--git-dir", git_dir, "rev-parse", "--verify", wanted).finish()
        if result.status == 0:
            return Revision(result.text, _local_branch(git_dir, version or "HEAD"))
        if "ambiguous" in result.errors:
            raise SourceError(f"{version!r} is the begin of more than one commit", hint="Give more of it.")
    if version is None:
        raise SourceError(f"the repository {repository} has no commit yet", hint="Run the directory itself.")
    refs = git.start("--git-dir", git_dir, "for-each-ref", "--format=%(refname:short)").finish()
    raise no_such_version(version, str(repository), refs.text.splitlines())


def find_git_directory(repository: Path) -> Path:
    """The Git directory of a work tree; a bare repository is one itself."""
    return repository / ".git" if (repository / ".git").exists() else repository


def no_such_version(version: str, place: str, names: Iterable[str]) -> SourceError:
    """The error for a version that the repository does not have."""
    near = did_you_mean(version, names)
    return SourceError(
        f"there is no branch, tag or commit {version!r} in {place}",
        hint=near or "Give a branch, a tag or a commit that is pushed there.",
    )


def _head(cache: Cache) -> Revision:
    try:
        refs = cache.list_refs("HEAD")
    except git.GitFailedError as error:
        raise _offline(cache, "HEAD", error) from error
    commit = refs.get("HEAD")
    if commit is None:
        raise SourceError(
            f"{cache.origin.url} has no default branch, or no commit yet", hint="Give a version: -v BRANCH."
        )
    branch = refs.get("ref: HEAD", "")
    cache.remember("HEAD", commit)
    return Revision(commit, branch.removeprefix("refs/heads/") or None)


def _by_name(cache: Cache, name: str, notify: Callable[[str], None]) -> Revision | None:
    """The tag or branch ``name``, asked of the remote."""
    if name == "HEAD":
        return _head(cache)
    names = [name] if name.startswith("refs/") else [f"refs/tags/{name}", f"refs/heads/{name}"]
    if name.startswith("origin/"):
        names.append(f"refs/heads/{name.removeprefix('origin/')}")
    try:
        refs = cache.list_refs(*(pattern for each in names for pattern in (each, f"{each}^{{}}")))
    except git.GitFailedError as error:
        known = cache.recall(f"tag {name}")
        if known is None:
            raise _offline(cache, f"branch {name}", error) from error
        notify(f"{cache.origin.url} cannot be asked; the tag {name!r} was {known[:12]} the last time")
        return Revision(known)
    found = _pick(refs, name)
    if found:
        cache.remember(f"branch {name}" if found.branch else f"tag {name}", found.commit)
        if not found.branch and f"refs/heads/{name}" in refs:
            notify(f"{name!r} is a tag and a branch; the tag is used, as Git does")
    return found


def _pick(refs: dict[str, str], name: str) -> Revision | None:
    """Tags before branches, as gitrevisions(7) says; an annotated tag is followed to its commit."""
    for full in (name, f"refs/tags/{name}"):
        commit = refs.get(f"{full}^{{}}") or refs.get(full)
        if commit and full.startswith("refs/"):
            branch = full.removeprefix("refs/heads/") if full.startswith("refs/heads/") else None
            return Revision(commit, branch)
    for branch in (name, name.removeprefix("origin/")):
        commit = refs.get(f"refs/heads/{branch}")
        if commit:
            return Revision(commit, branch)
    return None


def _in_history(cache: Cache, revision: str, name: str | None) -> str | None:
    """Look ``revision`` up, in what is here first; a ``name`` that is no ref must be a short commit."""
    if name is not None and not _SHORT.fullmatch(name):
        return None
    return cache.find_in_history(revision, refresh=False) or cache.find_in_history(revision, refresh=True)


def _offline(cache: Cache, name: str, error: git.GitFailedError) -> SourceError:
    explained = cache.explain(error)
    known = cache.recall(name)
    if known:
        explained.hint = f"The last time it was {known}: -v {known[:12]} needs no network."
    return explained


def _names(cache: Cache) -> list[str]:
    try:
        return _plain_names(cache.list_refs())
    except git.GitFailedError:
        return []


def _plain_names(refs: dict[str, str]) -> list[str]:
    return [name.split("/", 2)[2] for name in refs if name.startswith(("refs/heads/", "refs/tags/"))]


def _local_branch(git_dir: Path, name: str) -> str | None:
    full = git.start("--git-dir", git_dir, "rev-parse", "--symbolic-full-name", name).finish()
    text = full.text.splitlines()[-1] if full.text else ""
    return text.removeprefix("refs/heads/") if text.startswith("refs/heads/") else None
