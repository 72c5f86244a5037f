"""How far numbers may be apart: exactly nothing, unless the user says more."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Bounds:
    """``|a - b| <= max(rtol * max(|a|, |b|), atol)``, as ``math.isclose`` has it: the same both ways round."""

    rtol: float = 0.0
    atol: float = 0.0

    @property
    def exact(self) -> bool:
        """Whether only equal numbers are taken."""
        return self.rtol == 0 and self.atol == 0

    def holds(self, first: float, second: float) -> bool:
        """Whether the two numbers are within the bounds; NaN is near to NaN."""
        if math.isnan(first) or math.isnan(second):
            return math.isnan(first) and math.isnan(second)
        return first == second or math.isclose(first, second, rel_tol=self.rtol, abs_tol=self.atol)


@dataclass(frozen=True)
class Tolerance:
    """The bounds for all numbers, and those of single metrics, by name."""

    everywhere: Bounds = field(default_factory=Bounds)
    metrics: Mapping[str, Bounds] = field(default_factory=dict)

    def of_metric(self, name: str) -> Bounds:
        """The bounds of one metric."""
        return self.metrics.get(name, self.everywhere)

    @classmethod
    def read(cls, rtol: Iterable[str] = (), atol: Iterable[str] = ()) -> Tolerance:
        """From the words of ``--rtol`` and ``--atol``: ``1e-6`` for all, ``NAME=1e-6`` for one metric.

        A metric that is named in one of them takes the other from what holds for all.
        """
        relative, absolute = _read("--rtol", rtol), _read("--atol", atol)
        everywhere = Bounds(relative.get("", 0.0), absolute.get("", 0.0))
        names = {*relative, *absolute} - {""}
        return cls(
            everywhere,
            {
                name: Bounds(relative.get(name, everywhere.rtol), absolute.get(name, everywhere.atol))
                for name in names
            },
        )


def _read(option: str, words: Iterable[str]) -> dict[str, float]:
    found = {}
    for word in words:
        name, _, text = word.rpartition("=")
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not (0 <= value < math.inf) or (option == "--rtol" and value >= 1):
            raise UsageError(
                f"{option} {word!r} is not a tolerance",
                hint=f"It is like {option} 1e-6 for all numbers, or {option} NAME=1e-6 for one metric.",
            )
        found[name] = value
    return found
