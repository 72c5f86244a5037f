"""The Plan document and its digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bis.environments import Lock
from bis.errors import BisError
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
    """Path parameters that lie on this machine: name to absolute path."""
    downloads: Mapping[str, str] = field(default_factory=dict)
    """Path parameters that are fetched before the start: name to URI."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that bis sets because they decide the result or how it is shown."""
    removed_variables: tuple[str, ...] = ()
    """Environment variables of the caller that are not handed down."""
    secrets: tuple[str, ...] = ()
    """Names of the variables of ``--env-file``: their values are in no document."""

    def command(self, downloaded: Mapping[str, str] | None = None) -> str:
        """The shell command: each value quoted, path parameters replaced by what is on this machine."""
        replaced = {**self.local, **(downloaded or {})}
        return build_command(self.template, self.parameters, self.extra, replaced)

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON types."""
        return {
            "format": FORMAT,
            "source": {
                "tree": self.source.tree,
                "subdirectory": self.source.subdirectory,
                "repository": self.source.repository,
                "commit": self.source.commit,
                "dirty": self.source.dirty,
            },
            "entry_point": self.entry_point,
            "template": self.template,
            "command": self.command(),
            "parameters": dict(self.parameters),
            "extra": list(self.extra),
            "inputs": {"local": dict(self.local), "downloads": dict(self.downloads)},
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
        """The document as canonical JSON."""
        return _canonical(self.to_dict())

    @property
    def digest(self) -> str:
        """The identity of the run: SHA-256 (64 hex digits) over what decides, as canonical JSON.

        The tree decides, not the commit or repository it came from; the packages of the lock, not the date or notes
        of its resolution.
        """
        decides = self.to_dict()
        decides["source"] = {"tree": self.source.tree, "subdirectory": self.source.subdirectory}
        decides["environment"] = self.environment.digest
        return hashlib.sha256(_canonical(decides).encode("utf-8", "surrogateescape")).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Read a plan back; raises BisError when it is not one, or one of a later format."""
        try:
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise BisError(
                    f"this plan has the format {document['format']!r}; this bis reads {FORMAT!r}",
                    hint="Use the version of bis that wrote it, or a newer one.",
                )
            return cls(
                source=PlannedSource(**document["source"]),
                entry_point=document["entry_point"],
                template=document["template"],
                parameters=document["parameters"],
                extra=tuple(document["extra"]),
                environment=Lock.from_dict(document["environment"]),
                seed=document["seed"],
                level=document["level"],
                local=document["inputs"]["local"],
                downloads=document["inputs"]["downloads"],
                variables=document["variables"]["set"],
                removed_variables=tuple(document["variables"]["removed"]),
                secrets=tuple(document["variables"]["secret"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BisError("this is not a plan of bis") from error


def _canonical(document: Mapping[str, Any]) -> str:
    """Sorted keys, no spaces, UTF-8. No value is a number with a fraction, so RFC 8785 asks for no more."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
