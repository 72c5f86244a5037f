"""A project in a Git repository, elsewhere or here, at one commit: checked out in the home."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.sources import revisions
from bis.sources.directories import enter, find_root, first_remote, is_ignored, source_name
from bis.sources.locations import LocalPath, Remote, check_subdirectory
from bis.sources.remotes import Cache, Origin
from bis.sources.source import Source
from bis.sources.submodules import Repository
from bis.sources.work_trees import WorkTree, lease

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.home import Home


def from_repository(location: LocalPath | Remote, *, home: Home, notify: Callable[[str], None]) -> Source:
    """The Source of a commit, in a work tree of its own."""
    if isinstance(location, Remote):
        return _from_remote(location, home, notify)
    return _from_local(location, home, notify)


def _from_remote(location: Remote, home: Home, notify: Callable[[str], None]) -> Source:
    cache = Cache.open(Origin(location.url, location.credentials), home)
    version, subdirectory = location.version, location.subdirectory
    if location.tree:
        revision, version, inner = revisions.resolve_tree(cache, location.tree)
        subdirectory = check_subdirectory(f"{inner}/{subdirectory}")
    else:
        revision = revisions.resolve(cache, version, notify)
    repository = Repository(location.url, location.credentials)
    tree = lease(cache, revision.commit, repository=repository, home=home, notify=notify)
    return _source(
        tree,
        subdirectory,
        uri=location.text,
        name=location.text,
        version=version,
        revision=revision,
        repo_url=location.url,
    )


def _from_local(location: LocalPath, home: Home, notify: Callable[[str], None]) -> Source:
    root, subdirectory = _find_repository(location)
    revision = revisions.resolve_local(root, location.version)
    repo_url = first_remote(root)
    git_directory = _common_directory(root)
    repository = Repository(repo_url or str(root), is_local=True, git_directory=git_directory)
    cache = Cache.open(Origin(str(root), is_local=True), home)
    tree = lease(cache, revision.commit, repository=repository, home=home, notify=notify)
    return _source(
        tree,
        subdirectory,
        uri=location.text,
        name=source_name(root, subdirectory),
        version=location.version,
        revision=revision,
        repo_url=repo_url,
    )


def _find_repository(location: LocalPath) -> tuple[Path, str]:
    """The top of the repository and the project's way from there."""
    if location.as_repository and not (location.path / ".git").exists():
        return Path(os.path.realpath(location.path)), location.subdirectory
    root = find_root(location.path)
    if root is None or (root != Path(os.path.realpath(location.path)) and is_ignored(root, location.path)):
        raise SourceError(
            f"{location.path} is not a Git repository, so it has no version {location.version or 'HEAD'!r}",
            hint="Leave the version out to run the directory as it is.",
        )
    inner = Path(os.path.relpath(os.path.realpath(location.path), root)).as_posix()
    return root, check_subdirectory(f"{inner}/{location.subdirectory}")


def _common_directory(root: Path) -> Path:
    from bis.sources import git

    result = git.run(
        "--git-dir", revisions.find_git_directory(root), "rev-parse", "--git-common-dir", cwd=root
    )
    return root / result.text


def _source(
    tree: WorkTree,
    subdirectory: str,
    *,
    uri: str,
    name: str,
    version: str | None,
    revision: revisions.Revision,
    repo_url: str | None,
) -> Source:
    try:
        directory = _inside(tree.directory, subdirectory, revision.commit)
    except BaseException:
        tree.lease.close()
        raise
    return Source(
        uri,
        name,
        "git",
        directory,
        tree.directory,
        subdirectory,
        version=version,
        commit=revision.commit,
        branch=revision.branch,
        repo_url=repo_url,
        tree=tree.snapshot.tree,
        committed_at=tree.committed_at,
        large_files=tree.snapshot.large_files,
        lease=tree.lease,
    )


def _inside(root: Path, subdirectory: str, commit: str) -> Path:
    try:
        directory = enter(root, subdirectory)
    except SourceError as error:
        raise SourceError(
            f"there is no subdirectory {subdirectory!r} in commit {commit[:12]}", hint=error.hint
        ) from error
    if not Path(os.path.realpath(directory)).is_relative_to(os.path.realpath(root)):
        raise SourceError(f"the subdirectory {subdirectory!r} is a link that leaves the repository")
    return directory
