"""Installs what a lock names into an environment that was just made: with hashes, from the cache first."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.environments import local_paths, uv_cache
from bis.environments.locked_text import blocks, name_of
from bis.environments.requirement_lines import flags_for_uv, lines_for_uv
from bis.environments.uv_command import Finished, cleaned, run_uv
from bis.errors import BisError, BuildError, HomeError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence
    from pathlib import Path

    from bis.environments.locks import Lock, LockedPath
    from bis.home import Home

_GONE = re.compile(
    r"there is no version of ([A-Za-z0-9][\w.-]*?)=="
    r"|because ([A-Za-z0-9][\w.-]*) was not found in the package registry"
    r"|there are no wheels? .*? for ([A-Za-z0-9][\w.-]*)"
    r"|Failed to (?:download|fetch)[^`]*`([A-Za-z0-9][\w.-]*?)==[^`]*`[^`]*\b(?:404 Not Found|410 Gone)",
    re.IGNORECASE,
)
_YANKED = re.compile(r"^warning: `([^`]+)` is yanked(?: \(reason: \"(.*)\"\))?", re.MULTILINE)


@dataclass
class Installation:
    """One installation: of which lock, into which environment, and whom to tell."""

    lock: Lock
    python: Path
    """The interpreter of the environment."""
    work: Path
    """An empty directory for this installation's own files."""
    directory: Path | None
    """The project's, for its local packages."""
    home: Home
    notify: Callable[[str], None]
    show_progress: bool
    held: int
    beside_others: bool = False
    """Whether what is installed already, by others, stays: what conda has put there."""
    by_date: bool = True
    """Whether locked packages, too, are looked for as of the lock's date; it turns out when the index has others."""

    def install(self) -> None:
        """Install it all; raises BuildError with what cannot be had, HomeError."""
        self._add_hashed()
        self._add_unhashed()

    def _add_hashed(self) -> None:
        """Install what has hashes; what has vanished from the index is taken from uv's cache, if it is there."""
        if not self.lock.requirements:
            return
        done = self._sync()
        if done.code != 0 and self.lock.as_of and self._missed(done):
            self.by_date = False  # a mirror has no upload times, or its own; the hashes hold the packages
            done = self._sync()
        if done.code != 0:
            self._add_without_vanished(done)

    def _add_without_vanished(self, failed: Finished) -> None:
        gone = self._vanished(failed)
        if not gone:
            raise self._error(failed)
        wheels = self._kept_wheels(gone)
        done = self._sync(without=gone)
        if done.code == 0:
            done = self._uv(["install", "--no-deps"], [str(wheel) for wheel in wheels], "--offline")
        if done.code != 0:
            raise self._error(done)

    def _vanished(self, failed: Finished) -> dict[str, str]:
        """The locked requirements, by name, that the index does not have any more: uv names one at a time."""
        wanted = {name_of(block): block for block in blocks(self.lock.requirements)}
        gone: dict[str, str] = {}
        found = self._missed(failed)
        while any(name in wanted and name not in gone for name in found):
            gone |= {name: wanted[name] for name in found if name in wanted}
            found = _names(self._dry_run(without=gone).errors)
        return gone

    def _missed(self, failed: Finished) -> list[str]:
        """The packages that uv did not find; it is asked again where it wrote to the terminal."""
        return _names(failed.errors or self._dry_run().errors)

    def _dry_run(self, without: Container[str] = ()) -> Finished:
        self._write("requirements.txt", self._hashed(without))
        return self._uv([*self._command, "--dry-run"], self._goal)

    def _sync(self, without: Container[str] = ()) -> Finished:
        self._write("requirements.txt", self._hashed(without))
        return self._run(self._command, self._goal)

    @property
    def _command(self) -> list[str]:
        """uv's command that installs exactly what is locked."""
        return (
            ["install", "--no-deps", "--require-hashes"]
            if self.beside_others
            else ["sync", "--require-hashes"]
        )

    @property
    def _goal(self) -> list[str]:
        return ["-r", "requirements.txt"] if self.beside_others else ["requirements.txt"]

    def _hashed(self, without: Container[str]) -> str:
        """The text for uv: the project's options, and each requirement with its hashes."""
        options = "".join(f"{line}\n" for line in lines_for_uv(self.lock.options, self.directory))
        found = (block for block in blocks(self.lock.requirements) if name_of(block) not in without)
        return options + "".join(found)

    def _kept_wheels(self, gone: Mapping[str, str]) -> list[Path]:
        """The files of vanished packages, as uv's cache has them; raises BuildError that names those it has not."""
        cache = uv_cache.directory()
        found = {name: uv_cache.find_wheel(cache, block, self.work) for name, block in gone.items()}
        missing = [_version_of(gone[name]) for name, wheel in found.items() if wheel is None]
        if missing:
            raise BuildError(
                f"the package index does not have these any more, and they are not in uv's cache:"
                f" {', '.join(missing)}",
                hint="Name an index that has them (UV_INDEX, PIP_EXTRA_INDEX_URL), or resolve anew: bis run --upgrade.",
            )
        for block in gone.values():
            self.notify(f"{_version_of(block)} is gone from the package index: taken from uv's cache")
        return [wheel for wheel in found.values() if wheel is not None]

    def _add_unhashed(self) -> None:
        """Install repositories at their commits and the project's own packages; dependencies are locked."""
        lines = [*self.lock.unhashed.splitlines(), *self._staged()]
        if lines:
            self._write("unhashed.txt", "".join(f"{line}\n" for line in lines))
            done = self._run(["install", "--no-deps"], ["-r", "unhashed.txt"])
            if done.code != 0:
                raise self._error(done)

    def _staged(self) -> list[str]:
        if self.lock.local and self.directory is None:
            raise BuildError(
                "the environment holds packages of the project, and there is no project directory"
            )
        found = []
        for index, local in enumerate(self.lock.local):
            path = (self.directory or self.work) / local.path
            self._check_unchanged(local, path)
            if path.is_dir():
                goal = self.work / f"local-{index}"
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

    def _run(self, command: Sequence[str], goal: Sequence[str]) -> Finished:
        """Run uv with its cache alone, which asks the network nothing, and with the network when that fails."""
        done = self._uv(command, goal, "--offline")
        if done.code == 0 or done.disk_full:
            return done
        self.notify("Downloading packages")
        done = self._uv(command, goal, show=self.show_progress)
        for package, reason in _YANKED.findall(done.errors):
            words = f": {reason}" if reason else ""
            self.notify(f"{package.replace('==', ' ')} was withdrawn by its authors (yanked){words}")
        return done

    def _uv(self, command: Sequence[str], goal: Sequence[str], *more: str, show: bool = False) -> Finished:
        arguments: list[str | Path] = ["pip", *command, "--python", self.python, "--color=never", *goal]
        arguments += flags_for_uv(self.lock.options)
        if self.beside_others:
            arguments.append("--break-system-packages")  # it is no virtual environment, and ours all the same
        if self.lock.as_of:  # holds what sdists are built with to the date as well
            arguments.append(f"--exclude-newer={self.lock.as_of}")
            free = self.lock.undated if self.by_date else self.lock.packages
            arguments += [f"--exclude-newer-package={each}=false" for each in free]
        return run_uv([*arguments, *more], cwd=self.work, show=show, keep_open=(self.held,))

    def _write(self, name: str, text: str) -> None:
        (self.work / name).write_text(text, encoding="utf-8")

    def _error(self, done: Finished) -> BisError:
        hidden = [self.python.parent.parent, self.work]
        return build_error("the packages of the environment cannot be installed", done, hidden=hidden)


def build_error(what: str, done: Finished, *, hidden: Sequence[Path]) -> BisError:
    """What is said when uv could not do its part of a build: its reasons without the paths that are hidden."""
    if done.disk_full:
        return HomeError(
            "the disk is full", hint="Free some space; `bis env prune` removes unused environments."
        )
    hint = "Run again: what was downloaded is kept."
    if "Failed to build" in done.errors:
        hint = "A package could not be built from its source: declare another version, or the Python of its time."
    elif "Hash mismatch" in done.errors:
        hint = "The index has another file under that name than the one that was locked: do not trust it."
    elif done.unreachable:
        hint = "The package index cannot be reached. Check the network and the proxy, and run again."
    reasons = cleaned(done.errors, {str(path): "" for path in hidden}) or "uv has said why above"
    return BuildError(f"{what}:\n{reasons}", hint=hint)


def _names(errors: str) -> list[str]:
    return [name_of(next(filter(None, found))) for found in _GONE.findall(errors)]


def _version_of(block: str) -> str:
    """``alpha 1.0`` of the lines of a locked requirement."""
    return re.split(r"[\\;]", block, maxsplit=1)[0].strip().replace("==", " ")
