"""Where the inputs of a plan lie: on the machine that made it, and on the one that executes it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.plans.plan import Plan


def inside(root: Path, local: Mapping[str, str]) -> dict[str, str]:
    """Of the local inputs those that lie below ``root``, by their path from there, with ``/``."""
    if not local:
        return {}
    top = os.path.realpath(root)
    paths = {name: os.path.relpath(os.path.realpath(path), top) for name, path in local.items()}
    return {name: path for name, path in paths.items() if path != ".." and not path.startswith("../")}


def found_here(plan: Plan, root: Path, given: Mapping[str, str]) -> dict[str, str]:
    """The absolute path of each local input for an execution in ``root``, where the plan's tree was restored.

    An input is what the caller has ``given`` (parameter to path), else the file of the tree, else what lies at the
    path that the plan has. Raises UsageError for one that is nowhere, or that is given and no path parameter;
    names that are absolute paths are of files that a run read by itself, and not looked at.
    """
    given = {name: path for name, path in given.items() if not name.startswith("/")}
    known = {**plan.local, **plan.downloads}
    for name in given:
        if name not in known:
            raise UsageError(
                f"this plan has no input {name!r}",
                hint=did_you_mean(name, known)
                or (f"It has: {', '.join(known)}." if known else "It has no path parameter."),
            )
    here = {name: os.path.abspath(path) for name, path in given.items()}  # noqa: PTH100  # takes ".." out
    places = {**plan.local, **_in_tree(plan, root), **here}
    for name, path in places.items():
        if not os.path.lexists(path):
            raise UsageError(
                f"the input {name!r} is not here: there is no {path}",
                hint=f"Say where it is: --input {name}=PATH",
            )
    return places


def _in_tree(plan: Plan, root: Path) -> dict[str, str]:
    """Those that the restored tree has; a file that Git ignores is in the source, but not in its snapshot."""
    places = {name: os.path.normpath(root / path) for name, path in plan.in_tree.items()}
    return {name: path for name, path in places.items() if os.path.lexists(path)}
