"""Files in Git LFS: a commit has pointers in their place, which git-lfs replaces by the content."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.sources import git
from bis.sources.candidates import split

if TYPE_CHECKING:
    from pathlib import Path

    from bis.sources.checkouts import Checkout
    from bis.sources.credentials import Credentials

# https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md: the first line of a pointer, which is under 1024
# bytes.
_POINTER = b"version https://git-lfs.github.com/spec/"
_SHOWN = 5


def complete(checkout: Checkout, credentials: Credentials | None, *, storage: Path) -> list[str]:
    """Replace the LFS pointers of ``checkout`` by their files; returns the paths.

    The index takes them for unchanged from now on: it has the pointers. Raises SourceError when git-lfs is
    not here or cannot fetch them.
    """
    pointers = _pointers(checkout)
    if not pointers:
        return []
    if shutil.which("git-lfs") is None:
        raise SourceError(
            f"{_names(pointers)} in Git LFS, and git-lfs is not installed",
            hint="Install git-lfs: https://git-lfs.com, or the package manager (apt install git-lfs).",
        )
    _fetch(checkout, credentials, storage)
    missing = _pointers(checkout)
    if missing:
        raise SourceError(
            f"{_names(missing)} in Git LFS, and the server does not have the content",
            hint="Whoever owns the repository can push it: git lfs push --all origin.",
        )
    _take_for_unchanged(checkout, pointers)
    return pointers


def _fetch(checkout: Checkout, credentials: Credentials | None, storage: Path) -> None:
    for arguments in (("fetch", "origin", checkout.commit), ("checkout",)):
        running = git.start(
            "lfs",
            *arguments,
            cwd=checkout.directory,
            variables=checkout.variables(),
            settings=(f"lfs.storage={storage}",),
            credentials=credentials,
        )
        running.check()


def _take_for_unchanged(checkout: Checkout, paths: list[str]) -> None:
    stdin = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
    git.run(
        "update-index",
        "--assume-unchanged",
        "-z",
        "--stdin",
        cwd=checkout.directory,
        variables=checkout.variables(),
        stdin=stdin,
    )
    checkout.publish_index()


def _pointers(checkout: Checkout) -> list[str]:
    listed = checkout.ask("ls-files", "-z", "--", ":(top,attr:filter=lfs)")
    paths = [path.decode("utf-8", "surrogateescape") for path in split(listed.output)]
    return [path for path in paths if _is_pointer(checkout.directory / path)]


def _is_pointer(file: Path) -> bool:
    if file.is_symlink() or not file.is_file():
        return False
    with file.open("rb") as stream:
        return stream.read(len(_POINTER)) == _POINTER


def _names(paths: list[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return f"{shown}{more} {'is' if len(paths) == 1 else 'are'}"
