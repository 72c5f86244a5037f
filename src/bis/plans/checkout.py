"""The tree of a plan, brought into a directory of its own."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bis import sources
from bis.errors import NotRepeatableError, SourceError
from bis.plans.gone import said_when_gone
from bis.plans.places import fresh_place, unique_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bis.home import Home
    from bis.plans.plan import Plan


_HINT = "Execute it with --directory DIR, where DIR has the source as it was, or import its capsule."


@contextlib.contextmanager
def checked_out(plan: Plan, *, home: Home, notify: Callable[[str], None]) -> Iterator[Path]:
    """The top of the plan's tree, in a directory that is there as long as the context.

    The snapshot of this home is restored; where there is none, the commit of a clean tree is fetched from its
    repository, and has to be that tree. Raises NotRepeatableError when the tree cannot be had.
    """
    tree = plan.source.tree
    if tree is None:
        raise NotRepeatableError(
            "this plan has no snapshot of its source, because git was missing when it was made"
        )
    with fresh_place(home, unique_name(tree)) as place:
        root = place / "source"
        with said_when_gone("this plan", hint=_HINT):
            _restore(plan, tree, root, home, notify)
        yield root


def _restore(plan: Plan, tree: str, root: Path, home: Home, notify: Callable[[str], None]) -> None:
    missing = sources.restore(
        tree,
        root,
        home,
        bring=lambda error: fetch_snapshot(plan, home=home, notify=notify, otherwise=error),
    )
    if missing:
        raise SourceError(
            f"the snapshot {tree[:12]} has large files by hash alone: {', '.join(f.path for f in missing[:5])}",
            hint="Execute it where they are: --directory DIR, with the source as it was.",
        )


def fetch_snapshot(plan: Plan, *, home: Home, notify: Callable[[str], None], otherwise: SourceError) -> None:
    """Bring the snapshot of a clean tree into the home from its commit; raises ``otherwise`` where there is none.

    Raises SourceError when the repository does not have the commit, or the commit is another tree.
    """
    planned = plan.source
    if planned.dirty or planned.repository is None or planned.commit is None:
        raise otherwise
    notify(
        f"the snapshot of the source is not here: fetching commit {planned.commit[:10]} of {planned.repository}"
    )
    with sources.fetch(planned.repository, planned.commit, home=home, notify=notify) as source:
        if source.tree != planned.tree:
            raise SourceError(f"commit {planned.commit[:10]} is not the tree {planned.tree} that ran")


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
