"""The Record: what happened when a plan was executed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from bis._version import __version__

FORMAT = "bis.record/1"


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

    def to_json(self) -> str:
        """The document, indented for people."""
        return json.dumps(self.to_dict(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The document as JSON types."""
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
            "host": host_facts(),
        }


def host_facts() -> dict[str, Any]:
    """The machine, as far as it can bear on a result: system, kernel, architecture, cores. No name of it."""
    system = os.uname()
    return {
        "system": system.sysname,
        "release": system.release,
        "machine": system.machine,
        "cpu_count": os.cpu_count(),
    }
