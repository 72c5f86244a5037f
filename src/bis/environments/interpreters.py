"""Finds the interpreters on this machine wherever people have them, and the one that a project asks for."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.environments.python_releases import RELEASED, was_a_year_old
from bis.environments.python_request import PythonRequest
from bis.errors import InterpreterNotFoundError
from bis.home_files import read_document, replace_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from bis.home import Home

# -I keeps the user's PYTHONPATH out; Python 2 refuses it, which is how it is left out.
_PROBE = """
import json, sys, sysconfig
print(json.dumps({"version": list(sys.version_info[:3]), "final": sys.version_info[3] == "final",
    "implementation": sys.implementation.name,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "base": getattr(sys, "_base_executable", sys.executable) or sys.executable}))
"""
_PROBE_TIMEOUT_S = 20
_EXECUTABLE = re.compile(r"python3?(\.\d+)?")
_CONDA_ROOTS = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba", ".conda")


@dataclass(frozen=True)
class Interpreter:
    """A CPython that runs."""

    path: Path
    numbers: tuple[int, int, int]

    @property
    def version(self) -> str:
        """The full version, as ``3.8.18``."""
        return ".".join(map(str, self.numbers))

    @property
    def minor(self) -> tuple[int, int]:
        """The minor version, as (3, 8)."""
        return self.numbers[:2]


@dataclass(frozen=True)
class Choice:
    """The interpreter for a request, and a note when it is not quite the one that was asked for."""

    interpreter: Interpreter
    note: str | None = None


def find(request: str | None, as_of: datetime | None, *, home: Home, notify: Callable[[str], None]) -> Choice:
    """Return the interpreter for a request; uv downloads one where none is here and it may.

    A patch version that is not here gives way to the newest of the same minor version. A range, or no
    request, takes the newest minor version that was a year old at ``as_of`` (None: now).
    Raises InterpreterNotFoundError, which lists what is here; SpecError when the request cannot be read.
    """
    wanted = PythonRequest.parse(request)
    day = (as_of or datetime.now(timezone.utc)).date()
    here = installed(home, wanted.of_same_minor() if wanted.names_patch else wanted)
    choice = choose(wanted, here, day)
    if choice is None and _download(wanted, day, notify):
        choice = choose(wanted, installed(home, PythonRequest.parse(None)), day)
    if choice is None:
        raise _not_found(wanted, installed(home, PythonRequest.parse(None)))
    return choice


def choose(wanted: PythonRequest, here: Iterable[Interpreter], day: date) -> Choice | None:
    """Return the best of the interpreters that are here, by rule; None when none will do."""
    here = sorted(here, key=lambda each: each.numbers, reverse=True)
    fitting = [each for each in here if wanted.admits(each.numbers)]
    if wanted.minor is None and fitting:
        old_enough = [each for each in fitting if was_a_year_old(each.minor, day)]
        oldest_minor = [each for each in fitting if each.minor == fitting[-1].minor]
        return Choice((old_enough or oldest_minor)[0])
    if fitting:
        return Choice(fitting[0])
    alike = [each for each in here if wanted.names_patch and each.minor == wanted.minor]
    if not alike:
        return None
    return Choice(alike[0], f"Python {wanted.text} is not here: {alike[0].version} is used")


def installed(home: Home, wanted: PythonRequest) -> list[Interpreter]:
    """Return the interpreters that run and fit the request, in the order of the places looked at.

    Those whose path tells their version are tried first; the others only when none of those fits.
    """
    probes = _Probes(home)
    told: list[Path] = []
    untold: list[Path] = []
    for path in dict.fromkeys(candidates(os.environ)):
        minor = _minor_in_path(path)
        if minor is None:
            untold.append(path)
        elif wanted.could_admit_minor(minor):
            told.append(path)
    found = probes.run(told)
    if wanted.minor is None or not any(wanted.admits(each.numbers) for each in found):
        found += probes.run(untold)
    probes.keep()
    distinct = {os.path.realpath(each.path): each for each in reversed(found)}
    return [each for each in reversed(distinct.values()) if wanted.admits(each.numbers)]


def candidates(environ: Any) -> Iterator[Path]:
    """Give the paths at which interpreters are looked for: uv's, pyenv's, PATH, conda's, the system's."""
    home = Path.home()
    uv_root = environ.get("UV_PYTHON_INSTALL_DIR") or home / ".local/share/uv/python"
    yield from _existing(Path(uv_root).glob("cpython-*/bin/python3*"))
    yield from _existing(pyenv_root(environ).glob("versions/*/bin/python"))
    for folder in environ.get("PATH", "").split(os.pathsep):
        if folder and not is_shims(Path(folder)):
            yield from _existing(sorted(Path(folder).glob("python3*")))
            yield from _existing([Path(folder) / "python"])
    for root in _conda_roots(environ, home):
        yield from _existing([root / "bin/python", *root.glob("envs/*/bin/python")])
    for folder in ("/usr/local/bin", "/opt/homebrew/bin", "/usr/bin"):
        yield from _existing(sorted(Path(folder).glob("python3*")))
    yield Path(getattr(sys, "_base_executable", None) or sys.executable)


def _existing(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if _EXECUTABLE.fullmatch(path.name) and os.access(path, os.X_OK):
            yield path


def pyenv_root(environ: Any) -> Path:
    """Return where pyenv keeps its versions."""
    return Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def is_shims(folder: Path) -> bool:
    """True for a directory of pyenv's (or asdf's) shims, scripts that fail where no version is selected."""
    return folder.name == "shims"


def _conda_roots(environ: Any, home: Path) -> Iterator[Path]:
    named = [environ.get(name) for name in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX", "MLFLOW_CONDA_HOME")]
    yield from (Path(each) for each in named if each)
    if environ.get("CONDA_EXE"):
        yield Path(environ["CONDA_EXE"]).parent.parent
    yield from (home / name for name in _CONDA_ROOTS)
    yield from (Path("/opt") / name for name in ("conda", *_CONDA_ROOTS))


def _minor_in_path(path: Path) -> tuple[int, int] | None:
    """The minor version that ``python3.8`` or ``versions/3.8.18/bin/python`` tells."""
    for text in (path.name.removeprefix("python"), path.parent.parent.name.removeprefix("cpython-")):
        match = re.match(r"(\d+)\.(\d+)", text)
        if match:
            return int(match[1]), int(match[2])
    return None


class _Probes:
    """Runs interpreters once to learn their version, and remembers it by path, size and time of change."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._path = home.cache / "interpreters.json"
        self._known: dict[str, dict[str, Any]] = read_document(self._path) or {}
        self._changed = False

    def run(self, paths: Iterable[Path]) -> list[Interpreter]:
        """Return the interpreters among the paths: CPython 3 that runs, no prerelease, not free-threaded."""
        found = []
        seen: set[str] = set()
        for path in paths:
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                facts = self._facts(path)
                if _usable(facts):
                    numbers = facts["version"]
                    found.append(Interpreter(Path(facts["base"]), (numbers[0], numbers[1], numbers[2])))
        return found

    def _facts(self, path: Path) -> dict[str, Any]:
        status = path.stat()
        stamp = [status.st_mtime_ns, status.st_size]
        known = self._known.get(str(path))
        if known is None or known["stamp"] != stamp:
            known = {"stamp": stamp, "facts": probe(path, _PROBE, isolated=True)}
            self._known[str(path)] = known
            self._changed = True
        facts: dict[str, Any] = known["facts"]
        return facts

    def keep(self) -> None:
        """Write down what was learnt; a home that cannot be written to costs the time to learn it again."""
        if self._changed:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                replace_text(self._path, json.dumps(self._known))
            except OSError:
                return


