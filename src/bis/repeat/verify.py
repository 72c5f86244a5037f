"""Executes a run again several times: does it always give the same, and is that what was recorded?"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis.repeat.comparison import Verdict, compare_rounds
from bis.repeat.families import compare_trees
from bis.repeat.rerun import plan_of, rerun
from bis.tracking import Tag, tags

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.execution import Streams
    from bis.home import Home
    from bis.repeat.comparison import Comparison
    from bis.repeat.recorded import RecordedRun
    from bis.repeat.rerun import RerunOptions
    from bis.tracking import Store

REPORT = "bis/verification.json"
"""The artifact in which the last verification of a run is kept."""


@dataclass(frozen=True)
class Verification:
    """A run, its rounds, and what they came to."""

    original: RecordedRun
    reference: RecordedRun
    """What the rounds were held against: the original, or a first execution at another level."""
    rounds: tuple[RecordedRun, ...]
    comparison: Comparison
    changed_inputs: tuple[str, ...]

    @property
    def among_rounds(self) -> Comparison | None:
        """The first round held against the others; None when there was one alone."""
        return compare_rounds(self.rounds[0], self.rounds[1:]) if len(self.rounds) > 1 else None

    @property
    def verdict(self) -> Verdict:
        """The worst of what counts, over all rounds."""
        return self.comparison.verdict

    def to_dict(self) -> dict[str, Any]:
        """The verification as JSON types."""
        return {
            **self.comparison.to_dict(),
            "run": self.original.run_id,
            "rounds": [each.run_id for each in self.rounds],
            "changed_inputs": list(self.changed_inputs),
        }


def verify(
    original: RecordedRun,
    rounds: int,
    options: RerunOptions,
    *,
    store: Store,
    home: Home,
    notify: Callable[[str], None],
    streams: Streams | None = None,
    on_round: Callable[[int, RecordedRun], None] = lambda _number, _run: None,
) -> Verification:
    """Execute ``original`` again ``rounds`` times (at least once), and keep the verdict with it.

    ``on_round`` is told of each round as it ends. Raises what ``rerun`` raises.
    """

    def execute() -> RecordedRun:
        repetition = rerun(original, options, store=store, home=home, notify=notify, streams=streams)
        changed.update(dict.fromkeys(repetition.changed_inputs))
        return repetition.repeated

    changed: dict[str, None] = {}
    reference = original
    if options.level is not None and options.level != plan_of(original).level:
        notify(
            f"the run was made at another level: the rounds are compared with a first one at {options.level!r}"
        )
        reference = execute()
    repeated = []
    for number in range(1, rounds + 1):
        repeated.append(execute())
        on_round(number, repeated[-1])
    comparison = compare_trees(reference, repeated, store, options.tolerance)
    verification = Verification(original, reference, tuple(repeated), comparison, tuple(changed))
    _keep(verification, store)
    return verification


def _keep(verification: Verification, store: Store) -> None:
    run_id = verification.original.run_id
    store.log_text(run_id, json.dumps(verification.to_dict(), indent=2) + "\n", REPORT)
    words = {
        tags.VERDICT: verification.verdict.name,
        tags.VERIFIED_ROUNDS: str(len(verification.rounds)),
    }
    store.log_batch(run_id, tags=[Tag(key, value) for key, value in words.items()])
