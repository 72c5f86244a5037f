"""What the tests of sources play with: repositories to fetch, and ``fetch`` with a home of the test's own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.sources import fetch

if TYPE_CHECKING:
    from bis.home import Home
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


def contents(root: Path) -> dict[str, tuple[str, bytes | str]]:
    """Every file below ``root`` with its kind and content."""
    found: dict[str, tuple[str, bytes | str]] = {}
    for place, directories, files in os.walk(root):
        for name in [*files, *(each for each in directories if Path(place, each).is_symlink())]:
            path = Path(place, name)
            relative = os.path.relpath(path, root)
            if path.is_symlink():
                found[relative] = ("link", str(path.readlink()))
            else:
                mode = "executable" if path.stat().st_mode & 0o100 else "file"
                found[relative] = (mode, path.read_bytes())
    return found


def states(root: Path) -> dict[str, tuple[float, bytes]]:
    """Every file below ``root`` with the time it was written and its content."""
    return {
        str(path.relative_to(root)): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(root.rglob("*"))
    }


def files_of(source: Source) -> dict[str, tuple[str, bytes | str]]:
    """The files of a source with kind and content, without those of Git."""
    return {name: value for name, value in contents(source.root).items() if not name.startswith(".git/")}


def train(source: Source) -> str:
    """What the train.py of a source prints, which tells the commits apart."""
    return (source.root / "train.py").read_text().strip()
