"""The packages of R that a project's ``renv.lock`` pins, restored by renv into the library of a conda environment.

renv (its documentation, "Lockfiles" and ``restore``) is R's own tool for it, and a package of R: r-renv of conda.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from bis.errors import BuildError, Position, SpecError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.environments.conda.packages import Package
    from bis.environments.environment import Activation

WITHOUT_AUTOLOADER = {"RENV_CONFIG_AUTOLOADER_ENABLED": "FALSE"}
"""Else a project's .Rprofile would make a library in the project, and use that."""

_PROGRAM = """\
if (!requireNamespace("renv", quietly = TRUE)) quit(status = 90)
options(renv.consent = TRUE)
arguments <- commandArgs(trailingOnly = TRUE)
renv::restore(lockfile = arguments[1], library = .Library, prompt = FALSE, clean = FALSE)
"""
_NO_RENV = 90


def checked(text: str, directory: Path) -> str:
    """Return the text of a lock of renv; raise SpecError for one that is none."""
    where = Position(directory / "renv.lock", 1)
    try:
        document = json.loads(text)
        if not isinstance(document["Packages"], dict):
            raise TypeError("Packages")
    except ValueError as error:
        where = Position(directory / "renv.lock", getattr(error, "lineno", 1))
        raise SpecError(
            "not the JSON of renv", where=where, hint="Write it anew: renv::snapshot()."
        ) from error
    except (KeyError, TypeError) as error:
        raise SpecError(
            "it names no Packages", where=where, hint="Write it anew: renv::snapshot()."
        ) from error
    return text


def note(chosen: list[Package], text: str) -> str:
    """Say what becomes of a lock of renv in an environment of these packages."""
    count = len(json.loads(text)["Packages"])
    names = {each.name for each in chosen}
    if "r-base" not in names:
        return "renv.lock has no effect: the environment has no R (r-base)"
    return f"renv.lock: {count} package{'' if count == 1 else 's'} of R, which renv restores"


def has_r(chosen: list[Package]) -> bool:
    """Whether there is an R among packages of conda."""
    return any(each.name == "r-base" for each in chosen)


def restore(text: str, *, work: Path, activation: Activation, notify: Callable[[str], None]) -> None:
    """Have renv install what its lock names; a note where R has no renv. Raises BuildError with R's reasons."""
    notify("Restoring the packages of renv.lock")
    lock, program = work / "renv.lock", work / "restore.R"
    lock.write_text(text, encoding="utf-8")
    program.write_text(_PROGRAM, encoding="utf-8")
    variables = {**os.environ, **activation.variables, **WITHOUT_AUTOLOADER}
    variables["PATH"] = os.pathsep.join([*activation.path, os.environ.get("PATH", os.defpath)])
    done = subprocess.run(
        ["Rscript", "--vanilla", program, lock],
        env=variables,
        cwd=work,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode == _NO_RENV:
        notify(
            "the packages of renv.lock are not installed, since this R has no renv: add r-renv to conda.yaml"
        )
    elif done.returncode:
        reasons = (done.stderr or done.stdout).decode(errors="replace").strip()[-2000:]
        raise BuildError(
            f"renv cannot restore the packages of renv.lock:\n{reasons}",
            hint="Check the repositories that renv.lock names, and the version of r-base.",
        )
