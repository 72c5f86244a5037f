"""The lock that a project carries: looked up for a run, and written by ``bis lock``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from bis.environments import lock_files
from bis.environments.as_of import AsOf
from bis.environments.keeping import local_digests
from bis.environments.locks import same_platform
from bis.errors import Position, ResolutionError, UsageError
from bis.home_files import replace_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bis.environments.locks import Lock
    from bis.environments.spec import EnvironmentSpec
    from bis.home import Home


def find(spec: EnvironmentSpec, *, home: Home, notify: Callable[[str], None], required: bool) -> Lock | None:
    """The lock in the project that holds for ``spec`` here, or None.

    One that is missing, stale or of other platforms is a ResolutionError when it is ``required``, and a note otherwise.
    A ``uv.lock`` is checked and left to the resolver, which takes it by itself.
    """
    if required and spec.manager == "local":
        raise UsageError("--locked: the local environment is used as it is, so that no lock can hold it")
    if spec.lock_file is not None:
        if required and spec.lock_file.name == "uv.lock":
            _check_uv_lock(spec, spec.lock_file)
        return None
    try:
        file = lock_files.read(spec.directory)
        if file is not None:
            return file.current(spec, local_digests(spec, home))
    except ResolutionError as error:
        if required:
            raise
        notify(f"{lock_files.NAME} is not used: {error.message}")
        return None
    if required:
        raise ResolutionError(
            f"--locked: the project has no {lock_files.NAME}",
            hint="Write one with `bis lock`, and commit it.",
        )
    return None


@dataclass(frozen=True)
class Written:
    """What ``write`` did. ``before`` is this platform's lock as it was, None when there was none."""

    path: Path
    lock: Lock
    before: Lock | None
    changed: bool


def write(
    spec: EnvironmentSpec,
    resolve: Callable[[AsOf], Lock],
    *,
    as_of: AsOf,
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool,
) -> Written:
    """Write the lock file of a project, or leave one that is up to date as it is.

    A stale one is resolved again as of the date that it has, so that only what was declared anew changes;
    ``upgrade`` and a date that the user asks for resolve everything. Raises UsageError for a project
    that has another lock or can have none, ResolutionError.
    """
    _check_lockable(spec)
    file = _readable(spec, notify)
    before = _here(file)
    if file and before and not upgrade and not as_of.asked:
        if file.declared == lock_files.declared_digest(spec):
            return Written(file.path, file.current(spec, local_digests(spec, home)), before, changed=False)
        as_of = _dated(before) or as_of
    lock = resolve(as_of)
    base = file if file and file.declared == lock_files.declared_digest(spec) else lock_files.new(spec)
    for dropped in file.locks if file else ():
        if file is not base and not same_platform(dropped.platform):
            notify(f"the lock for {dropped.platform} was of another declaration and is dropped")
    text = base.with_lock(lock).to_text()
    try:
        replace_text(base.path, text)
    except OSError as error:
        raise UsageError(f"cannot write {base.path}: {error.strerror}") from error
    return Written(base.path, lock, before, changed=before is None or before.digest != lock.digest)


def differences(
    before: Mapping[str, str], after: Mapping[str, str]
) -> list[tuple[str, str | None, str | None]]:
    """Name, version before and version after (None: not there) of each package that differs, by name."""
    names = sorted({*before, *after})
    found = [(name, before.get(name), after.get(name)) for name in names]
    return [each for each in found if each[1] != each[2]]


def _check_lockable(spec: EnvironmentSpec) -> None:
    if spec.lock_file is not None:
        raise UsageError(
            f"this project has a lock of its own, {spec.lock_file.name}, and bis takes its packages from there",
            hint="Refresh it with `uv lock`." if spec.lock_file.name == "uv.lock" else None,
        )
    if spec.manager == "local":
        raise UsageError("a local environment is used as it is, and cannot be locked")
    if spec.kind == "none":
        raise UsageError(
            f"{spec.directory} declares no environment, so that there is nothing to lock",
            hint="Name the folder of a project, or declare its packages in a python_env.yaml.",
        )


def _readable(spec: EnvironmentSpec, notify: Callable[[str], None]) -> lock_files.LockFile | None:
    try:
        return lock_files.read(spec.directory)
    except ResolutionError as error:
        notify(f"{lock_files.NAME} is written anew: {error.message}")
        return None


def _here(file: lock_files.LockFile | None) -> Lock | None:
    return next((lock for lock in file.locks if same_platform(lock.platform)), None) if file else None


def _dated(lock: Lock) -> AsOf | None:
    if lock.as_of is None:
        return None
    return AsOf(datetime.fromisoformat(lock.as_of.replace("Z", "+00:00")), lock_files.NAME)


def _check_uv_lock(spec: EnvironmentSpec, path: Path) -> None:
    from bis.environments.uv_command import cleaned, run_uv

    done = run_uv(["lock", "--check", "--directory", spec.directory, "--color=never"])
    if done.code != 0:
        reasons = cleaned(done.errors, {str(spec.directory): "."})
        raise ResolutionError(
            f"--locked: the lock is stale: {reasons}",
            where=Position(path, 1),
            hint="Refresh it with `uv lock`.",
        )
