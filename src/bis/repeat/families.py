"""Runs with the runs inside them, held against each other: each child with the one that was the same step or call."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import TYPE_CHECKING

from bis.repeat.comparison import Tolerance, Verdict, compare_rounds, compare_runs
from bis.repeat.comparison.verdicts import Difference, only_in, worst_first
from bis.repeat.recorded import RecordedRun
from bis.tracking.families import family

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.repeat.comparison import Comparison
    from bis.tracking import Run, Store
    from bis.tracking.families import Family

_EXACT = Tolerance()


def compare_trees(
    first: RecordedRun, rounds: Sequence[RecordedRun], store: Store, tolerance: Tolerance = _EXACT
) -> Comparison:
    """As ``compare_rounds``, and with the runs inside: what differs in one has the name of its step or call before it.

    Children are matched by that name, so the order in which they happened to start does not count.
    """
    trees = [family(store, each.run) for each in (first, *rounds)]
    if not any(tree.children for tree in trees):
        return _compared(first, rounds, tolerance)
    own = [_knowing(run, tree) for run, tree in zip((first, *rounds), trees, strict=True)]
    comparison = _compared(own[0], own[1:], tolerance)
    inside = [_by_name(tree) for tree in trees]
    differences, notes = list(comparison.differences), list(comparison.notes)
    names = dict.fromkeys(name for members in inside for name in members)
    for name in names:
        members = [each.get(name) for each in inside]
        if None in members:
            differences.append(_missing(name, members))
            continue
        found = _compare_members(
            [member.info.run_id for member in members if member], trees, store, tolerance
        )
        differences += [replace(each, name=f"{name}: {each.name}") for each in found.differences]
        notes += [f"{name}: {note}" for note in found.notes]
    return replace(
        comparison,
        differences=worst_first(differences),
        compared={**comparison.compared, "inner run": len(names)},
        notes=tuple(dict.fromkeys(notes)),
    )


def _compared(first: RecordedRun, rounds: Sequence[RecordedRun], tolerance: Tolerance) -> Comparison:
    if len(rounds) == 1:
        return compare_runs(first, rounds[0], tolerance)
    return compare_rounds(first, rounds, tolerance)


def _compare_members(
    run_ids: Sequence[str], trees: Sequence[Family], store: Store, tolerance: Tolerance
) -> Comparison:
    with contextlib.ExitStack() as opened:
        # what was downloaded to read a run goes with the object that was loaded
        loaded = [opened.enter_context(RecordedRun.load(store, run_id)) for run_id in run_ids]
        runs = [_knowing(run, tree) for run, tree in zip(loaded, trees, strict=True)]
        return _compared(runs[0], runs[1:], tolerance)


def _knowing(run: RecordedRun, tree: Family) -> RecordedRun:
    """The run with the ids of its relatives, which only it can have, as its own."""
    ids = {tree.run.info.run_id, *(each.run.info.run_id for each in tree.descendants())}
    return replace(run, relatives=tuple(sorted(ids - {run.run_id})))


def _by_name(tree: Family, before: str = "") -> dict[str, Run]:
    """All runs inside by the names of the steps and calls that lead to them; equal names are counted."""
    found: dict[str, Run] = {}
    counts: dict[str, int] = {}
    for child in tree.children:
        label = child.label or "run"
        counts[label] = counts.get(label, 0) + 1
        number = f" ({counts[label]})" if counts[label] > 1 else ""
        name = f"{before}{label}{number}"
        found[name] = child.run
        found.update(_by_name(child, f"{name} / "))
    return found


def _missing(name: str, members: Sequence[Run | None]) -> Difference:
    states = [None if run is None else run.info.status.value for run in members]
    other = next(
        (state for state, run in zip(states[1:], members[1:], strict=True) if run is None), states[1]
    )
    return Difference("status", name, Verdict.DIFFERENT, states[0], other, reason=only_in(members[0]))
