"""Metrics: final values and whole histories, step by step. The time at which a point was logged does not count."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from bis.repeat.comparison.tally import Tally, listed
from bis.repeat.comparison.verdicts import Difference, Verdict, only_in
from bis.repeat.comparison.volatile import duration_reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.repeat.comparison.tolerance import Tolerance
    from bis.repeat.recorded import History, RecordedRun

_TIED = "the same points; some were logged within one millisecond, in which their order is not kept"


def compare_metrics(first: RecordedRun, second: RecordedRun, tolerance: Tolerance) -> list[Difference]:
    """The metrics that differ. Those that a tolerance names always count, whatever their name says."""
    differences = []
    for name in sorted({*first.histories, *second.histories}):
        found = _compare(name, first.histories.get(name), second.histories.get(name), tolerance)
        if found is not None:
            differences.append(found)
    return differences


def _compare(
    name: str, one: History | None, other: History | None, tolerance: Tolerance
) -> Difference | None:
    if one is not None and other is not None and _same(one, other):
        return None
    why = None if name in tolerance.metrics else duration_reason(name)
    finals = _final(one), _final(other)
    aside = f"{why}: not counted" if why else ""
    if one is None or other is None:
        reason = aside or only_in(one)
        return Difference("metric", name, Verdict.DIFFERENT, *finals, None, None, not why, reason)
    tally = Tally(tolerance.of_metric(name))
    reason = _compare_histories(one, other, tally)
    return Difference(
        "metric", name, tally.verdict, *finals, tally.absolute, tally.relative, not why, aside or reason
    )


def _same(one: History, other: History) -> bool:
    """Whether all steps and values are, as they lie in memory; NaN is NaN there."""
    return one.values.tobytes() == other.values.tobytes() and one.steps.tobytes() == other.steps.tobytes()


def _points(history: History) -> list[tuple[int, float]]:
    """Steps and values without their order within a step, in which equal ones stand once.

    A store keeps one of several equal points of one millisecond, and orders those of one millisecond by value.
    NaN, which is not equal to itself, stands behind all others.
    """
    points = set(zip(history.steps, history.values, strict=True))
    nans = {step for step, value in points if isnan(value)}
    if nans:
        points = {point for point in points if not isnan(point[1])}
    return sorted(points) + [(step, _NAN) for step in sorted(nans)]


_NAN = float("nan")  # one object: a list takes it for equal to itself


def _compare_histories(one: History, other: History, tally: Tally) -> str:
    """Note the differences of two histories that are not the same, and say what they are."""
    points = _points(one), _points(other)
    if points[0] == points[1]:
        return _TIED
    if one.steps == other.steps:
        return _compare_values(one.steps, one.values, other.values, tally)
    steps, values = zip(*points[0], strict=True)
    other_steps, other_values = zip(*points[1], strict=True)
    if steps == other_steps:
        return _compare_values(steps, values, other_values, tally)
    tally.differ(_other_steps(one, other))
    return _other_steps(one, other)


def _compare_values(
    steps: Sequence[int], ones: Sequence[float], others: Sequence[float], tally: Tally
) -> str:
    tally.numbers("", ones, others)
    apart = [
        i for i, (a, b) in enumerate(zip(ones, others, strict=True)) if a != b and not (isnan(a) and isnan(b))
    ]
    if not apart:
        return "the same numbers"
    if len(ones) == 1:
        return ""
    last = "; the last value is the same" if apart[-1] != len(ones) - 1 else ""
    return f"{len(apart)} of {len(ones)} points, first at step {steps[apart[0]]}{last}"


def _other_steps(one: History, other: History) -> str:
    counts = len(one.values), len(other.values)
    if counts[0] != counts[1]:
        return f"{counts[0]} and {counts[1]} points"
    missing = sorted(set(one.steps) ^ set(other.steps))
    return (
        f"points at other steps ({listed([str(step) for step in missing], 4)})" if missing else "other points"
    )


def _final(history: History | None) -> float | None:
    return None if history is None or not history.values else history.values[-1]
