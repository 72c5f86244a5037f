"""The Plan document and its digest."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bis.environments import Lock
from bis.errors import BisError
from bis.plans import layers
from bis.plans.canonical import canonical_json, digest_of
from bis.projects import build_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.plans.levels import Level

FORMAT = "bis.plan/2"
MAXIMUM_SEED = 2**32 - 1
"""What NumPy's and scikit-learn's seeds may be."""


@dataclass(frozen=True)
class PlannedSource:
    """Which tree runs. ``tree`` decides; ``repository`` and ``commit`` say where it can be had when clean."""

    tree: str | None
    subdirectory: str
    repository: str | None
    commit: str | None
    dirty: bool


@dataclass(frozen=True)
class Plan:
    """What will be executed. It holds no secret and no path of the machine that made it, but those of inputs."""

    source: PlannedSource
    entry_point: str
    template: str
    parameters: Mapping[str, str]
    extra: tuple[str, ...]
    environment: Lock
    seed: int = 0
    """What the random numbers of the run begin with, 0 to ``MAXIMUM_SEED``."""
    level: Level = "seed"
    """How much is held: see ``levels``."""
    local: Mapping[str, str] = field(default_factory=dict)
    """Path parameters that lie on the machine that made the plan: name to absolute path."""
    in_tree: Mapping[str, str] = field(default_factory=dict)
    """Those of ``local`` that lie in the source: name to the path from the top of its tree."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Path parameters that are fetched before the start: name to URI."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables with the values that the command is given: those that decide the result."""
    removed_variables: tuple[str, ...] = ()
    """Environment variables of the caller that are not handed down."""
    secrets: tuple[str, ...] = ()
    """Names of the variables of ``--env-file``: their values are in no document."""

    def command(self, replaced: Mapping[str, str] | None = None) -> str:
        """The shell command: each value quoted, path parameters replaced by where they are on this machine."""
        return build_command(self.template, self.parameters, self.extra, {**self.local, **(replaced or {})})

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON types, as ``plan.schema.json`` describes it."""
        return {
            "format": FORMAT,
            "source": asdict(self.source),
            "entry_point": self.entry_point,
            "template": self.template,
            "command": self.command(),
            "parameters": dict(self.parameters),
            "extra": list(self.extra),
            "inputs": {
                "local": dict(self.local),
                "in_tree": dict(self.in_tree),
                "downloads": dict(self.downloads),
            },
            "environment": self.environment.to_dict(),
            "seed": self.seed,
            "level": self.level,
            "variables": {
                "set": dict(self.variables),
                "removed": list(self.removed_variables),
                "secret": list(self.secrets),
            },
        }

    def to_json(self) -> str:
        """The document as canonical JSON (RFC 8785)."""
        return canonical_json(self.to_dict())

    @cached_property
    def layers(self) -> dict[str, str]:
        """What decides the result, by layer, each with its SHA-256: two plans differ in these alone.

        The tree decides, not the commit or repository it came from; the packages of the lock, not the date or notes
        of its resolution; an input of the tree by its place there, others by their path. ``plans.layers`` puts
        layers of one plan into another.
        """
        return {name: digest_of(part) for name, part in layers.parts(self).items()}

    @cached_property
    def digest(self) -> str:
        """The identity of the run: SHA-256 (64 hex digits) over the digests of its layers."""
        return digest_of({"format": FORMAT, "layers": self.layers})

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan back, also one that was printed with its digest.

        Raises BisError when it is not one, is of another format, or is not what its digest says.
        """
        document = _checked(text)
        try:
            environment = Lock.from_dict(document["environment"])
        except (ValueError, TypeError) as error:
            raise BisError(f"the environment of this plan cannot be read: {error}") from error
        plan = cls(
            source=PlannedSource(**document["source"]),
            entry_point=document["entry_point"],
            template=document["template"],
            parameters=document["parameters"],
            extra=tuple(document["extra"]),
            environment=environment,
            seed=document["seed"],
            level=document["level"],
            local=document["inputs"]["local"],
            in_tree=document["inputs"]["in_tree"],
            downloads=document["inputs"]["downloads"],
            variables=document["variables"]["set"],
            removed_variables=tuple(document["variables"]["removed"]),
            secrets=tuple(document["variables"]["secret"]),
        )
        if document.get("digest", plan.digest) != plan.digest:
            raise BisError(
                "this plan is not what its digest says",
                hint="It was changed after it was written. Take the line `digest` out if that is meant.",
            )
        return plan


def _checked(text: str) -> dict[str, Any]:
    """The document of a plan, of the right form; what is in it need not be right."""
    from bis.plans.schema import first_fault  # not on the way of a first run

    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BisError(f"this is not a plan of bis: {error}") from error
    found = document.get("format") if isinstance(document, dict) else None
    if isinstance(found, str) and found != FORMAT and found.startswith("bis.plan/"):
        raise BisError(
            f"this plan has the format {found!r}; this bis reads {FORMAT!r}",
            hint="Use the version of bis that wrote it, or a newer one.",
        )
    fault = first_fault(document)
    if fault:
        raise BisError(f"this is not a plan of bis: {fault}")
    checked: dict[str, Any] = document
    return checked
