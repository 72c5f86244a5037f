"""Finds out what a project declares as its environment: by its MLproject file, else by convention."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from bis.environments.spec import EnvironmentSpec
from bis.errors import SpecError, UsageError, did_you_mean

if TYPE_CHECKING:
    from pathlib import Path

    from bis.environments.spec import ContainerDeclaration

MANAGERS = {"uv": "uv", "virtualenv": "uv", "local": "local", "conda": "conda"}
"""What can be asked for with ``--env-manager``, and the provider that answers."""

_CONVENTIONS_OF_MLFLOW = (("python_env.yaml", "python_env"), ("conda.yaml", "conda_env"))
_CONVENTIONS = (
    *_CONVENTIONS_OF_MLFLOW,
    ("environment.yml", "conda_env"),
    ("environment.yaml", "conda_env"),
    ("requirements.txt", "requirements"),
    ("pyproject.toml", "pyproject"),
)
"""The others are what people have where MLflow would run an empty environment."""


def detect(
    directory: Path,
    *,
    kind: str | None,
    file: Path | None,
    manager: str | None,
    container: ContainerDeclaration | None = None,
) -> EnvironmentSpec:
    """Return the environment that a project declares.

    ``kind`` and ``file`` are what its MLproject says (None: nothing), ``manager`` what the user asks for
    (None: by the files alone); ``container`` is what it says of a container. Raises SpecError where the
    declaration cannot be read, UsageError for a manager that does not exist.
    """
    provider = _provider(manager)
    if container is not None:  # goes before the manager, as in MLflow
        notes = () if manager is None else (f"--env-manager {manager} has no effect: docker_env is declared",)
        return EnvironmentSpec(
            directory, manager="container", kind="docker_env", container=container, notes=notes
        )
    declared = _read(directory, kind, file) if kind and file else None
    spec = declared or _by_convention(directory)
    if provider == "conda" or (provider is None and _needs_conda(spec)):
        from bis.environments import conda_file

        return conda_file.for_conda(dataclasses.replace(spec, python=spec.python or _pinned(directory)))
    if provider != "local" and (directory / "renv.lock").is_file():
        note = "renv.lock has no effect: R comes with conda, as r-base in a conda.yaml"
        spec = dataclasses.replace(spec, notes=(*spec.notes, note))
    if spec.conda_only and provider != "local":
        raise SpecError(
            "this environment needs real conda packages, which uv cannot install: "
            + ", ".join(name for name, _ in spec.conda_only),
            where=spec.conda_only[0][1],
            hint="Leave --env-manager out, and conda's packages are taken from its channels.",
        )
    return dataclasses.replace(
        spec, manager=provider or spec.manager, python=spec.python or _pinned(directory)
    )


def _needs_conda(spec: EnvironmentSpec) -> bool:
    """The rule: by the files alone, whether PyPI cannot have what a conda file asks for."""
    return bool(spec.conda_only or (spec.conda and spec.conda.own_channels))


def _provider(manager: str | None) -> str | None:
    if manager is None:
        return None
    if manager not in MANAGERS:
        raise UsageError(
            f"there is no environment manager {manager!r}; there are {', '.join(MANAGERS)}",
            hint=did_you_mean(manager, MANAGERS),
        )
    return MANAGERS[manager]


def _by_convention(directory: Path) -> EnvironmentSpec:
    for name, kind in _CONVENTIONS:
        path = directory / name
        if not path.is_file():
            continue
        spec = _read(directory, kind, path)
        if spec is not None and (name, kind) in _CONVENTIONS_OF_MLFLOW:
            return spec
        if spec is not None:
            note = f"the project declares no environment: {name} is taken"
            return dataclasses.replace(spec, notes=(note, *spec.notes))
    note = "the project declares no environment: it runs in one with nothing installed"
    return EnvironmentSpec(directory, manager="uv", kind="none", notes=(note,))


def _read(directory: Path, kind: str, path: Path) -> EnvironmentSpec | None:
    """Read one file; only the reader that it needs is imported, since each counts at the start of a run."""
    if kind == "conda_env":
        from bis.environments import conda_file

        return conda_file.read(path, directory)
    if kind == "python_env":
        from bis.environments import python_env_file

        return python_env_file.read(path, directory)
    if kind == "pyproject":
        from bis.environments import pyproject_file

        return pyproject_file.read(path, directory)
    return _read_requirements(path, directory)


def _read_requirements(path: Path, directory: Path) -> EnvironmentSpec:
    from bis.environments.requirement_lines import RequirementLines

    lines = RequirementLines(directory)
    lines.add_file(path)
    return EnvironmentSpec(
        directory,
        manager="uv",
        kind="requirements",
        file=path,
        requirements=tuple(lines.requirements),
        constraints=tuple(lines.constraints),
        local=tuple(lines.local),
        options=tuple(lines.options),
    )


def _pinned(directory: Path) -> str | None:
    """The version in ``.python-version`` (pyenv's and uv's); it counts where nothing else pins Python."""
    try:
        words = (directory / ".python-version").read_text("utf-8").split()
    except (OSError, UnicodeDecodeError):
        return None
    return words[0] if words and re.fullmatch(r"3(\.\d+){1,2}", words[0]) else None
