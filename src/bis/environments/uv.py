"""The provider that resolves, makes and fills environments with uv (its wheel comes with bis)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from bis.environments import locks
from bis.environments.environment import STATE_FILE, Environment, lock_path
from bis.file_locks import exclusive
from bis.home_files import home_errors, read_document

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
    settled = as_of.settled(spec.declared_digest(), home, upgrade=upgrade)
    digests = _local_digests(spec, home)
    key = locks.key_of(spec, settled, digests)
    newest = settled.time is None and not spec.lock_file
    kept = None if newest or upgrade else locks.read_kept(home, key)
    if kept:
        return kept
    path = home.ensure(home.locks) / f"{key}.lock"

    def waiting() -> None:
        notify("Waiting for another bis that resolves this environment")

    with home_errors("lock the environment"), exclusive(path, waiting):
        kept = None if newest or upgrade else locks.read_kept(home, key)
        if kept:
            return kept
        from bis.environments.resolving import resolve

        resolved = resolve(spec, settled, digests=digests, home=home, notify=notify)
        locks.keep(home, key, resolved)
        return resolved


def _local_digests(spec: EnvironmentSpec, home: Home) -> dict[str, str]:
    if not spec.local:
        return {}
    from bis.environments import local_paths  # most projects have none

    return local_paths.digests(spec.local, spec.directory, home)


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
    prefix = (home.environments / lock.digest[:32]).absolute()
    state = _state(prefix, lock)
    begun = time.monotonic()
    if state is None:
        home.ensure(home.environments)

        def waiting() -> None:
            notify("Waiting for another bis that builds this environment")

        with home_errors("build the environment"), exclusive(lock_path(prefix), waiting) as held:
            state = _state(prefix, lock)
            if state is None:
                from bis.environments.building import Builder

                Builder(lock, home, directory, notify, show_progress, held).build(prefix)
                return _environment(lock, prefix, directory, seconds=time.monotonic() - begun)
    if state["python"] != lock.python:
        notify(f"Python {lock.python} is not here: {state['python']} is used")
    _touch(prefix)
    return _environment(lock, prefix, directory, seconds=None)


def _environment(lock: Lock, prefix: Path, directory: Path | None, *, seconds: float | None) -> Environment:
    return Environment(
        lock,
        manager=lock.manager,
        prefix=prefix,
        python=prefix / "bin" / "python",
        created=seconds is not None,
        seconds=seconds or 0.0,
        import_paths=_import_paths(lock, directory),
    )


def _import_paths(lock: Lock, directory: Path | None) -> tuple[Path, ...]:
    editable = [each.path for each in lock.local if each.editable]
    if not editable or directory is None:
        return ()
    from bis.environments.local_paths import is_pure, source_root

    paths = [(directory / path).resolve() for path in editable]
    return tuple(source_root(path) for path in paths if is_pure(path))


def _state(prefix: Path, lock: Lock) -> dict[str, Any] | None:
    """Return the state of a complete environment whose interpreter is still there, else None."""
    state = read_document(prefix / STATE_FILE)
    complete = state is not None and state.get("digest") == lock.digest
    return state if complete and os.access(prefix / "bin" / "python", os.X_OK) else None


def _touch(prefix: Path) -> None:
    try:
        os.utime(prefix / STATE_FILE)
    except OSError:
        return  # a home that cannot be written to is good enough to run from
