"""What providers share: a lock is resolved once and kept, an environment is built once, by however many processes."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from bis.environments import locks
from bis.environments.environment import STATE_FILE, lock_path
from bis.file_locks import exclusive
from bis.home_files import home_errors, read_document

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bis.environments.as_of import AsOf
    from bis.environments.locks import Lock
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home


def lock_once(
    spec: EnvironmentSpec,
    as_of: AsOf,
    resolve: Callable[[AsOf, dict[str, str]], Lock],
    *,
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool,
    surroundings: Sequence[str] = (),
) -> Lock:
    """Return the lock of a spec: the one that is kept, which costs a few hashes, else what ``resolve`` gives.

    ``resolve`` gets the settled moment and the digests of the local packages. ``surroundings`` is what beside the
    project bears on the answer.
    """
    settled = as_of.settled(spec.declared_digest(), home, upgrade=upgrade)
    digests = local_digests(spec, home)
    key = locks.key_of(spec, settled, digests, surroundings)
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
        resolved = resolve(settled, digests)
        locks.keep(home, key, resolved)
        return resolved


def local_digests(spec: EnvironmentSpec, home: Home) -> dict[str, str]:
    """Return the SHA-256 of what is installed from each local package of a project, by path."""
    if not spec.local:
        return {}
    from bis.environments import local_paths  # most projects have none

    return local_paths.digests(spec.local, spec.directory, home)


def realize_once(
    lock: Lock,
    complete: Callable[[Path, dict[str, Any]], bool],
    build: Callable[[Path, int], None],
    *,
    home: Home,
    notify: Callable[[str], None],
) -> tuple[Path, dict[str, Any], float | None]:
    """Return where the environment of a lock is, its state, and how long it took to build (None: it was there).

    ``complete`` says whether what lies there, with that state, can be used; ``build`` makes it at that place, with
    the lock on it held by that descriptor.
    """
    prefix = (home.environments / lock.digest[:32]).absolute()
    state = _state(prefix, lock, complete)
    if state is not None:
        _touch(prefix)
        return prefix, state, None
    begun = time.monotonic()
    home.ensure(home.environments)

    def waiting() -> None:
        notify("Waiting for another bis that builds this environment")

    gate = home.ensure(home.locks) / f"{prefix.name}.building"
    with home_errors("build the environment"), exclusive(gate, waiting):
        # the lock of the environment is held by the runs in it: who waits for a build may not wait for those
        state = _state(prefix, lock, complete)
        if state is not None:
            _touch(prefix)
            return prefix, state, None
        with exclusive(lock_path(prefix)) as held:
            build(prefix, held)
    return prefix, read_document(prefix / STATE_FILE) or {}, time.monotonic() - begun


def _state(
    prefix: Path, lock: Lock, complete: Callable[[Path, dict[str, Any]], bool]
) -> dict[str, Any] | None:
    """Return the state of a complete environment, else None."""
    state = read_document(prefix / STATE_FILE)
    if state is None or state.get("digest") != lock.digest:
        return None
    return state if complete(prefix, state) else None


def _touch(prefix: Path) -> None:
    try:
        os.utime(prefix / STATE_FILE)
    except OSError:
        return  # a home that cannot be written to is good enough to run from


def import_paths(lock: Lock, directory: Path | None) -> tuple[Path, ...]:
    """Where the code of the lock's editable packages is read from."""
    editable = [each.path for each in lock.local if each.editable]
    if not editable or directory is None:
        return ()
    from bis.environments.local_paths import is_pure, source_root

    paths = [(directory / path).resolve() for path in editable]
    return tuple(source_root(path) for path in paths if is_pure(path))
