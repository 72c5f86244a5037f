"""The provider that makes nothing: the caller's interpreter runs, what is declared is compared."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.environments.as_of import AsOf
from bis.environments.environment import Environment
from bis.environments.locks import FORMAT, Lock, platform_tag
from bis.environments.spec import EnvironmentSpec
from bis.home_files import replace_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.home import Home


def lock(
    spec: EnvironmentSpec,
    *,
    as_of: AsOf,  # noqa: ARG001  # of the Provider: what is installed here has no date
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool = False,
) -> Lock:
    """Return what is installed in the caller's interpreter, with a note of each declared package that is not.

    The verdict is kept while the interpreter and its directories of packages are unchanged.
    """
    python, note = caller_python(os.environ, spec.directory)
    path = _kept_path(spec, python, home)
    found = None if upgrade else _read_kept(path, python)
    if found is None:
        found = _look(spec, python)
        _keep(path, found, python)
    lock_found, verdict = Lock.from_dict(found["lock"]), found["verdict"]
    for each in (note, verdict):
        if each:
            notify(each)
    return lock_found.with_notes(note, verdict)


def realize(
    lock: Lock,
    *,
    home: Home,  # noqa: ARG001  # of the Provider
    notify: Callable[[str], None],  # noqa: ARG001
    directory: Path | None = None,
    show_progress: bool = False,  # noqa: ARG001
) -> Environment:
    """Return the caller's own environment; nothing is built."""
    python, _ = caller_python(os.environ, directory or Path.cwd())
    return Environment(lock, manager="local", prefix=None, python=python, created=False, seconds=0.0)


def observe(kept: Lock, *, directory: Path, home: Home, notify: Callable[[str], None]) -> Lock:
    """Return the lock of what is installed now, with a note of how it differs from the one that is ``kept``."""
    spec = EnvironmentSpec(
        directory, manager="local", kind="none", python=kept.python_requested, variables=kept.variables
    )
    now = lock(spec, as_of=AsOf.latest(), home=home, notify=notify)
    changes = [
        f"{name} was {kept.packages.get(name, 'not there')} and is {now.packages.get(name, 'not there')}"
        for name in sorted({*kept.packages, *now.packages})
        if kept.packages.get(name) != now.packages.get(name)
    ]
    if kept.python != now.python:
        changes.insert(0, f"Python was {kept.python} and is {now.python}")
    if changes:
        more = f" and {len(changes) - 5} more" if len(changes) > 5 else ""
        notify(f"the local environment is not what it was: {'; '.join(changes[:5])}{more}")
    return now


def caller_python(environ: Mapping[str, str], directory: Path) -> tuple[Path, str | None]:
    """Return the interpreter that ``python`` is for the caller, and a note when it is not the first on PATH.

    A shim of pyenv stands for the version that it selects in that directory; one that selects none is passed
    by, since it would fail. Without any ``python`` it is the interpreter of bis.
    """
    note = None
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        found = Path(folder) / "python"
        if not (folder and os.access(found, os.X_OK)):
            continue
        if found.parent.name != "shims":
            return found.absolute(), note
        selected = _selected_by_pyenv(environ, directory)
        if selected:
            return selected, note
        note = f"the pyenv shim {found} selects no version that is installed, and is passed by"
    return Path(sys.executable), note


def _selected_by_pyenv(environ: Mapping[str, str], directory: Path) -> Path | None:
    """Return the interpreter that pyenv's shims would start, by its rules; None for none or the system's."""
    root = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [directory.absolute(), *directory.absolute().parents]
    files = [*(folder / ".python-version" for folder in folders), root / "version"]
    named = environ.get("PYENV_VERSION", "").replace(":", " ")
    if not named:
        named = next((file.read_text("utf-8", "replace") for file in files if file.is_file()), "")
    for name in named.split():
        matches = sorted((root / "versions").glob(f"{name}.*/bin/python"), key=_patch)
        exact = root / "versions" / name / "bin" / "python"
        for python in (exact, *reversed(matches)):
            if os.access(python, os.X_OK):
                return python
    return None


def _patch(python: Path) -> list[int]:
    return [int(part) for part in python.parent.parent.name.split(".") if part.isdigit()]


def _look(spec: EnvironmentSpec, python: Path) -> dict[str, Any]:
    from bis.environments import installed  # packaging and a process: only when something has changed

    here = installed.look(python)
    unmet = installed.unmet(spec, here)
    verdict = f"declared, but not so in {python}: {'; '.join(unmet)}" if unmet else None
    found = Lock(
        manager="local",
        python=here.version,
        python_requested=spec.python,
        platform=platform_tag(),
        requirements="".join(f"{name}=={version}\n" for name, version in sorted(here.packages.items())),
        variables=spec.variables,
        notes=(f"not pinned: the packages are those installed in {python}",),
        pinned=False,
    )
    return {"lock": found.to_dict(), "verdict": verdict, "folders": [str(each) for each in here.folders]}


def _kept_path(spec: EnvironmentSpec, python: Path, home: Home) -> Path:
    looked_at = [FORMAT, str(python), spec.declared_digest(), os.environ.get("PYTHONPATH"), platform_tag()]
    name = hashlib.sha256(json.dumps(looked_at).encode()).hexdigest()[:32]
    return home.cache / "local-environments" / f"{name}.json"


def _read_kept(path: Path, python: Path) -> dict[str, Any] | None:
    """Return what was found, None when anything has been installed or removed since."""
    try:
        found: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return found if found["stamps"] == _stamps(python, found["folders"]) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(path: Path, found: dict[str, Any], python: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps({**found, "stamps": _stamps(python, found["folders"])}))
    except OSError:
        return  # a home that cannot be written to costs the time to look again


def _stamps(python: Path, folders: list[str]) -> list[int]:
    """Return the times of change of the interpreter and of its directories of packages (0: not there)."""
    return [_changed(str(python)), *map(_changed, folders)]


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116  # a str all the way
    except OSError:
        return 0
