"""Builds a conda environment from its lock, in place: the prefix is written into its files.

So it cannot be made aside and moved. Until its state is written, which comes last, it is no environment.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments.conda import activation, engine, settings
from bis.environments.conda.channels import Channels
from bis.environments.conda.installing import install_conda
from bis.environments.conda.progress import progress
from bis.environments.environment import Activation
from bis.environments.locks import check_platform
from bis.environments.places import protect, sweep, write_state
from bis.home_files import home_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.environments.locks import Lock
    from bis.home import Home


@dataclass(frozen=True)
class CondaBuilder:
    """One build: what is built, where the project lies, and whom to tell."""

    lock: Lock
    home: Home
    directory: Path | None
    notify: Callable[[str], None]
    show_progress: bool
    held: int
    """The descriptor of the lock on the environment; uv inherits it, so that no one builds while it lives."""

    def build(self, prefix: Path) -> None:
        """Make the environment at ``prefix``, or leave nothing there. Raises BuildError, HomeError."""
        begun = time.monotonic()
        check_platform(self.lock)
        sweep(prefix)
        shutil.rmtree(prefix, ignore_errors=True)  # what a killed build has left
        python = f" (Python {self.lock.python})" if self.lock.python else ""
        self.notify(f"Building the conda environment{python}")
        try:
            with home_errors("build the environment"):
                self._fill(prefix)
                found = self._activated(prefix)
                write_state(
                    prefix,
                    self.lock,
                    python=self.lock.python,
                    more={"prefix": str(prefix), "activation": found.to_dict()},
                )
                protect(prefix)
        except BaseException:
            shutil.rmtree(prefix, ignore_errors=True)
            raise
        count = len(self.lock.packages)
        self.notify(
            f"Installed {count} package{'' if count == 1 else 's'} in {time.monotonic() - begun:.1f} s"
        )

    def _fill(self, prefix: Path) -> None:
        channels = Channels.here(settings.read(), self.directory)
        with progress(show=self.show_progress) as shown:
            install_conda(self.lock.conda, prefix, channels=channels, home=self.home, progress=shown)
        prefix.mkdir(exist_ok=True)  # nothing was asked for
        if not (self.lock.requirements or self.lock.unhashed or self.lock.local):
            return
        from bis.environments.installing import Installation  # many environments have no pip section

        with tempfile.TemporaryDirectory(dir=self.home.ensure(self.home.cache), prefix="building-") as name:
            Installation(
                self.lock,
                python=prefix / "bin" / "python",
                work=Path(name),
                directory=self.directory,
                home=self.home,
                notify=self.notify,
                show_progress=self.show_progress,
                held=self.held,
                beside_others=True,
            ).install()

    def _activated(self, prefix: Path) -> Activation:
        """What activating sets, and with that, what only an active environment can install."""
        found = activation.look(prefix, engine.activation_script(prefix))
        if not self.lock.renv:
            return found
        from bis.environments.conda import renv  # few projects have one

        with tempfile.TemporaryDirectory(dir=self.home.ensure(self.home.cache), prefix="building-") as name:
            renv.restore(self.lock.renv, work=Path(name), activation=found, notify=self.notify)
        return Activation(found.path, {**found.variables, **renv.WITHOUT_AUTOLOADER})
