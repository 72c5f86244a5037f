"""What a lock says of a container."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT = "/mlflow/projects/code"
"""Where a container finds the project, as in MLflow."""


@dataclass(frozen=True)
class LockedContainer:
    """The image by what it holds, and what a container of it is started with."""

    image: str
    """As the project names it."""
    image_id: str
    """``sha256:...``: the digest of the image's configuration, which names its layers by theirs."""
    repo_digest: str = ""
    """``NAME@sha256:...``: how it is pulled again; "" for one that was built."""
    dockerfile: str = ""
    """What it was built from, relative to the project; "" for one that was not."""
    with_project: bool = False
    """Whether the project was copied into it (``--build-image``)."""
    volumes: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    """Names of the variables that are copied from the caller: their values are in no document."""
    variables: tuple[tuple[str, str], ...] = ()
    arguments: tuple[tuple[str, str], ...] = ()
    """Options of the engine's ``run`` (``-A``): name and value, "" for one without."""

    @property
    def decides(self) -> list[Any]:
        """What bears on the result: the image by its content, not by its name."""
        return [
            self.image_id,
            self.with_project,
            self.volumes,
            self.copied,
            self.variables,
            self.arguments,
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> LockedContainer:
        """Read it back."""
        fields = dict(document)
        for name in ("volumes", "copied"):
            fields[name] = tuple(fields.get(name, ()))
        for name in ("variables", "arguments"):
            fields[name] = tuple((key, value) for key, value in fields.get(name, ()))
        return cls(**fields)
