"""Looks for the run that can be taken."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bis.errors import BisError
from bis.plans.reuse_key import reuse_key
from bis.reuse.judging import Judge
from bis.tracking import tags
from bis.tracking.artifact_reading import artifact_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.home import Home
    from bis.plans import Prepared
    from bis.tracking import Run, Store

Policy = Literal["no", "yes", "always"]
"""``always``: also a run that used the network, wrote elsewhere, or was made at the level ``observe``."""
_MOST_LOOKED_AT = 5


@dataclass(frozen=True)
class Decision:
    """The run to take, or why there is none: a reason for each run that came near, the newest first."""

    run: Run | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[tuple[str, str], ...] = ()
    """Run id and what is not as it was."""


def find(prepared: Prepared, store: Store, home: Home, policy: Policy) -> Decision:
    """The newest run that is the same as what was ``prepared``; ``policy`` is not ``no``."""
    key = reuse_key(prepared.plan, prepared.steps)
    found = store.search_runs(
        filter=f"tags.`{tags.REUSE_KEY}` = '{key}' AND attributes.status = 'FINISHED'",
        order_by=("attributes.start_time DESC",),
        max_results=_MOST_LOOKED_AT,
    ).items
    reasons: list[tuple[str, str]] = []
    for run in found:
        record, reason = _judged(run, prepared, store, home, policy)
        if reason is None:
            return Decision(run, record, tuple(reasons))
        reasons.append((run.info.run_id, reason))
    return Decision(reasons=tuple(reasons))


def _judged(
    run: Run, prepared: Prepared, store: Store, home: Home, policy: Policy
) -> tuple[Mapping[str, Any], str | None]:
    record = _record(store, run.info.run_id)
    if record is None:
        return {}, "its record is gone"
    return record, Judge(run, record, prepared, store, home, policy).reason()


def _record(store: Store, run_id: str) -> Mapping[str, Any] | None:
    try:
        document = json.loads(artifact_text(store, run_id, "bis/record.json") or "")
    except (ValueError, OSError, BisError):
        return None
    return document if isinstance(document, dict) and isinstance(document.get("files"), list) else None
