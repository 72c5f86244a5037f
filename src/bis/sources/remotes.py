"""The cache of one remote repository: a bare repository that has the commits which were asked for.

Each commit is fetched alone (depth 1, all its files), and the ref ``refs/bis/commits/<commit>`` is made when
it is there: such a commit needs the network never again. Commits by relation or by a short name need the
history, which lies in a repository beside, without files where the server can leave them out.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.file_locks import exclusive
from bis.home_files import read_document, replace_text
from bis.sources import git

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.home import Home
    from bis.sources.credentials import Credentials

_FETCH = ("fetch", "--quiet", "--no-tags", "--force")
_SETTINGS = ("protocol.version=2", "fetch.unpackLimit=1", "transfer.fsckObjects=false")
# The settings of a command do not reach the process that reads a repository here, which may be another user's.
_READ_LOCALLY = "--upload-pack=git -c safe.directory='*' upload-pack"
_EVERYTHING = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")

# What a server says that cannot give a single commit, or no shallow history: it is asked for all then.
_CANNOT_SHALLOW = re.compile(
    r"not our ref|unadvertised object|shallow|dumb http|couldn't find remote ref|no such remote ref|--depth"
)

# What Git says, what it means, and what helps. `{url}` is free of credentials.
_CAUSES = (
    (
        r"could not read (Username|Password)|Authentication failed|HTTP 40[13]|error: 40[13]",
        "{url} asks for a name and password, or refuses those it has",
        "Set up a Git credential helper or use ssh, and check the address.",
    ),
    (
        r"Permission denied \(|Host key verification failed",
        "{url} refuses the ssh connection: {reason}",
        "Try `ssh` to that host; an ssh key or a known host key may be missing.",
    ),
    (
        r"[Rr]epository .*not found|does not exist|does not appear to be a git|not exported|error: 404"
        r"|no such repo",
        "there is no Git repository at {url}, or you may not read it",
        "Check the address and your rights.",
    ),
    (
        r"[Cc]ould not resolve host|[Cc]onnection refused|[Cc]ould ?n[o']t connect|unable to connect"
        r"|timed out|Network is unreachable|No route to host",
        "cannot reach {url}: {reason}",
        "Check the network. A full commit that was fetched before needs none: use it as the version.",
    ),
    (
        r"early EOF|disconnect|hung up|reset by peer|transfer closed|RPC failed|index-pack failed"
        r"|Operation too slow",
        "the connection to {url} broke off: {reason}",
        "Nothing half-fetched is kept; try again.",
    ),
)


@dataclass(frozen=True)
class Origin:
    """A repository to fetch from: its address without credentials, and these."""

    url: str
    credentials: Credentials | None = field(default=None, repr=False)
    is_local: bool = False


@dataclass(frozen=True)
class Cache:
    """The cache of ``origin`` at ``directory``: ``git`` and ``history`` (bare repositories) and ``trees``."""

    origin: Origin
    directory: Path

    @classmethod
    def open(cls, origin: Origin, home: Home) -> Cache:
        """The cache, made when it is not there."""
        import hashlib

        key = hashlib.sha256(os.fsencode(origin.url)).hexdigest()[:24]
        cache = cls(origin, home.ensure(home.repositories) / key)
        if not (cache.repository / "HEAD").is_file():
            with exclusive(cache.directory / "lock"):
                _make_bare(cache.repository)
                (cache.directory / "url").write_bytes(os.fsencode(origin.url) + b"\n")
        return cache

    @property
    def repository(self) -> Path:
        return self.directory / "git"

    @property
    def trees(self) -> Path:
        return self.directory / "trees"

    @property
    def _commits(self) -> Path:
        return self.repository / "refs" / "bis" / "commits"

    @property
    def _fetch_command(self) -> tuple[str, ...]:
        return (*_FETCH, _READ_LOCALLY) if self.origin.is_local else _FETCH

    def has(self, commit: str) -> bool:
        """Whether ``commit`` and all its files are here."""
        return (self._commits / commit).is_file()

    def starting_with(self, prefix: str) -> list[str]:
        """The commits here whose names begin with ``prefix``."""
        if not self._commits.is_dir():
            return []
        names = (entry.name for entry in self._commits.iterdir())
        return [name for name in names if name.startswith(prefix) and len(name) == 40]

    def fetch(self, commit: str, notify: Callable[[str], None]) -> None:
        """Bring ``commit`` here; asks nobody when it is. Raises SourceError when it cannot be had."""
        if self.has(commit):
            return
        with exclusive(self.directory / "lock"):
            if self.has(commit):
                return
            notify(f"fetching {commit[:12]} from {self.origin.url}")
            _clear(self.repository)
            if not self._fetch_one(commit):
                self._fetch_all(commit)

    def _fetch_one(self, commit: str) -> bool:
        """Fetch without history; False when the server cannot do that."""
        try:
            self._ask(
                self.repository,
                *self._fetch_command,
                "--depth=1",
                "--",
                self.origin.url,
                f"+{commit}:{_ref(commit)}",
            )
        except git.GitFailedError as error:
            if _CANNOT_SHALLOW.search(error.output):
                return False
            raise self.explain(error) from error
        return True

    def _fetch_all(self, commit: str) -> None:
        whole = ("--unshallow",) if (self.repository / "shallow").is_file() else ()
        refs = (refspec.replace(":refs/", ":refs/bis/") for refspec in _EVERYTHING)
        try:
            self._ask(
                self.repository,
                *self._fetch_command,
                "--update-shallow",
                *whole,
                "--",
                self.origin.url,
                *refs,
            )
        except git.GitFailedError as error:
            raise self.explain(error) from error
        if self._bare(self.repository, "cat-file", "-e", f"{commit}^{{commit}}").finish().status:
            raise SourceError(f"there is no commit {commit} in {self.origin.url}")
        self._bare(self.repository, "update-ref", _ref(commit), commit).check()

    def find_in_history(self, revision: str, *, refresh: bool) -> str | None:
        """The full name of ``revision``; ``refresh`` asks the remote for its history first."""
        history = self.directory / "history"
        with exclusive(self.directory / "lock"):
            if refresh:
                self._fetch_history(history)
            if not (history / "HEAD").is_file():
                return None
            wanted = f"{revision}^{{commit}}"
            result = self._bare(history, "rev-parse", "--verify", wanted).finish()
        if "ambiguous" in result.errors:
            raise SourceError(f"{revision!r} is the begin of more than one commit", hint="Give more of it.")
        return None if result.status else result.text

    def _fetch_history(self, history: Path) -> None:
        _make_bare(history)
        _clear(history)
        # A filter is taken for a configured remote only (git-fetch(1)).
        for setting, value in (
            ("remote.origin.url", self.origin.url),
            ("remote.origin.promisor", "true"),
            ("remote.origin.partialCloneFilter", "tree:0"),
        ):
            self._bare(history, "config", setting, value).check()
        try:
            self._ask(history, *_FETCH, "--filter=tree:0", "origin", *_EVERYTHING)
        except git.GitFailedError:
            try:
                self._ask(history, *_FETCH, "--", self.origin.url, *_EVERYTHING)
            except git.GitFailedError as error:
                raise self.explain(error) from error

    def list_refs(self, *patterns: str) -> dict[str, str]:
        """What the remote's refs name now; ``HEAD`` also as ``"ref: HEAD"``, the branch it stands for.

        Raises GitFailedError, which ``explain`` puts into words.
        """
        result = self._ask(
            self.repository, "ls-remote", "--quiet", "--symref", "--", self.origin.url, *patterns
        )
        refs = {}
        for line in result.output.decode("utf-8", "surrogateescape").splitlines():
            value, _, name = line.partition("\t")
            if value.startswith("ref: "):
                refs[f"ref: {name}"] = value.removeprefix("ref: ")
            else:
                refs[name] = value
        return refs

    def remember(self, name: str, commit: str) -> None:
        """Keep what ``name`` was, for when the remote cannot be asked."""
        names = self._names()
        if names.get(name) == commit:
            return
        replace_text(self._names_file, json.dumps({**names, name: commit}), durable=False)

    def recall(self, name: str) -> str | None:
        """The commit that ``name`` was the last time, when that is here."""
        commit = self._names().get(name)
        return commit if commit and self.has(commit) else None

    @property
    def _names_file(self) -> Path:
        return self.directory / "names.json"

    def _names(self) -> dict[str, str]:
        return read_document(self._names_file) or {}

    def explain(self, error: git.GitFailedError) -> SourceError:
        """What a failed exchange with the remote means."""
        reason = error.message.partition(" failed: ")[2]
        for pattern, message, hint in _CAUSES:
            if re.search(pattern, error.output):
                return SourceError(message.format(url=self.origin.url, reason=reason), hint=hint)
        return SourceError(f"cannot fetch from {self.origin.url}: {reason}", hint=error.hint)

    def _ask(self, repository: Path, *arguments: str) -> git.Result:
        running = git.start(
            *arguments,
            cwd=repository,
            variables={"GIT_DIR": str(repository)},
            settings=_SETTINGS,
            credentials=self.origin.credentials,
        )
        return running.check()

    def _bare(self, repository: Path, *arguments: str) -> git.Running:
        return git.start(*arguments, cwd=repository, variables={"GIT_DIR": str(repository)})


def _ref(commit: str) -> str:
    return f"refs/bis/commits/{commit}"


def _make_bare(directory: Path) -> None:
    """Make a bare repository, aside and then in place; the lock of the cache is held."""
    import shutil

    if (directory / "HEAD").is_file():
        return
    aside = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    settings = ("init.defaultBranch=main", "init.defaultObjectFormat=sha1")
    git.run("init", "--quiet", "--bare", "--template=", "--", aside, settings=settings)
    aside.replace(directory)


def _clear(repository: Path) -> None:
    """Remove what a killed fetch left behind: the lock of the cache is held, so nobody uses it."""
    import shutil

    for pattern in ("*.lock", "refs/**/*.lock", "objects/pack/tmp_*", "objects/tmp_objdir-*"):
        for left in repository.glob(pattern):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
