"""Interpreters with unmodified numeric libraries of each generation, made once, as those of ``mlflow_clients``."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import uv

from mlflow_clients import cache_directory

STACKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "3.7": ("3.7", ("scikit-learn==1.0.2", "numpy==1.21.6")),
    "3.8": ("3.8", ("scikit-learn==1.3.2", "numpy==1.24.4")),
    "3.9": ("3.9", ("scikit-learn==1.4.2", "numpy==1.26.4")),
    "3.10": ("3.10", ("scikit-learn==1.6.1", "numpy==2.0.2")),
    "3.11": ("3.11", ("scikit-learn==1.7.2", "numpy==2.3.4")),
    "3.12": ("3.12", ("scikit-learn==1.7.2", "numpy==2.3.4")),
    "3.13": ("3.13", ("scikit-learn==1.7.2", "numpy==2.3.4")),
    "numpy 1.16": ("3.7", ("numpy==1.16.6",)),
    "boosting": ("3.11", ("scikit-learn==1.7.2", "numpy==2.3.4", "xgboost-cpu==3.0.5", "lightgbm==4.6.0")),
    "crates": ("3.11", ("roc-validator==0.13.0", "rocrate==0.15.1")),
    "torch": ("3.11", ("torch==2.13.0+cpu", "numpy==2.3.4")),
}
"""Name -> (Python version, what is installed). One NumPy from before its generators, one stack a Python since 3.7."""

SKLEARN = tuple(name for name, (_, wanted) in STACKS.items() if name[0] == "3" and len(wanted) == 2)
"""The stacks that the common tests run in: a scikit-learn for each Python."""


def stack_python(name: str) -> str:
    """The interpreter of an environment that holds the stack; made at the first call.

    Skips the calling test when its Python or one of its packages is not to be had here.
    """
    python, wanted = STACKS[name]
    key = hashlib.sha256("\n".join([python, *wanted]).encode()).hexdigest()[:12]
    directory = cache_directory() / f"seeded-{name.replace(' ', '-')}-{key}"
    if not (directory / "complete").exists():
        _make(directory, python, wanted)
    return str(directory / "bin" / "python")


def _make(directory: Path, python: str, requirements: tuple[str, ...]) -> None:
    with directory.with_name(directory.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (directory / "complete").exists():
            return
        shutil.rmtree(directory, ignore_errors=True)
        made = _uv("venv", "--quiet", "--relocatable", "--python", python, str(directory))
        if made.returncode:
            pytest.skip(f"no Python {python} for {requirements[0]}: {made.stderr.strip()}")
        installed = _uv("pip", "install", "--quiet", "--python", str(directory / "bin/python"), *requirements)
        if installed.returncode:
            pytest.skip(f"{', '.join(requirements)} cannot be installed here: {installed.stderr.strip()}")
        (directory / "complete").touch()  # written last: a killed build is made again


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    places = sorted(str(path) for path in pyenv.glob("versions/3.*/bin"))
    variables["UV_PYTHON_SEARCH_PATH"] = os.pathsep.join([*places, os.environ.get("PATH", os.defpath)])
    if "PIP_FIND_LINKS" in variables:  # where a machine has PyTorch without CUDA
        variables.setdefault("UV_FIND_LINKS", variables["PIP_FIND_LINKS"])
    return subprocess.run(
        [uv.find_uv_bin(), *arguments], env=variables, capture_output=True, text=True, check=False
    )
