"""The providers of environments, one a module, and the two calls that go to them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.environments.as_of import AsOf
    from bis.environments.committing import Written
    from bis.environments.environment import Environment
    from bis.environments.locks import Lock
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home

PROVIDERS = {
    "uv": "bis.environments.uv",
    "conda": "bis.environments.conda",
    "container": "bis.environments.container",
    "local": "bis.environments.local",
}
"""The module that fulfils ``Provider``, by the manager it answers for."""


class Provider(Protocol):
    """What a module has to have to make environments."""

    def lock(
        self,
        spec: EnvironmentSpec,
        *,
        as_of: AsOf,
        home: Home,
        notify: Callable[[str], None],
        upgrade: bool = False,
    ) -> Lock:
        """Return what the spec comes to, kept or resolved."""
        ...

    def realize(
        self,
        lock: Lock,
        *,
        home: Home,
        notify: Callable[[str], None],
        directory: Path | None = None,
        show_progress: bool = False,
    ) -> Environment:
        """Return the environment of a lock, built when it is not there."""
        ...


def _provider(manager: str) -> Provider:
    """Return the module of a manager; only the one that is needed is imported."""
    return cast("Provider", import_module(PROVIDERS[manager]))


def lock(
    spec: EnvironmentSpec,
    *,
    as_of: AsOf,
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool = False,
    locked: bool = False,
) -> Lock:
    """Return the lock of a spec: the project's own (``bis.lock``), else one that is kept, else resolved and kept.

    ``upgrade`` resolves anew, with the present as the time of the first run. With ``locked`` the project's own lock
    has to be there and up to date. Raises ResolutionError, InterpreterNotFoundError, HomeError; notes
    go to ``notify`` one line each.
    """
    carried = spec.manager != "local" and not upgrade and not as_of.asked and has_lock_file(spec)
    if locked or carried:
        from bis.environments import committing  # most projects have none

        found = committing.find(spec, home=home, notify=notify, required=locked)
        if found:
            return found
    return _provider(spec.manager).lock(spec, as_of=as_of, home=home, notify=notify, upgrade=upgrade)


def has_lock_file(spec: EnvironmentSpec) -> bool:
    """Whether the project carries a lock of ours."""
    return (spec.directory / "bis.lock").exists()


def write_lock_file(
    spec: EnvironmentSpec, *, as_of: AsOf, home: Home, notify: Callable[[str], None], upgrade: bool = False
) -> Written:
    """Write or refresh the lock file that a project carries (``bis.lock``); see ``committing.write``."""
    from bis.environments import committing

    def resolve(moment: AsOf) -> Lock:
        return _provider(spec.manager).lock(spec, as_of=moment, home=home, notify=notify, upgrade=upgrade)

    return committing.write(spec, resolve, as_of=as_of, home=home, notify=notify, upgrade=upgrade)


def observe(lock: Lock, *, directory: Path, home: Home, notify: Callable[[str], None]) -> Lock:
    """Return the lock that an execution of ``lock`` will have.

    That is the lock itself, but for ``local``: there it is what is installed now, which nothing holds.
    """
    if lock.manager != "local":
        return lock
    from bis.environments import local

    return local.observe(lock, directory=directory, home=home, notify=notify)


def realize(
    lock: Lock,
    *,
    home: Home,
    notify: Callable[[str], None],
    directory: Path | None = None,
    show_progress: bool = False,
) -> Environment:
    """Return the environment of a lock, built when it is not there; built once by however many processes.

    ``directory`` is that of the project, for its local packages. ``show_progress`` lets uv draw its bars.
    Raises BuildError, InterpreterNotFoundError, HomeError.
    """
    return _provider(lock.manager).realize(
        lock, home=home, notify=notify, directory=directory, show_progress=show_progress
    )
