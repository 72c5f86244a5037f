"""The provider for real conda packages, without conda: py-rattler solves, fetches and links them in this process.

``locking`` makes a lock, ``building`` an environment; ``engine`` is the only module that knows py-rattler. To run in
an environment that is there, nothing but this module is imported: what activating it sets is kept in its state.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bis.environments.environment import Activation, Environment
from bis.environments.keeping import import_paths, lock_once, realize_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.environments.as_of import AsOf
    from bis.environments.conda.settings import Settings
    from bis.environments.locks import Lock
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home

_DECIDING_VARIABLES = "CONDA_OVERRIDE_"


def lock(
    spec: EnvironmentSpec,
    *,
    as_of: AsOf,
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool = False,
) -> Lock:
    """Return the lock of a spec: the one that is kept, else solved with rattler, and with uv for the pip section."""
    from bis.environments.conda import settings

    found = settings.read()
    _remember_credentials(spec, found)

    def resolve(moment: AsOf, digests: dict[str, str]) -> Lock:
        from bis.environments.conda.locking import Resolution

        return Resolution(spec, moment, digests, found, home, notify).resolve()

    stated = [
        f"{name}={value}"
        for name, value in sorted(os.environ.items())
        if name.startswith(_DECIDING_VARIABLES)
    ]
    surroundings = (*found.deciding, *stated)
    return lock_once(
        spec, as_of, resolve, home=home, notify=notify, upgrade=upgrade, surroundings=surroundings
    )


def _remember_credentials(spec: EnvironmentSpec, found: Settings) -> None:
    """Keep what a project's own file says to reach its channels: the lock may not say it."""
    declared = spec.conda.channels if spec.conda else ()
    if any("://" in each and ("@" in each or "/t/" in each) for each in declared):
        from bis.environments.conda.channels import Channels  # few projects have any
        from bis.environments.conda.installing import remember

        channels = Channels.here(found, spec.directory)
        remember(channel for each in declared if each != "nodefaults" for channel in channels.resolve(each))


def realize(
    lock: Lock,
    *,
    home: Home,
    notify: Callable[[str], None],
    directory: Path | None = None,
    show_progress: bool = False,
) -> Environment:
    """Return the environment of a lock, built when it is not there or lies elsewhere than where it was built."""

    def build(prefix: Path, held: int) -> None:
        from bis.environments.conda.building import CondaBuilder

        CondaBuilder(lock, home, directory, notify, show_progress, held).build(prefix)

    prefix, state, seconds = realize_once(lock, _is_complete, build, home=home, notify=notify)
    return Environment(
        lock,
        manager=lock.manager,
        prefix=prefix,
        python=prefix / "bin" / "python" if lock.python else None,
        created=seconds is not None,
        seconds=seconds or 0.0,
        import_paths=import_paths(lock, directory),
        activation=Activation.from_dict(state["activation"]),
    )


def _is_complete(prefix: Path, state: dict[str, Any]) -> bool:
    """Whether it lies where it was built, by whatever name, and has its Python: the place is written into its files."""
    try:
        in_place = os.path.samefile(state["prefix"], prefix)  # noqa: PTH121  # texts
    except (OSError, KeyError, TypeError):
        return False  # that place is no more
    return (
        in_place
        and "activation" in state
        and (not state["python"] or os.access(prefix / "bin/python", os.X_OK))
    )
