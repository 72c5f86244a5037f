"""Says of each step whether a finished run would be taken for it, without running anything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bis import projects, sources
from bis.home import Home
from bis.pipelines.values import check_values, folders_of, values_by_step, values_of
from bis.projects.steps import needed
from bis.reuse import Decision
from bis.reuse.explaining import Explanation, explain
from bis.runs import prepare_run, taken_run
from bis.tracking import open_callers_store

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.backends.project_run import ProjectRun
    from bis.projects import EntryPoint
    from bis.reuse import Policy
    from bis.runs import RunOptions


@dataclass(frozen=True)
class ExplainedStep:
    """A step, and why a run would be taken for it or not."""

    name: str
    explanation: Explanation


def explain_run(options: RunOptions, *, notify: Callable[[str], None]) -> list[ExplainedStep]:
    """Each step of the entry point that is asked for, in order; raises what running it would raise."""
    home = Home.locate()
    home.ensure()
    with sources.fetch(options.uri, options.version, home=home, notify=notify) as source:
        project = projects.load(source.directory, root=source.root)
        entries = needed(project, options.entry_point)
        store = open_callers_store(home, notify=notify)
        is_pipeline = len(entries) > 1
        values = values_by_step(options.parameters, entries) if is_pipeline else {}
        if is_pipeline:
            check_values(entries, values, source.directory)
        shared = replace(source, lease=None)
        taken: dict[str, ProjectRun] = {}
        explained = []
        for entry in entries:
            waits = [name for name in entry.after if name not in taken]
            reason = _is_never_taken(entry, options)
            if waits:
                reason = f"it comes after {waits[0]}, which would be executed"
            if reason is not None:
                explained.append(ExplainedStep(entry.name, Explanation(Decision(), (reason,))))
                continue
            chosen = replace(options, source=shared, project=project, entry_point=entry.name)
            if is_pipeline:
                before = {name: taken[name] for name in entry.after}
                chosen = replace(
                    chosen,
                    parameters=values[entry.name],
                    steps=values_of(entry, before, store),
                    step_folders=folders_of(before, store),
                )
            prepared = prepare_run(chosen, home=home, notify=notify)
            found = explain(prepared, store, home, _policy(options))
            explained.append(ExplainedStep(entry.name, found))
            if found.run_id is not None:
                taken[entry.name] = taken_run(found.decision, prepared, store)
        return explained


def _is_never_taken(entry: EntryPoint, options: RunOptions) -> str | None:
    """Why no run is looked for, whatever there is."""
    if options.reuse == "no":
        return "it is executed every time: --no-reuse"
    if entry.reuse is False and options.reuse is None:
        return "it is executed every time: MLproject says reuse: false"
    return None


def _policy(options: RunOptions) -> Policy:
    return "always" if options.reuse == "always" else "yes"
