"""A commit made into files: a repository of its own that borrows its objects from a cache.

The index that decides whether a file still is what the commit has lies outside, where the project's code does
not write. ``is_pristine`` looks only at what the file system says of the files.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.sources import git

if TYPE_CHECKING:
    from bis.sources.remotes import Cache

# LFS pointers stay what they are in the commit; `lfs` replaces them afterwards, or says what is missing.
_SETTINGS = (
    "core.autocrlf=false",
    "advice.detachedHead=false",
    "filter.lfs.smudge=",
    "filter.lfs.clean=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
)

_CONFIG = """\
[core]
	repositoryformatversion = 0
	bare = false
	filemode = true
	logallrefupdates = false
[remote "origin"]
	url = {url}
	fetch = +refs/heads/*:refs/remotes/origin/*
"""


@dataclass(frozen=True)
class Checkout:
    """``commit``, from ``objects``, as files in ``directory``; ``index`` is the one that counts."""

    directory: Path
    index: Path
    commit: str
    url: str
    objects: Path

    @classmethod
    def of(cls, cache: Cache, commit: str, directory: Path, index: Path, url: str | None = None) -> Checkout:
        """The checkout of a commit that is in ``cache``; ``url`` is what its remote is called."""
        return cls(directory, index, commit, url or cache.origin.url, cache.repository / "objects")

    @property
    def _git(self) -> Path:
        return self.directory / ".git"

    def make(self) -> None:
        """Write all files into ``directory``, which must be empty or absent."""
        self.index.parent.mkdir(parents=True, exist_ok=True)
        self.index.unlink(missing_ok=True)
        settings = ("init.defaultBranch=main", "init.defaultObjectFormat=sha1")
        git.run("init", "--quiet", "--template=", "--", self.directory, settings=settings)
        info = self._git / "objects" / "info"
        info.mkdir(exist_ok=True)
        # Relative, so that the home can be moved, and its name may hold what this file cannot.
        borrowed = os.path.relpath(self.objects.resolve(), (self._git / "objects").resolve())
        (info / "alternates").write_bytes(os.fsencode(borrowed) + b"\n")
        shallow = self.objects.parent / "shallow"
        if shallow.is_file():
            shutil.copyfile(shallow, self._git / "shallow")
        (self._git / "config").write_text(self._config())
        (self._git / "HEAD").write_text(f"{self.commit}\n")
        self._run("reset", "--hard", "--quiet", self.commit).check()
        self.publish_index()

    def publish_index(self) -> None:
        """Give the repository inside the index too, for code that asks Git about itself."""
        if self.index.is_file():  # the empty tree has none
            shutil.copyfile(self.index, self._git / "index")

    def is_pristine(self) -> bool:
        """Whether the files are those of the commit, and there are no others."""
        changed = self._run(
            "status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all", "--no-renames"
        )
        added = self._run("clean", "-ffdxn")
        outputs = changed.check().output, added.check().output
        return not any(outputs)

    def is_usable(self) -> bool:
        """Whether its Git directory still is as it was made: on this commit, with these settings."""
        try:
            head = (self._git / "HEAD").read_text()
            config = (self._git / "config").read_text()
        except (OSError, ValueError):
            return False
        return head == f"{self.commit}\n" and config == self._config()

    def clean(self) -> None:
        """Bring the files back to those of the commit."""
        self._run("reset", "--hard", "--quiet", self.commit).check()
        self._run("clean", "-ffdxq").check()
        self.publish_index()

    def tracked(self) -> bytes:
        """The paths of the commit, as ``git ls-files -z`` writes them."""
        return self._run("ls-files", "-z").check().output

    def submodules(self) -> dict[str, str]:
        """Path and commit of each submodule (an entry of mode 160000)."""
        found = {}
        for line in self._run("ls-files", "-s", "-z").check().output.split(b"\0"):
            if line.startswith(b"160000 "):
                facts, _, path = line.partition(b"\t")
                found[os.fsdecode(path)] = facts.split()[1].decode()
        return found

    def ask(self, *arguments: str) -> git.Result:
        """Run a Git command in it; the result may be a failure."""
        return self._run(*arguments).finish()

    def variables(self) -> dict[str, str]:
        """The variables with which Git works on it."""
        return {
            "GIT_DIR": str(self._git),
            "GIT_WORK_TREE": str(self.directory),
            "GIT_INDEX_FILE": str(self.index),
            "GIT_OPTIONAL_LOCKS": "1",
        }

    def _run(self, *arguments: str) -> git.Running:
        variables = self.variables()
        return git.start(*arguments, cwd=self.directory, variables=variables, settings=_SETTINGS)

    def _config(self) -> str:
        url = self.url.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return _CONFIG.format(url=f'"{url}"')


def remove(directory: Path) -> None:
    """Remove a tree, also one in which a run took away its own right to write."""
    if not os.path.lexists(directory):
        return
    for place, _, _ in os.walk(directory):
        Path(place).chmod(0o700)
    shutil.rmtree(directory)
