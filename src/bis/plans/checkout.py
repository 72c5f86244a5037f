"""The tree of a plan, brought into a directory of its own."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from bis import sources
from bis.errors import SourceError
from bis.sources.restoring import has_snapshot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bis.home import Home
    from bis.plans.plan import Plan


@contextlib.contextmanager
def checked_out(plan: Plan, *, home: Home, notify: Callable[[str], None]) -> Iterator[Path]:
    """The top of the plan's tree, in a directory that is there as long as the context.

    The snapshot of this home is restored; where there is none, the commit of a clean tree is fetched from its
    repository, and has to be that tree. Raises SourceError when the tree cannot be had.
    """
    tree = plan.source.tree
    if tree is None:
        raise SourceError("this plan has no snapshot of its source, because git was missing when it was made")
    if has_snapshot(tree, home):
        with _restored(tree, home) as root:
            yield root
    else:
        with _fetched(plan, home=home, notify=notify) as root:
            yield root


@contextlib.contextmanager
def _restored(tree: str, home: Home) -> Iterator[Path]:
    import shutil  # not on the way of a first run

    root = home.ensure(home.reruns) / f"{tree[:12]}-{os.urandom(4).hex()}"
    try:
        missing = sources.restore(tree, root, home)
        if missing:
            raise SourceError(
                f"the snapshot {tree[:12]} has large files by hash alone: {', '.join(f.path for f in missing[:5])}",
                hint="Execute it where they are: --directory DIR, with the source as it was.",
            )
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextlib.contextmanager
def _fetched(plan: Plan, *, home: Home, notify: Callable[[str], None]) -> Iterator[Path]:
    planned = plan.source
    hint = "Execute it with --directory DIR, where DIR has the source as it was, or import its capsule."
    if planned.dirty or planned.repository is None or planned.commit is None:
        raise SourceError(f"the snapshot {planned.tree} is not in {home.snapshots}", hint=hint)
    with sources.fetch(planned.repository, planned.commit, home=home, notify=notify) as source:
        if source.tree != planned.tree:
            raise SourceError(f"commit {planned.commit[:10]} is not the tree that the plan has", hint=hint)
        yield source.root


def in_directory(plan: Plan, directory: str, *, home: Home, notify: Callable[[str], None]) -> Path:
    """The top of the tree in a directory of the user's; raises SourceError when it is not the plan's."""
    with sources.fetch(directory, None, home=home, notify=notify) as source:
        if source.kind != "directory" or source.tree != plan.source.tree:
            raise SourceError(
                f"{directory} is not the source of this plan: its tree is {source.tree},"
                f" and the plan has {plan.source.tree}",
                hint="Leave --directory out to take the snapshot that was kept.",
            )
        return source.root
