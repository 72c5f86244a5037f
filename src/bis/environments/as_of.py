"""AsOf: the moment whose packages an environment is resolved with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from bis.errors import UsageError
from bis.home_files import home_errors, replace_text

if TYPE_CHECKING:
    from bis.home import Home

FIRST_RUN = "first run"


@dataclass(frozen=True)
class AsOf:
    """A moment in UTC and where it comes from; ``time`` is None for the latest packages."""

    time: datetime | None
    origin: str

    @classmethod
    def commit(cls, committed_at: datetime) -> AsOf:
        """The date of a commit."""
        return cls(committed_at.astimezone(timezone.utc), "commit")

    @classmethod
    def first_run(cls) -> AsOf:
        """The time of the first run of the spec on this machine, which ``lock`` looks up or begins."""
        return cls(None, FIRST_RUN)

    @classmethod
    def latest(cls) -> AsOf:
        """Whatever is newest now; resolved anew at each call."""
        return cls(None, "latest")

    @classmethod
    def option(cls, text: str) -> AsOf:
        """Read ``--as-of``: ``latest``, a date (its end, UTC) or an ISO 8601 time; raise UsageError."""
        if text.strip().lower() == "latest":
            return cls.latest()
        written = text.strip()
        if len(written) == len("2024-05-01"):
            written += "T23:59:59"
        try:
            time = datetime.fromisoformat(written.replace("Z", "+00:00"))
        except ValueError:
            raise UsageError(
                f"cannot read the date {text!r}",
                hint="Write it as 2024-05-01, 2024-05-01T12:00:00Z or latest.",
            ) from None
        aware = time if time.tzinfo else time.replace(tzinfo=timezone.utc)
        return cls(aware.astimezone(timezone.utc), "--as-of")

    @property
    def asked(self) -> bool:
        """Whether the user asked for this moment, and it is not the project's or the first run's."""
        return self.origin in {"--as-of", "latest"}

    @property
    def text(self) -> str | None:
        """The moment in ISO 8601 with a Z, as uv and the lock take it; None for the latest."""
        return self.time.strftime("%Y-%m-%dT%H:%M:%SZ") if self.time else None

    def settled(self, declared_digest: str, home: Home, *, upgrade: bool) -> AsOf:
        """Return a moment that is known: that of the first run of the spec is read, or begins now.

        ``upgrade`` begins it anew. Two first runs at once agree, since the first to write decides.
        """
        if self.origin != FIRST_RUN or self.time is not None:
            return self
        path = home.ensure(home.locks) / f"{declared_digest[:32]}.first-run.json"
        if not upgrade:
            kept = _read_time(path.read_text("utf-8")) if path.exists() else None
            if kept:
                return AsOf(kept, FIRST_RUN)
        now = datetime.now(timezone.utc).replace(microsecond=0)
        with home_errors("keep the time of the first run"):
            replace_text(path, json.dumps({"first_run": now.isoformat()}))
        return AsOf(now, FIRST_RUN)


def _read_time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(str(json.loads(text)["first_run"]))
    except (ValueError, KeyError, TypeError):
        return None  # a file that was cut short: begin anew
