"""Two runs held against each other; and the rounds of a verification."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bis.repeat.comparison.artifacts import compare_artifacts, compare_logs, compare_outputs
from bis.repeat.comparison.metrics import compare_metrics
from bis.repeat.comparison.tolerance import Tolerance
from bis.repeat.comparison.verdicts import Comparison, Difference, Verdict, only_in, worst_first
from bis.tracking import tags
from bis.tracking.param_values import same_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.repeat.recorded import RecordedRun

_EXACT = Tolerance()


def compare_runs(first: RecordedRun, second: RecordedRun, tolerance: Tolerance = _EXACT) -> Comparison:
    """Compare status, parameters, metrics with their histories, artifacts, output files and what was printed."""
    differences = [
        *_compare_status(first, second),
        *_compare_parameters(first, second),
        *compare_metrics(first, second, tolerance),
    ]
    settled = any(each.counted and each.verdict is Verdict.DIFFERENT for each in differences)
    differences += [
        *compare_artifacts(first, second, tolerance, settled=settled),
        *compare_outputs(first, second, tolerance),
        *_compare_output(first, second),
    ]
    compared = {
        "parameter": len({*first.run.params, *second.run.params}),
        "metric": len({*first.histories, *second.histories}),
        "artifact": max(len(first.artifacts), len(second.artifacts)),
        "file": max(len(first.output_files), len(second.output_files)),
    }
    notes = [f"{run.run_id[:8]}: {note}" for run in (first, second) for note in run.notes]
    return Comparison(first.run_id, second.run_id, worst_first(differences), compared, tuple(notes))


def compare_rounds(
    recorded: RecordedRun, rounds: Sequence[RecordedRun], tolerance: Tolerance = _EXACT
) -> Comparison:
    """Hold every round against the recorded run, and against the first round.

    What differs between rounds is UNSTABLE; what all rounds agree on, and the record does not, is DIFFERENT. Of each
    thing the worst is kept. ``rounds`` has at least one.
    """
    found: dict[tuple[str, str], Difference] = {}
    against = [compare_runs(recorded, each, tolerance) for each in rounds]
    between = [compare_runs(rounds[0], each, tolerance) for each in rounds[1:]]
    for difference in (each for comparison in against for each in comparison.differences):
        _keep_worst(found, difference)
    for difference in (each for comparison in between for each in comparison.differences):
        if difference.verdict is Verdict.DIFFERENT:
            words = f"between rounds: {difference.reason}".removesuffix(": ")
            difference = replace(difference, verdict=Verdict.UNSTABLE, reason=words)  # noqa: PLW2901
        _keep_worst(found, difference)
    notes = dict.fromkeys(note for comparison in (*against, *between) for note in comparison.notes)
    return replace(against[0], differences=worst_first(list(found.values())), notes=tuple(notes))


def _keep_worst(found: dict[tuple[str, str], Difference], difference: Difference) -> None:
    key = difference.kind, difference.name
    known = found.get(key)
    if known is None or _weight(difference) > _weight(known):
        found[key] = difference


def _weight(difference: Difference) -> tuple[int, float]:
    return difference.verdict, difference.absolute or 0.0


def _compare_output(first: RecordedRun, second: RecordedRun) -> list[Difference]:
    if tags.PIPELINE in first.run.tags and tags.PIPELINE in second.run.tags:
        return []  # the lines of its steps as they came, none of those that were reused: the steps have their own
    return compare_logs(first, second)


def _compare_status(first: RecordedRun, second: RecordedRun) -> list[Difference]:
    pairs: dict[str, tuple[Any, Any]] = {
        "status": (first.run.info.status.value, second.run.info.status.value)
    }
    codes = [(run.record or {}).get("exit_code") for run in (first, second)]
    if None not in codes:
        pairs["exit code"] = (codes[0], codes[1])
    return [
        Difference("status", name, Verdict.DIFFERENT, one, other)
        for name, (one, other) in pairs.items()
        if one != other
    ]


def _compare_parameters(first: RecordedRun, second: RecordedRun) -> list[Difference]:
    ones, others, found = first.run.params, second.run.params, []
    for name in sorted({*ones, *others}):
        one, other = ones.get(name), others.get(name)
        if one == other:
            continue
        if one is None or other is None:
            found.append(Difference("parameter", name, Verdict.DIFFERENT, one, other, reason=only_in(one)))
        elif same_value(one, other):
            found.append(
                Difference(
                    "parameter", name, Verdict.EQUAL, one, other, reason="the same value, written otherwise"
                )
            )
        elif first.words.mask(one) == second.words.mask(other):
            found.append(
                Difference("parameter", name, Verdict.EQUAL, one, other, reason="the words of each run aside")
            )
        else:
            found.append(_other_value(name, one, other, first, second))
    return found


def _other_value(name: str, one: str, other: str, first: RecordedRun, second: RecordedRun) -> Difference:
    if _is_local_input(first, name) and _is_local_input(second, name):
        words = "the path of an input; what lies there is compared as an input"
        return Difference("parameter", name, Verdict.DIFFERENT, one, other, counted=False, reason=words)
    return Difference("parameter", name, Verdict.DIFFERENT, one, other)


def _is_local_input(run: RecordedRun, name: str) -> bool:
    return name in ((run.plan_document.get("inputs") or {}).get("local") or {})
