"""Where a comparer notes what it saw of one pair of files, and what that comes to."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from operator import sub, truediv
from typing import TYPE_CHECKING

from bis.repeat.comparison.tolerance import Bounds
from bis.repeat.comparison.verdicts import Verdict
from bis.repeat.comparison.volatile import RunWords

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST_PLACES = 3
_FEW = 64
"""Up to so many numbers are compared one by one."""


@dataclass(frozen=True)
class Context:
    """What a comparer has to know: the words of each run, and how far numbers may be apart."""

    first: RunWords = field(default_factory=RunWords)
    second: RunWords = field(default_factory=RunWords)
    bounds: Bounds = field(default_factory=Bounds)

    def same_text(self, first: str, second: str) -> bool:
        """Whether two texts are the same once the words of each run are taken out."""
        return first == second or self.first.mask(first) == self.second.mask(second)


@dataclass(frozen=True)
class Finding:
    """What a comparer says of two files whose bytes are not the same."""

    verdict: Verdict
    reason: str
    absolute: float | None = None
    relative: float | None = None


class Tally:
    """Collects errors, differences and what was left aside. Nothing noted means EQUAL."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        self.verdict = Verdict.EQUAL
        self.absolute: float | None = None
        self.relative: float | None = None
        self._differences = 0
        self._places: list[str] = []
        self._masked: dict[str, None] = {}
        self._outside = 0
        self._close = 0

    def differ(self, what: str) -> None:
        """Note a difference that no tolerance covers."""
        self.verdict = Verdict.DIFFERENT
        self._differences += 1
        if len(self._places) < _MOST_PLACES:
            self._places.append(what)

    def mask(self, name: str) -> None:
        """Note a field that was left aside though it differs."""
        self._masked[name] = None

    def add(self, place: str, finding: Finding) -> None:
        """Note what was found of a part."""
        self.verdict = max(self.verdict, finding.verdict)
        if finding.absolute is not None and finding.relative is not None:
            self._raise_errors(finding.absolute, finding.relative)
        if finding.verdict is Verdict.DIFFERENT:
            self._differences += 1
            if len(self._places) < _MOST_PLACES:
                self._places.append(f"{place}: {finding.reason}")
        elif finding.verdict is Verdict.CLOSE:
            self._close += 1

    def number(self, place: str, first: float, second: float) -> None:
        """Compare two numbers."""
        if first == second or (first != first and second != second):  # noqa: PLR0124  NaN is not itself
            return
        absolute, relative = errors(first, second)
        self._raise_errors(absolute, relative)
        if self.bounds.holds(first, second):
            self._close += 1
            self.verdict = max(self.verdict, Verdict.CLOSE)
            return
        self._outside += 1
        self.verdict = Verdict.DIFFERENT
        if len(self._places) < _MOST_PLACES:
            self._places.append(f"{place}: {short(first)} and {short(second)}".removeprefix(": "))

    def numbers(
        self, place: str | Callable[[int], str], first: Sequence[float], second: Sequence[float]
    ) -> None:
        """Compare as many numbers, one by one; ``place`` gets the position of each, or makes a name of it."""
        unequal = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
        if len(unequal) > _FEW and self._many(place, first, second, unequal):
            return
        for i in unequal:
            self.number(_place(place, i) if len(self._places) < _MOST_PLACES else "", first[i], second[i])

    def _many(
        self,
        place: str | Callable[[int], str],
        first: Sequence[float],
        second: Sequence[float],
        unequal: list[int],
    ) -> bool:
        """As ``numbers``, for many finite ones; False when some are not."""
        ones, others = (
            (first, second)
            if len(unequal) == len(first)
            else ([first[i] for i in unequal], [second[i] for i in unequal])
        )
        apart = list(map(abs, map(sub, ones, others)))
        if not math.isfinite(sum(apart)):
            return False
        sizes = list(map(max, map(abs, ones), map(abs, others)))
        self._raise_errors(max(apart), max(map(truediv, apart, sizes)))
        outside = unequal
        if not self.bounds.exact:
            rtol, atol = self.bounds.rtol, self.bounds.atol
            outside = [i for i, d, s in zip(unequal, apart, sizes, strict=True) if d > rtol * s and d > atol]
        self._outside += len(outside)
        self._close += len(unequal) - len(outside)
        self.verdict = max(self.verdict, Verdict.DIFFERENT if outside else Verdict.CLOSE)
        for i in outside[: _MOST_PLACES - len(self._places)]:
            self._places.append(f"{_place(place, i)}: {short(first[i])} and {short(second[i])}")
        return True

    def _raise_errors(self, absolute: float, relative: float) -> None:
        self.absolute = absolute if self.absolute is None else max(self.absolute, absolute)
        self.relative = relative if self.relative is None else max(self.relative, relative)

    def finding(self, equal: str) -> Finding:
        """What it comes to; ``equal`` is the reason for the verdict EQUAL."""
        return Finding(self.verdict, self._reason(equal), self.absolute, self.relative)

    def _reason(self, equal: str) -> str:
        masked = list(self._masked)
        aside = f"left aside: {listed(masked)}" if masked else ""
        if self.verdict is Verdict.EQUAL:
            return "; ".join(part for part in (equal, aside) if part)
        count = self._differences + self._outside
        parts = []
        if count:
            places = self._places
            more = f" and {count - len(places)} more" if count > len(places) > 0 else ""
            parts.append((", ".join(places) or f"{count} values differ") + more)
        if self._close:
            parts.append(f"{self._close} {'value' if self._close == 1 else 'values'} within the tolerance")
        return "; ".join(part for part in (*parts, aside) if part)


def _place(place: str | Callable[[int], str], position: int) -> str:
    return f"{place}[{position}]" if isinstance(place, str) else place(position)


def are_numbers(values: Sequence[object]) -> bool:
    """Whether all are numbers, which truth values are not."""
    return {float, int}.issuperset(map(type, values))


def errors(first: float, second: float) -> tuple[float, float]:
    """The absolute error and the relative one, against the larger; infinite where one is not finite."""
    absolute = abs(first - second)
    if not math.isfinite(absolute):
        return math.inf, math.inf
    return absolute, absolute / max(abs(first), abs(second)) if absolute else 0.0


def listed(names: list[str], most: int = 8) -> str:
    """The names in one line."""
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest


def short(value: object) -> str:
    """A value in a few words."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
