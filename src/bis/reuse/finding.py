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
    from collections.abc import Iterator, Mapping

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
    reasons: dict[str, str] = {}
    for run in _candidates(prepared, store):
        record, reason = _judged(run, prepared, store, home, policy)
        if reason is None:
            return Decision(run, record, tuple(reasons.items()))
        reasons[run.info.run_id] = reason
    return Decision(reasons=tuple(reasons.items()))


def _candidates(prepared: Prepared, store: Store) -> Iterator[Run]:
    """The newest runs with the key; then, behind them, those of the very same source: code that was put back."""
    with_key = f"tags.`{tags.REUSE_KEY}` = '{reuse_key(prepared.plan, prepared.steps)}'"
    same_source = f"tags.`{tags.SOURCE_TREE}` = '{prepared.plan.source.tree}'"
    seen = set[str]()
    for condition in (with_key, f"{with_key} AND {same_source}"):
        found = store.search_runs(
            filter=f"{condition} AND attributes.status = 'FINISHED'",
            order_by=("attributes.start_time DESC",),
            max_results=_MOST_LOOKED_AT,
        )
        for run in found.items:
            if run.info.run_id not in seen:
                seen.add(run.info.run_id)
                yield run


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
