"""Says why a finished run can be taken, or what is not as it was."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bis.errors import BisError
from bis.plans import Plan
from bis.plans.again import with_words
from bis.plans.layers import differing
from bis.reuse.finding import Decision, find
from bis.tracking.artifact_reading import artifact_text
from bis.tracking.families import step_folders

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bis.home import Home
    from bis.plans import Prepared
    from bis.reuse.finding import Policy
    from bis.tracking import Run, Store

_MOST_COMPARED = 10
_MOST_NAMED = 5


@dataclass(frozen=True)
class Explanation:
    """``decision`` has the run that can be taken, if any; ``lines`` say why, the most telling first."""

    decision: Decision
    lines: tuple[str, ...]

    @property
    def run_id(self) -> str | None:
        """The run that can be taken."""
        run = self.decision.run
        return None if run is None else run.info.run_id


def explain(prepared: Prepared, store: Store, home: Home, policy: Policy) -> Explanation:
    """Why a run can be taken for what was ``prepared``, or why none can."""
    decision = find(prepared, store, home, policy)
    refused = tuple(f"not run {run_id[:8]}: {reason}" for run_id, reason in decision.reasons)
    if decision.run is not None:
        read = sum(entry.get("access") == "read" for entry in decision.record["files"])
        name = decision.run.info.run_id[:8]
        files = "1 file" if read == 1 else f"{read} files"
        same = f"what it read is what it was: {files}" if read else "it read no files"
        taken = f"run {name} has the same plan, and {same}"
        return Explanation(decision, (taken, *refused))
    if refused:
        return Explanation(decision, refused)
    nearest = _nearest(prepared, store)
    if nearest is None:
        return Explanation(decision, ("there is no earlier run of this entry point that finished",))
    run, plan = nearest
    now = _keyed(prepared.plan, prepared.steps)
    lines = [line for layer in differing(plan, now) for line in _words(layer, plan, now)]
    return Explanation(decision, tuple(f"not run {run.info.run_id[:8]}: {line}" for line in lines))


def _nearest(prepared: Prepared, store: Store) -> tuple[Run, Plan] | None:
    """The finished run of the same entry point that differs in the fewest layers, of these the newest, and its plan."""
    entry_point = prepared.plan.entry_point.replace("'", "\\'")
    found = store.search_runs(
        filter=f"tags.`mlflow.project.entryPoint` = '{entry_point}' AND attributes.status = 'FINISHED'",
        order_by=("attributes.start_time DESC",),
        max_results=_MOST_COMPARED,
    ).items
    plans = [(run, plan) for run in found if (plan := _plan(store, run)) is not None]
    now = _keyed(prepared.plan, prepared.steps)
    return min(plans, key=lambda each: len(differing(each[1], now)), default=None)


def _keyed(plan: Plan, steps: Mapping[str, str]) -> Plan:
    """Of a plan what makes its reuse key: not its tree, and not which runs the earlier steps were."""
    words = {path: f"{{steps.{name}.artifact_uri}}" for name, path in steps.items()}
    return replace(with_words(plan, words), source=replace(plan.source, tree=None))


def _plan(store: Store, run: Run) -> Plan | None:
    try:
        text = artifact_text(store, run.info.run_id, "bis/plan.json")
        return None if text is None else _keyed(Plan.from_json(text), step_folders(run))
    except (BisError, OSError):
        return None


def _words(layer: str, before: Plan, now: Plan) -> Iterator[str]:
    """How two plans differ in a layer."""
    pairs: tuple[Mapping[str, str], Mapping[str, str]]
    if layer == "environment":
        pairs = before.environment.packages, now.environment.packages
    elif layer == "parameters":
        pairs = before.parameters, now.parameters
    elif layer == "variables":
        pairs = before.variables, now.variables
    elif layer == "inputs":
        pairs = {**before.local, **before.downloads}, {**now.local, **now.downloads}
    else:
        yield f"{layer}: {_plain(layer, before, now)}"
        return
    changes = [
        f"{name} {_shown(pairs[0].get(name))} -> {_shown(pairs[1].get(name))}"
        for name in dict.fromkeys([*pairs[0], *pairs[1]])
        if pairs[0].get(name) != pairs[1].get(name)
    ]
    more = f" and {len(changes) - _MOST_NAMED} more" if len(changes) > _MOST_NAMED else ""
    yield f"{layer}: {', '.join(changes[:_MOST_NAMED]) or 'another'}{more}"


def _plain(layer: str, before: Plan, now: Plan) -> str:
    if layer == "seed":
        return f"{before.seed}, {before.level} -> {now.seed}, {now.level}"
    if layer == "interpreter":
        return f"Python {before.environment.python} -> {now.environment.python}"
    if layer == "source":
        return f"subdirectory {before.source.subdirectory or '.'} -> {now.source.subdirectory or '.'}"
    return f"{before.template.strip()} -> {now.template.strip()}"


def _shown(value: str | None) -> str:
    return "(none)" if value is None else repr(value) if len(value) <= 60 else repr(value[:57] + "...")
