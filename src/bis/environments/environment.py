"""Environment: a lock made real, and what a process needs to run in it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.environments.locks import Lock

STATE_FILE = "bis-environment.json"
"""Written last in a build: a directory without it is no environment. Its mtime is the last use."""


@dataclass(frozen=True)
class Activation:
    """What a process needs to run in the environment."""

    path: tuple[str, ...]
    """What comes before the caller's PATH."""
    variables: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Activation:
        """Read it back."""
        return cls(tuple(document["path"]), dict(document["variables"]))


@dataclass(frozen=True)
class Environment:
    """An environment that is complete and can be used."""

    lock: Lock
    manager: str
    prefix: Path | None
    """The directory of the environment; None for ``local``, which is the caller's own."""
    python: Path | None
    """Its interpreter; None where it has none, as an environment of R or of tools."""
    created: bool
    """True when this call built it."""
    seconds: float
    """How long that took."""
    import_paths: tuple[Path, ...] = ()
    """Where the code of editable packages is read from."""
    engine: str | None = None
    """The executable of the container engine that has the image, for a container."""
    activation: Activation | None = None
    """What the environment's own scripts set, where it has some: one of conda."""

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables for a process that runs in the environment, from those of the caller.

        ``python`` and console scripts are found on PATH, as with an activated environment, in any shell.
        """
        found = dict(environ)
        if self.prefix is not None:
            for name in ("PYTHONHOME", "__PYVENV_LAUNCHER__", "VIRTUAL_ENV"):
                found.pop(name, None)
        if self.activation is not None:
            found.update(self.activation.variables)
            found["PATH"] = _before(self.activation.path, environ)
        elif self.python is not None:
            if self.prefix is not None or not _finds(environ.get("PATH", os.defpath), self.python):
                found["PATH"] = _before((str(self.python.parent),), environ)
            if self.prefix is not None:
                found["VIRTUAL_ENV"] = str(self.prefix)
        if self.import_paths:
            before = [found["PYTHONPATH"]] if found.get("PYTHONPATH") else []
            found["PYTHONPATH"] = os.pathsep.join([*map(str, self.import_paths), *before])
        found.update(self.lock.variables)
        return found

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Keep the environment from being pruned while a run uses it; raise BuildError when it is gone."""
        if self.prefix is None:
            yield
            return
        from bis.file_locks import shared
        from bis.home_files import home_errors

        with contextlib.ExitStack() as held:
            with home_errors("lock the environment"):
                held.enter_context(shared(lock_path(self.prefix)))
            if not (self.prefix / STATE_FILE).exists():
                raise BuildError("the environment was removed meanwhile", hint="Run the command again.")
            yield


def _before(folders: tuple[str, ...], environ: Mapping[str, str]) -> str:
    """The caller's PATH with folders before it."""
    path = environ.get("PATH", os.defpath)
    return os.pathsep.join([*folders, path] if path else folders)


def lock_path(prefix: Path) -> Path:
    """Return the file whose lock is held exclusively by who builds or removes an environment."""
    return prefix.with_name(f"{prefix.name}.lock")


def _finds(path: str, python: Path) -> bool:
    """True when ``python`` on this PATH is that interpreter."""
    for folder in path.split(os.pathsep):
        found = Path(folder) / "python"
        if folder and os.access(found, os.X_OK):
            return found == python
    return False
