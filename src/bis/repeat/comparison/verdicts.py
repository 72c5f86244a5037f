"""The verdict of a comparison, and the differences it is made of."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

FORMAT = "bis.comparison/1"


class Verdict(IntEnum):
    """How alike two results are; the worse, the greater."""

    IDENTICAL = 0
    """The same bytes, the same numbers."""
    EQUAL = 1
    """The same value, once what belongs to one run alone (its id, times, paths) is left aside."""
    CLOSE = 2
    """Within the tolerance that the user stated."""
    DIFFERENT = 3
    UNSTABLE = 4
    """Differs between repetitions on one machine."""

    @property
    def exit_status(self) -> int:
        """0 for what is the same or close enough, 1 for what differs, 4 for what is not deterministic."""
        return {Verdict.DIFFERENT: 1, Verdict.UNSTABLE: 4}.get(self, 0)


@dataclass(frozen=True)
class Difference:
    """One thing that is not the same in both runs."""

    kind: str
    """``status``, ``parameter``, ``metric``, ``artifact``, ``file`` (an output file of the directory) or ``log``."""
    name: str
    verdict: Verdict
    first: Any = None
    """The value in the first run, as JSON takes it; None where there is none."""
    second: Any = None
    absolute: float | None = None
    """The largest absolute error, where numbers were compared."""
    relative: float | None = None
    counted: bool = True
    """False for what is shown and does not bear on the verdict, as a duration."""
    reason: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The difference as JSON types; a number that JSON cannot hold becomes text."""
        return {
            "kind": self.kind,
            "name": self.name,
            "verdict": self.verdict.name,
            "first": _storable(self.first),
            "second": _storable(self.second),
            "absolute_error": _storable(self.absolute),
            "relative_error": _storable(self.relative),
            "counted": self.counted,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Comparison:
    """Two runs held against each other."""

    first_run: str
    second_run: str
    differences: tuple[Difference, ...]
    """Worst first. What is IDENTICAL is not among them."""
    compared: Mapping[str, int] = field(default_factory=dict)
    """How many things of each kind were looked at."""
    notes: tuple[str, ...] = ()
    """What could not be compared, and why."""

    @property
    def verdict(self) -> Verdict:
        """The worst of what counts."""
        return max((each.verdict for each in self.counted), default=Verdict.IDENTICAL)

    @property
    def counted(self) -> tuple[Difference, ...]:
        """The differences that decide the verdict."""
        return tuple(each for each in self.differences if each.counted)

    @property
    def not_counted(self) -> tuple[Difference, ...]:
        """The differences that are only shown."""
        return tuple(each for each in self.differences if not each.counted)

    @property
    def exit_status(self) -> int:
        """The exit status of ``bis rerun`` and ``bis verify`` for this verdict."""
        return self.verdict.exit_status

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON types."""
        return {
            "format": FORMAT,
            "first_run": self.first_run,
            "second_run": self.second_run,
            "verdict": self.verdict.name,
            "compared": dict(self.compared),
            "differences": [each.to_dict() for each in self.differences],
            "notes": list(self.notes),
        }


def only_in(first: object) -> str:
    """The reason for what one of two runs has alone; ``first`` is that of the first, or None."""
    return f"only in the {'second' if first is None else 'first'} run"


def worst_first(differences: list[Difference]) -> tuple[Difference, ...]:
    """In the order in which they are shown: what counts, the worst, then by kind and name."""
    kinds = ("status", "parameter", "metric", "artifact", "file", "log")
    return tuple(sorted(differences, key=lambda d: (not d.counted, -d.verdict, kinds.index(d.kind), d.name)))


def _storable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    return value
