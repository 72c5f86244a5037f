"""What activating a conda environment sets: looked up once, after it is built, and kept in its state.

A run then starts without rattler and without a shell that reads scripts. The scripts are run with next to no variables
of the caller's, so that what they set does not depend on who built the environment.
"""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from bis.environments.environment import Activation
from bis.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

_BASE = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_OF_THE_SHELL = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "HOME", "LANG", "CONDA_SHLVL", "CONDA_PREFIX"}
_TIME_S = 120


def look(prefix: Path, script: str) -> Activation:
    """Return what ``script``, the activation of an environment, sets; raise BuildError when it fails."""
    begin = {"PATH": os.pathsep.join(_BASE), "HOME": os.environ.get("HOME", "/"), "LANG": "C.UTF-8"}
    marker = "bis-activated"
    program = f"{script}\nprintf '%s\\0' {marker}\nenv -0"
    try:
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-c", program],
            env=begin,
            cwd=prefix,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIME_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(f"the environment cannot be activated in {_TIME_S} s") from error
    _, found, printed = done.stdout.partition(f"{marker}\0".encode())
    if not found:
        reasons = done.stderr.decode(errors="replace").strip()[-1000:]
        raise BuildError(f"the environment cannot be activated:\n{reasons}")
    pairs = (each.partition("=") for each in printed.decode(errors="surrogateescape").split("\0"))
    variables = {name: value for name, _, value in pairs if name}
    path = variables.get("PATH", "").split(os.pathsep)
    kept = {name: value for name, value in sorted(variables.items()) if name not in _OF_THE_SHELL}
    return Activation(
        path=tuple(dict.fromkeys(each for each in path if each and each not in _BASE)),
        variables={**kept, "CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix), "CONDA_SHLVL": "1"},
    )
