"""The provider that resolves, makes and fills environments with uv (its wheel comes with bis)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bis.environments.environment import Environment
from bis.environments.keeping import import_paths, lock_once, realize_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.environments.as_of import AsOf
    from bis.environments.locks import Lock
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home


def lock(
    spec: EnvironmentSpec,
    *,
    as_of: AsOf,
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool = False,
) -> Lock:
    """Return the lock of a spec: the one that is kept, which costs a few hashes, else resolved with uv."""

    def resolve_now(moment: AsOf, digests: dict[str, str]) -> Lock:
        from bis.environments.resolving import resolve

        return resolve(spec, moment, digests=digests, home=home, notify=notify)

    return lock_once(spec, as_of, resolve_now, home=home, notify=notify, upgrade=upgrade)


def realize(
    lock: Lock,
    *,
    home: Home,
    notify: Callable[[str], None],
    directory: Path | None = None,
    show_progress: bool = False,
) -> Environment:
    """Return the environment of a lock, built when it is not there. Two processes build it once.

    ``directory`` is the project's, needed where the lock has local packages.
    """

    def build(prefix: Path, held: int) -> None:
        from bis.environments.building import Builder

        Builder(lock, home, directory, notify, show_progress, held).build(prefix)

    prefix, state, seconds = realize_once(lock, _is_complete, build, home=home, notify=notify)
    if seconds is None and state["python"] != lock.python:
        notify(f"Python {lock.python} is not here: {state['python']} is used")
    return Environment(
        lock,
        manager=lock.manager,
        prefix=prefix,
        python=prefix / "bin" / "python",
        created=seconds is not None,
        seconds=seconds or 0.0,
        import_paths=import_paths(lock, directory),
    )


def _is_complete(prefix: Path, _state: dict[str, Any]) -> bool:
    """Whether the interpreter is still there: that of another place may have been removed."""
    return os.access(prefix / "bin" / "python", os.X_OK)
