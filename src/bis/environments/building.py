"""Builds an environment from its lock with uv: aside, then moved into place whole."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments import interpreters, local_paths
from bis.environments.environment import STATE_FILE, lock_path
from bis.environments.home_files import home_errors
from bis.environments.requirement_lines import flags_for_uv, lines_for_uv
from bis.environments.uv_command import Finished, cleaned, run_uv
from bis.errors import BisError, BuildError, HomeError
from bis.file_locks import exclusive_if_free

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bis.environments.interpreters import Interpreter
    from bis.environments.locks import Lock, LockedPath
    from bis.home import Home

LOCK_COPY = "bis-lock.json"


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
        interpreter = self._interpreter()
        sweep(prefix)
        self.notify(f"Building the environment (Python {interpreter.version})")
        aside = prefix.with_name(f"{prefix.name}.building-{os.getpid()}")
        try:
            with home_errors("build the environment"):
                self._fill(aside, interpreter)
                _write_state(aside, self.lock, interpreter)
                _move_into_place(aside, prefix)
                _protect(prefix)
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
            raise self._error("the environment cannot be made", made, aside)
        with tempfile.TemporaryDirectory(dir=self.home.ensure(self.home.cache), prefix="building-") as name:
            work = Path(name)
            self._sync(aside, work)
            self._add_unhashed(aside, work)

    def _sync(self, aside: Path, work: Path) -> None:
        """Install what has hashes: from the cache first, which asks the network nothing."""
        if not self.lock.requirements:
            return
        options = "".join(f"{line}\n" for line in lines_for_uv(self.lock.options, self.directory))
        (work / "requirements.txt").write_text(options + self.lock.requirements, encoding="utf-8")
        self._install(["sync", "--require-hashes"], ["requirements.txt"], aside, work)

    def _add_unhashed(self, aside: Path, work: Path) -> None:
        """Install repositories at their commits and the project's own packages; dependencies are locked."""
        lines = [*self.lock.unhashed.splitlines(), *self._staged(work)]
        if lines:
            (work / "unhashed.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            self._install(["install", "--no-deps"], ["-r", "unhashed.txt"], aside, work)

    def _staged(self, work: Path) -> list[str]:
        if self.lock.local and self.directory is None:
            raise BuildError(
                "the environment holds packages of the project, and there is no project directory"
            )
        found = []
        for index, local in enumerate(self.lock.local):
            path = (self.directory or work) / local.path
            self._check_unchanged(local, path)
            if path.is_dir():
                goal = work / f"local-{index}"
                local_paths.stage(path, goal)
                path = goal
            found.append(f"{path}{local.extras}")
        return found

    def _check_unchanged(self, local: LockedPath, path: Path) -> None:
        if not path.exists() or local_paths.digest(path, self.home, editable=local.editable) != local.digest:
            raise BuildError(
                f"the local package {local.path!r} is not what the environment was locked with",
                hint="It was changed or removed meanwhile: run again.",
            )

    def _install(self, command: Sequence[str], goal: Sequence[str], aside: Path, work: Path) -> None:
        python = aside / "bin" / "python"
        arguments: list[str | Path] = ["pip", *command, "--python", python, "--color=never", *goal]
        arguments += flags_for_uv(self.lock.options)
        if self.lock.as_of:  # holds what sdists are built with to the date as well
            arguments.append(f"--exclude-newer={self.lock.as_of}")
            arguments += [f"--exclude-newer-package={each}=false" for each in self.lock.undated]
        done = run_uv([*arguments, "--offline"], cwd=work, keep_open=(self.held,))
        if done.code == 0 or done.disk_full:
            online = done
        else:
            self.notify("Downloading packages")
            online = run_uv(arguments, cwd=work, show=self.show_progress, keep_open=(self.held,))
        if online.code != 0:
            raise self._error("the packages of the environment cannot be installed", online, aside, work)

    def _error(self, what: str, done: Finished, *hidden: Path) -> BisError:
        if done.disk_full:
            return HomeError(
                "the disk is full", hint="Free some space; `bis env prune` removes unused environments."
            )
        hint = "Run again: what was downloaded is kept."
        if "Failed to build" in done.errors:
            hint = "A package could not be built from its source: declare another version, or the Python of its time."
        if done.unreachable:
            hint = "The package index cannot be reached. Check the network and the proxy, and run again."
        reasons = cleaned(done.errors, {str(path): "" for path in hidden}) or "uv has said why above"
        return BuildError(f"{what}:\n{reasons}", hint=hint)


def _protect(prefix: Path) -> None:
    """Make installed files read-only: on Linux they are hard links into uv's cache, an edit would go there.

    The run does not wait for it: a fifth of the time of a build is spent on looking at every file.
    """
    if sys.platform != "linux":
        return
    find = [
        "find",
        str(prefix / "lib"),
        "-type",
        "f",
        "-links",
        "+1",
        "-perm",
        "/222",
        "-exec",
        "chmod",
        "a-w",
        "{}",
        "+",
    ]
    threading.Thread(target=_run_quietly, args=(find,), name="bis-protect", daemon=True).start()


def _run_quietly(command: Sequence[str]) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def _write_state(aside: Path, lock: Lock, interpreter: Interpreter) -> None:
    (aside / LOCK_COPY).write_text(json.dumps(lock.to_dict()), encoding="utf-8")
    state = {
        "format": 1,
        "digest": lock.digest,
        "manager": lock.manager,
        "python": interpreter.version,
        "packages": len(lock.packages),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
    # No fsync, which would wait for thousands of links: a state that a crash cuts short is not read as one.
    (aside / STATE_FILE).write_text(json.dumps(state), encoding="utf-8")


def _move_into_place(aside: Path, prefix: Path) -> None:
    """Rename. What is there, with the lock held, is no environment: it has no state or no interpreter."""
    if prefix.exists():
        grave = prefix.with_name(f"{prefix.name}.building-old-{os.getpid()}")
        prefix.replace(grave)
        shutil.rmtree(grave, ignore_errors=True)
    aside.replace(prefix)


def sweep(prefix: Path) -> None:
    """Remove what killed builds have left: of this environment (its lock is held), and of others."""
    for leftover in prefix.parent.glob("*.building-*"):
        owner = leftover.with_name(leftover.name.partition(".building-")[0])
        if owner == prefix:
            shutil.rmtree(leftover, ignore_errors=True)
            continue
        with exclusive_if_free(lock_path(owner)) as free:
            if free:
                shutil.rmtree(leftover, ignore_errors=True)
