"""Builds an environment from its lock with uv: aside, then moved into place whole."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments import interpreters
from bis.environments.installing import Installation, build_error
from bis.environments.locks import check_platform
from bis.environments.places import protect, sweep, write_state
from bis.environments.uv_command import run_uv
from bis.home_files import home_errors

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.environments.interpreters import Interpreter
    from bis.environments.locks import Lock
    from bis.home import Home


@dataclass(frozen=True)
class Builder:
    """One build: what is built, where the project lies, and whom to tell."""

    lock: Lock
    home: Home
    directory: Path | None
    notify: Callable[[str], None]
    show_progress: bool
    held: int
    """The descriptor of the lock on the environment; uv inherits it, so that no one builds while it lives."""

    def build(self, prefix: Path) -> None:
        """Make the environment at ``prefix``, or leave nothing there.

        Raises BuildError, HomeError, InterpreterNotFoundError.
        """
        begun = time.monotonic()
        check_platform(self.lock)
        interpreter = self._interpreter()
        sweep(prefix)
        self.notify(f"Building the environment (Python {interpreter.version})")
        aside = prefix.with_name(f"{prefix.name}.building-{os.getpid()}")
        try:
            with home_errors("build the environment"):
                self._fill(aside, interpreter)
                write_state(aside, self.lock, python=interpreter.version)
                _move_into_place(aside, prefix)
                protect(prefix)
        finally:
            if aside.exists():
                shutil.rmtree(aside, ignore_errors=True)
        count = len(self.lock.packages)
        self.notify(
            f"Installed {count} package{'' if count == 1 else 's'} in {time.monotonic() - begun:.1f} s"
        )

    def _interpreter(self) -> Interpreter:
        """Return the locked interpreter, else one of the same minor version with a note."""
        choice = interpreters.find(self.lock.python, None, home=self.home, notify=self.notify)
        if choice.note:
            self.notify(choice.note)
        return choice.interpreter

    def _fill(self, aside: Path, interpreter: Interpreter) -> None:
        made = run_uv(
            ["venv", "--relocatable", "--no-project", "--quiet", "--python", interpreter.path, aside],
            keep_open=(self.held,),
        )
        if made.code != 0:
            raise build_error("the environment cannot be made", made, hidden=[aside])
        with tempfile.TemporaryDirectory(dir=self.home.ensure(self.home.cache), prefix="building-") as name:
            Installation(
                self.lock,
                python=aside / "bin" / "python",
                work=Path(name),
                directory=self.directory,
                home=self.home,
                notify=self.notify,
                show_progress=self.show_progress,
                held=self.held,
            ).install()


def _move_into_place(aside: Path, prefix: Path) -> None:
    """Rename. What is there, with the lock held, is no environment: it has no state or no interpreter."""
    if prefix.exists():
        grave = prefix.with_name(f"{prefix.name}.building-old-{os.getpid()}")
        prefix.replace(grave)
        shutil.rmtree(grave, ignore_errors=True)
    aside.replace(prefix)
