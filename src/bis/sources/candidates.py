"""Which paths may enter a snapshot: what Git tracks, and what it would track (not ignored)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.sources import git
from bis.sources.exclusions import sift

if TYPE_CHECKING:
    from bis.home import Home
    from bis.sources.object_store import ObjectStore


@dataclass(frozen=True)
class Candidates:
    """Paths relative to one root.

    ``tracked`` is the output of ``git ls-files -z``; ``untracked`` has been sifted, and ``withheld`` is what
    was sifted out as a likely secret. A nested repository stands there as one path.
    """

    tracked: bytes = b""
    untracked: tuple[bytes, ...] = ()
    withheld: tuple[bytes, ...] = ()

    @classmethod
    def of(cls, tracked: bytes, untracked: list[bytes], *, home: bytes | None = None) -> Candidates:
        """Sift ``untracked``; ``home`` is where BIS_HOME lies in the root, which is never a part of it."""
        if home is not None:
            untracked = [path for path in untracked if not path.startswith(home + b"/")]
        sifted = sift(untracked)
        return cls(tracked, sifted.kept, sifted.withheld)


def split(output: bytes) -> list[bytes]:
    """The paths of an output of Git with ``-z``."""
    return output.removesuffix(b"\0").split(b"\0") if output else []


def find_home(root: Path, home: Home) -> bytes | None:
    """The path of BIS_HOME below ``root``; None when it lies elsewhere, as it does but for a few."""
    place = os.path.realpath(home.root)
    top = os.path.join(root, "")  # noqa: PTH118 - with its slash
    return os.fsencode(place.removeprefix(top)) if place.startswith(top) else None


def list_plain(store: ObjectStore, root: Path, *, home: bytes | None = None) -> Candidates:
    """The files of a directory that is no repository; a ``.gitignore`` in it is honoured."""
    empty = store.directory / "no-index"
    variables = store.variables(work_tree=root, index=empty)
    result = git.run("ls-files", "-z", "--others", "--exclude-standard", cwd=root, variables=variables)
    return Candidates.of(b"", split(result.output), home=home)


def list_nested(store: ObjectStore, place: bytes) -> Candidates:
    """The files of a repository inside another tree: a submodule, or one that was put there."""
    root = Path(os.fsdecode(place))
    tree = ("--git-dir", root / ".git", "--work-tree", root)
    tracked = git.start(*tree, "ls-files", "-z", cwd=root)
    untracked = git.start(*tree, "ls-files", "-z", "--others", "--exclude-standard", cwd=root)
    results = tracked.finish(), untracked.finish()
    if any(result.status for result in results):  # a `.git` that is no repository
        return list_plain(store, root)
    return Candidates.of(results[0].output, split(results[1].output))
