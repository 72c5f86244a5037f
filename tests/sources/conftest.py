from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bis.home import Home
from bis.sources import fetch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.sources import Source

IDENTITY = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
    "GIT_AUTHOR_DATE": "2024-03-01T12:00:00Z",
    "GIT_COMMITTER_DATE": "2024-03-01T12:00:00Z",
}


@dataclass(frozen=True)
class Repository:
    """A repository that a test plays the user of."""

    path: Path

    def git(self, *arguments: str) -> str:
        environment = {**os.environ, **IDENTITY, "GIT_ALLOW_PROTOCOL": "file:git:http"}
        done = subprocess.run(
            ["git", *arguments], cwd=self.path, env=environment, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def write(self, name: str, content: str | bytes) -> Path:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def commit(self, message: str = "change") -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")


@dataclass
class Fetcher:
    """``fetch`` with a home of the test's own; keeps the notes and gives every lease back at the end."""

    home: Home
    notes: list[str]
    sources: list[Source]

    def __call__(self, uri: str | Path, version: str | None = None) -> Source:
        source = fetch(str(uri), version, home=self.home, notify=self.notes.append)
        self.sources.append(source)
        return source

    @property
    def fetched(self) -> int:
        """How often something came over the network."""
        return sum(note.startswith(("fetching", "downloading")) for note in self.notes)


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests' Git has no configuration but its own."""
    config = tmp_path_factory.mktemp("gitconfig") / "config"
    config.write_text("[init]\n\tdefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "BIS_SNAPSHOT_MAX_FILE_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def get(home: Home) -> Iterator[Fetcher]:
    fetcher = Fetcher(home, [], [])
    yield fetcher
    for source in fetcher.sources:
        source.close()


def make_repository(path: Path) -> Repository:
    """A repository with a project: three commits on ``main``, ``v1`` (annotated) and ``light`` on the first."""
    path.mkdir(parents=True)
    repository = Repository(path)
    repository.git("init", "--quiet", "--initial-branch=main")
    repository.write("MLproject", "name: demo\n")
    repository.write("train.py", "print(1)\n")
    repository.write("sub.d/train.py", "print('sub')\n")
    repository.commit("one")
    repository.git("tag", "--annotate", "v1", "--message", "first")
    repository.git("tag", "light")
    repository.write("train.py", "print(2)\n")
    repository.commit("two")
    repository.git("branch", "feature/x")
    repository.write("train.py", "print(3)\n")
    repository.commit("three")
    return repository


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """A repository to fetch from, at ``served/demo`` of the test's directory."""
    return make_repository(tmp_path / "served" / "demo")
