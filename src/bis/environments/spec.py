"""EnvironmentSpec: what a project declares, read and put into one form, whatever file it came from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.errors import Position


@dataclass(frozen=True)
class LocalRequirement:
    """A package of the project's own that is to be installed: ``./pkg``, ``-e .``, ``wheels/x.whl``."""

    path: str
    """Relative to the project directory, with ``/``; absolute only where the file says so."""
    extras: str = ""
    """With its brackets: ``[dev,test]``."""
    marker: str = ""
    editable: bool = False

    def __str__(self) -> str:
        marker = f" ; {self.marker}" if self.marker else ""
        return f"{'-e ' if self.editable else ''}{self.path}{self.extras}{marker}"


@dataclass(frozen=True)
class CondaDeclaration:
    """What a project asks of conda itself."""

    channels: tuple[str, ...] = ()
    """As written and in order, ``nodefaults`` among them."""
    dependencies: tuple[tuple[str, Position | None], ...] = ()
    """conda's match specifications as written, each with its place."""
    requirements: tuple[str, ...] = ()
    """pip's: the ``pip:`` section without what was translated."""
    own_channels: tuple[str, ...] = ()
    """Those that are given by an address of their own."""
    renv: str = ""
    """The text of the project's ``renv.lock``."""
    translated: tuple[str, ...] = ()
    """Notes of what uv would take in another way, which are none for conda."""
    ignored: tuple[str, ...] = ()
    """Keys of the file that have no effect here: ``name``, ``prefix``."""


@dataclass(frozen=True)
class ContainerDeclaration:
    """What ``docker_env`` and the options for containers say."""

    image: str
    volumes: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    """Names of variables that are copied from the caller."""
    variables: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    """Options of the engine's ``run`` (``-A``), "" for one without a value."""
    with_project: bool = False
    """Whether the project is copied into an image of its own (``--build-image``)."""
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    """``docker_auth``: what proves to a registry who asks. In no document."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """The declared environment of one project directory; nothing is resolved yet."""

    directory: Path
    manager: str
    """The provider that makes it: a name of ``providers.PROVIDERS``."""
    kind: str
    """``python_env``, ``conda_env``, ``requirements``, ``pyproject`` or ``none``."""
    file: Path | None = None
    python: str | None = None
    """The declared Python as written (``3.8``, ``>=3.8,<3.12``), None when the project does not pin it."""
    requirements: tuple[str, ...] = ()
    """pip requirement lines, ``-r`` files expanded."""
    constraints: tuple[str, ...] = ()
    local: tuple[LocalRequirement, ...] = ()
    options: tuple[str, ...] = ()
    """Option lines of requirements files that are honoured, as ``--extra-index-url=URL``."""
    lock_file: Path | None = None
    """``uv.lock`` or ``pylock.toml``: its versions and hashes are used as they are."""
    variables: tuple[tuple[str, str], ...] = ()
    """Environment variables that a conda file sets."""
    conda_only: tuple[tuple[str, Position], ...] = ()
    """Packages that PyPI does not have, with the place that names them."""
    container: ContainerDeclaration | None = None
    """What is asked of a container engine, for ``docker_env``."""
    conda: CondaDeclaration | None = None
    """What is asked of conda, where the file is one of conda's or conda is to make the environment."""
    notes: tuple[str, ...] = ()
    """What was understood in another way than it was written: one line each."""

    @property
    def empty(self) -> bool:
        """True when nothing is to be installed with pip's words."""
        return not (self.requirements or self.local or self.lock_file)

    def declared_digest(self) -> str:
        """The SHA-256 of what is declared, the same wherever the project lies.

        The contents of local packages are not in it: editing them does not make another declaration.
        """
        locked = self.lock_file.read_bytes() if self.lock_file else b""
        declared: dict[str, Any] = {
            "manager": self.manager,
            "python": self.python,
            "requirements": self.requirements,
            "constraints": self.constraints,
            "local": [str(local) for local in self.local],
            "options": self.options,
            "locked": hashlib.sha256(locked).hexdigest(),
            "variables": self.variables,
        }
        if self.manager == "conda" and self.conda:
            declared["conda"] = [self.conda.channels, [text for text, _ in self.conda.dependencies]]
            if self.conda.renv:
                declared["renv"] = self.conda.renv
        if self.container:
            container = self.container
            declared["container"] = [
                container.image,
                container.with_project,
                container.volumes,
                container.copied,
                container.variables,
                container.arguments,
            ]
        return hashlib.sha256(json.dumps(declared, sort_keys=True).encode()).hexdigest()
