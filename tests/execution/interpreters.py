"""The Pythons that are here, found without bis."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def interpreters() -> tuple[str, ...]:
    """Every CPython 3 that is here, one a minor version: pyenv's, the system's, and our own."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": sys.executable}
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions", Path("/usr")]
    for root in roots:
        for python in sorted(
            [*root.glob("3.*/bin/python3"), *root.glob("bin/python3.?"), *root.glob("bin/python3.??")]
        ):
            answer = subprocess.run(
                [python, "-S", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                capture_output=True,
                text=True,
                check=False,
            )
            if answer.returncode == 0:
                found.setdefault(answer.stdout.strip(), str(python))
    return tuple(found.values())
