"""The Record: what happened when a plan was executed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis._version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.execution.watch import Watched

FORMAT = "bis.record/2"


@dataclass(frozen=True)
class Record:
    """One execution: when, where, how it ended, and what it was given."""

    run_id: str
    plan_digest: str
    command: str
    status: str
    exit_code: int | None
    stopped_by: str | None
    started_ms: int
    ended_ms: int
    duration_s: float
    directory: str
    environment_created: bool
    environment_s: float
    host: Mapping[str, Any]
    """The numeric fingerprint of the machine: ``watch.fingerprint``."""
    watched: Watched
    cpu_s: float = 0.0
    """Processor time of the command and of what it waited for."""
    memory_peak_bytes: int | None = None
    """The most memory of one process."""
    addresses_fixed: bool = False
    """Whether address randomization was off, as ``strict`` asks for and not every system allows."""

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Record:
        """How a run went, read back from its document; without what was seen of its files and processes."""
        from bis.execution.watch import Watched

        environment = document.get("environment") or {}
        names = (
            *(
                "run_id",
                "plan_digest",
                "command",
                "status",
                "exit_code",
                "stopped_by",
                "started_ms",
                "ended_ms",
            ),
            *("duration_s", "directory", "host"),
        )
        return cls(
            **{name: document.get(name) for name in names},  # type: ignore[arg-type]
            environment_created=bool(environment.get("created")),
            environment_s=float(environment.get("seconds") or 0),
            watched=Watched(),
        )

    def to_json(self) -> str:
        """The document, indented for people."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON types."""
        from bis.execution.watch.places import as_text

        watched = self.watched
        return {
            "format": FORMAT,
            "bis": __version__,
            "run_id": self.run_id,
            "plan_digest": self.plan_digest,
            "command": self.command,
            "status": self.status,
            "exit_code": self.exit_code,
            "stopped_by": self.stopped_by,
            "started_ms": self.started_ms,
            "ended_ms": self.ended_ms,
            "duration_s": round(self.duration_s, 3),
            "directory": self.directory,
            "environment": {"created": self.environment_created, "seconds": round(self.environment_s, 3)},
            "host": {**self.host, "blas": [dict(library) for library in watched.libraries]},
            "threads": watched.threads,
            "cpu_s": round(self.cpu_s, 3),
            "memory_peak_bytes": self.memory_peak_bytes,
            "addresses_fixed": self.addresses_fixed,
            "observer": watched.observer.to_dict(),
            "files": [use.to_dict() for use in watched.files],
            "files_read": dict(watched.files_read),
            "files_unlisted": watched.files_unlisted,
            "folders": [as_text(folder) for folder in watched.folders],
            "changed_while_read": list(watched.changed_while_read),
            "network": [use.to_dict() for use in watched.network],
            "processes": [use.to_dict() for use in watched.processes],
            "suspects": [dict(suspect) for suspect in watched.suspects],
        }
