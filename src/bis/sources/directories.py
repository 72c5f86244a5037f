"""A project in a local directory: run in place, with what Git knows of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import SourceError, did_you_mean
from bis.sources import git
from bis.sources.candidates import Candidates, find_home, list_plain, split
from bis.sources.snapshots import recording
from bis.sources.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.home import Home
    from bis.sources.locations import LocalPath


@dataclass(frozen=True)
class _Facts:
    """What Git says of a work tree now."""

    candidates: Candidates
    dirty: bool
    commit: str | None
    branch: str | None
    committed_at: datetime | None
    repo_url: str | None


def from_directory(location: LocalPath, *, home: Home, notify: Callable[[str], None]) -> Source:
    """The Source of a directory that is run where it is."""
    directory = enter(location.path, location.subdirectory)
    try:
        root = find_root(directory)
        if root is None or (root != directory and is_ignored(root, directory)):
            return _plain(location, directory, home)
        return _in_repository(location, directory, root, home)
    except git.GitMissingError:
        notify(git.NOT_REPEATABLE)
        name = os.fspath(directory)
        return Source(location.text, name, "directory", directory, directory)


def enter(root: Path, subdirectory: str) -> Path:
    """The directory at ``subdirectory`` of ``root``; raise SourceError when it is not there."""
    directory = root / subdirectory if subdirectory else root
    if directory.is_dir():
        return directory
    parent = directory.parent
    near = did_you_mean(directory.name, (each.name for each in parent.iterdir())) if parent.is_dir() else None
    raise SourceError(f"there is no subdirectory {subdirectory!r} in {root}", hint=near)


def find_root(directory: Path) -> Path | None:
    """The top of the work tree that ``directory`` is in; None when it is in none."""
    result = git.start("rev-parse", "--is-inside-work-tree", "--show-cdup", cwd=directory).finish()
    inside, _, up = result.output.decode("utf-8", "surrogateescape").partition("\n")
    if result.status:
        if "not a git repository" in result.errors:
            return None
        raise git.failure("git rev-parse", result)
    if inside != "true":
        return None
    return Path(os.path.realpath(directory / up.removesuffix("\n")))


def is_ignored(root: Path, directory: Path) -> bool:
    """Whether the repository at ``root`` ignores ``directory``, which is then no part of it."""
    result = git.start("check-ignore", "--quiet", "--", os.path.realpath(directory), cwd=root).finish()
    return result.status == 0


def _plain(location: LocalPath, directory: Path, home: Home) -> Source:
    root = Path(os.path.realpath(directory))
    with recording(root, home) as recorder:
        candidates = list_plain(recorder.store, root, home=find_home(root, home))
        snapshot = recorder.finish(candidates)
    return Source(
        location.text,
        os.fspath(directory),
        "directory",
        directory,
        directory,
        tree=snapshot.tree,
        large_files=snapshot.large_files,
        withheld=tuple(map(os.fsdecode, candidates.withheld)),
    )


def _in_repository(location: LocalPath, directory: Path, root: Path, home: Home) -> Source:
    subdirectory = Path(os.path.relpath(os.path.realpath(directory), root)).as_posix()
    subdirectory = "" if subdirectory == "." else subdirectory
    with recording(root, home) as recorder:
        facts = _read_facts(root, find_home(root, home))
        snapshot = recorder.finish(facts.candidates)
    if facts.dirty and facts.commit and not (home.snapshots / "bases" / facts.commit).exists():
        from bis.sources.bases import keep_base  # once for each commit

        keep_base(root, facts.commit, home)
    return Source(
        location.text,
        source_name(root, subdirectory),
        "directory",
        directory,
        root,
        subdirectory,
        commit=facts.commit,
        branch=facts.branch,
        repo_url=facts.repo_url,
        dirty=facts.dirty,
        tree=snapshot.tree,
        committed_at=facts.committed_at,
        large_files=snapshot.large_files,
        withheld=tuple(map(os.fsdecode, facts.candidates.withheld)),
    )


def source_name(root: Path, subdirectory: str) -> str:
    """MLflow's name of a project in a local repository: ``file://TOP#SUBDIRECTORY``."""
    return f"file://{root}#{subdirectory}" if subdirectory else f"file://{root}"


def _read_facts(root: Path, home: bytes | None) -> _Facts:
    """Ask Git, all questions at once."""
    status = git.start(
        "status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--no-renames", cwd=root
    )
    tracked = git.start("ls-files", "-z", cwd=root)
    time = git.start("log", "-1", "--format=%ct", "--no-show-signature", cwd=root)
    urls = _start_remotes(root)
    lines = split(status.check().output)
    commit, branch, untracked, dirty = _read_status(lines)
    candidates = Candidates.of(tracked.check().output, untracked, home=home)
    seconds = time.finish().text
    return _Facts(
        candidates,
        dirty or bool(candidates.untracked),
        commit,
        branch,
        datetime.fromtimestamp(int(seconds), timezone.utc) if seconds.isdigit() else None,
        _first_url(urls.finish().output),
    )


def _read_status(lines: list[bytes]) -> tuple[str | None, str | None, list[bytes], bool]:
    """Commit, branch, untracked paths, and whether tracked files changed (git-status(1), porcelain v2)."""
    commit = branch = None
    untracked = []
    dirty = False
    for line in lines:
        if line.startswith(b"? "):
            untracked.append(line[2:])
        elif line.startswith(b"# branch.oid "):
            commit = line[13:].decode()
        elif line.startswith(b"# branch.head "):
            branch = os.fsdecode(line[14:])
        elif not line.startswith(b"#"):
            dirty = True
    return (
        None if commit == "(initial)" else commit,
        None if branch == "(detached)" else branch,
        untracked,
        dirty,
    )


def first_remote(repository: Path) -> str | None:
    """The URL of the first remote of a repository, without credentials."""
    return _first_url(_start_remotes(repository).finish().output)


def _start_remotes(repository: Path) -> git.Running:
    return git.start("config", "--null", "--get-regexp", r"^remote\..*\.url$", cwd=repository)


def _first_url(output: bytes) -> str | None:
    """The URL of the first remote, without credentials, as MLflow's tag has it."""
    from bis.sources.locations import without_credentials

    for entry in split(output):
        url = os.fsdecode(entry.partition(b"\n")[2])
        return without_credentials(url)
    return None
