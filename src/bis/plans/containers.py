"""What the caller says of containers, and what a project declares, put together."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bis.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bis.environments import ContainerDeclaration
    from bis.projects import DockerEnvironment


@dataclass(frozen=True)
class ContainerOptions:
    """``-A``, ``--build-image`` and ``docker_auth`` of MLflow: they bear on projects with ``docker_env`` alone."""

    arguments: tuple[tuple[str, str], ...] = ()
    """Options of the engine's ``run``, "" for one without a value."""
    copied: tuple[str, ...] = ()
    """Names of variables that are copied from the caller (``-A env=NAME``)."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables with a value (``-A env=NAME=value``): in no document, as those of ``--env-file``."""
    build_image: bool = False
    login: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def read(
        cls,
        docker_args: Mapping[str, Any] | Iterable[str] | None = None,
        *,
        build_image: bool = False,
        docker_auth: Mapping[str, Any] | None = None,
    ) -> ContainerOptions:
        """The options as MLflow's Python call (a mapping) or command line (``NAME``, ``NAME=VALUE``) has them.

        Raises UsageError for one that cannot be read.
        """
        arguments: list[tuple[str, str]] = []
        copied: list[str] = []
        secrets: dict[str, str] = {}
        for name, value in _pairs(docker_args):
            if name not in ("e", "env"):
                arguments.append((name, value))
                continue
            variable, separator, text = value.partition("=")
            if not variable:
                raise UsageError(
                    f"-A {name} names no variable", hint=f"Write -A {name}=NAME or -A {name}=NAME=value."
                )
            if separator:
                secrets[variable] = text
            else:
                copied.append(variable)
        login = {key: str(value) for key, value in (docker_auth or {}).items()}
        return cls(tuple(arguments), tuple(copied), secrets, build_image, login)

    @property
    def given(self) -> bool:
        """Whether any of them was."""
        return self != NO_OPTIONS


NO_OPTIONS = ContainerOptions()


def _pairs(docker_args: Mapping[str, Any] | Iterable[str] | None) -> list[tuple[str, str]]:
    if docker_args is None:
        return []
    if hasattr(docker_args, "items"):
        pairs = [(str(key), "" if value is True else str(value)) for key, value in docker_args.items()]
    else:
        pairs = [(name, value) for name, _, value in (str(text).partition("=") for text in docker_args)]
    for name, _ in pairs:
        if not name.strip("-") or name.startswith("-"):
            raise UsageError(f"-A {name!r} is no option", hint="Write it without dashes: -A memory=2g")
    return pairs


def declared_container(docker: DockerEnvironment, options: ContainerOptions) -> ContainerDeclaration:
    """What a project with ``docker_env`` asks of a container engine."""
    from bis.environments import ContainerDeclaration

    plain = [each for each in docker.environment if isinstance(each, str)]
    return ContainerDeclaration(
        image=docker.image,
        volumes=docker.volumes,
        copied=tuple(dict.fromkeys([*plain, *options.copied])),
        variables=tuple(each for each in docker.environment if not isinstance(each, str)),
        arguments=options.arguments,
        with_project=options.build_image,
        login=options.login,
    )


def choose_engine(name: str | None) -> None:
    """Take this container engine in this process and all that it starts (``--container-engine``)."""
    if name:
        os.environ["BIS_CONTAINER_ENGINE"] = name