def _usable(facts: dict[str, Any]) -> bool:
    return (
        bool(facts) and facts["implementation"] == "cpython" and facts["final"] and not facts["free_threaded"]
    )


def probe(path: Path, code: str, *, isolated: bool) -> dict[str, Any]:
    """Run code that prints a JSON object in an interpreter; return it, empty when that is broken."""
    flags = ["-I"] if isolated else []
    try:
        done = subprocess.run(
            [path, *flags, "-c", code],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
            cwd="/",
        )
        facts = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return {}
    return facts if isinstance(facts, dict) else {}


def _download(wanted: PythonRequest, day: date, notify: Callable[[str], None]) -> bool:
    """Let uv download a Python for the request; False when it may not or cannot."""
    if _may_not_download():
        return False
    from bis.environments.uv_command import run_uv

    known = [minor for minor in RELEASED if minor >= (3, 8) and wanted.could_admit_minor(minor)]
    fitting = [minor for minor in known if was_a_year_old(minor, day)] or known[:1]
    if not fitting:
        return False
    version = ".".join(map(str, fitting[-1]))
    notify(f"Downloading Python {version}, which is not on this machine")
    return run_uv(["python", "install", version]).code == 0


def _may_not_download() -> bool:
    refused = os.environ.get("UV_PYTHON_DOWNLOADS", "automatic") in {"never", "false", "manual"}
    return refused or os.environ.get("UV_OFFLINE") in {"1", "true"}


def _not_found(wanted: PythonRequest, here: list[Interpreter]) -> InterpreterNotFoundError:
    versions = sorted({each.numbers for each in here})
    listed = ", ".join(".".join(map(str, version)) for version in versions) or "none"
    if wanted.alternatives and wanted.could_admit_minor((2, 7)):
        return InterpreterNotFoundError(
            f"the project asks for Python {wanted.text}, which is older than bis can run (3.6)",
            hint=f"Declare a newer one. On this machine there are: {listed}",
        )
    why = "may not download one (UV_PYTHON_DOWNLOADS)" if _may_not_download() else "could not download one"
    return InterpreterNotFoundError(
        f"there is no Python {wanted.text or '3'} on this machine, and uv {why}",
        hint=f"There are: {listed}. Install it (`uv python install {wanted.text or '3.12'}`, pyenv), "
        "or declare one of these.",
    )
