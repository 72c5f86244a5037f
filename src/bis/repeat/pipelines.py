"""A pipeline executed again: each step by its own plan, with what the steps before it have made this time."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from bis.errors import NotRepeatableError, ParameterError, RunNotFoundError, did_you_mean
from bis.execution import Placement
from bis.pipelines import PipelineOptions
from bis.pipelines.output import StepOutput
from bis.pipelines.parent import DOCUMENT, PipelineParent
from bis.pipelines.running import left_s, run_pipeline
from bis.pipelines.starting import show_line
from bis.pipelines.values import artifact_place, folders_of, values_of
from bis.projects.steps import references
from bis.repeat.recorded import RecordedRun
from bis.repeat.rerun import Place, check_again, execute_again
from bis.sources import Source
from bis.tracking import tags
from bis.tracking.families import step_folders

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.backends.submitted import SubmittedRun
    from bis.execution import Streams
    from bis.home import Home
    from bis.projects import EntryPoint
    from bis.repeat.rerun import RerunOptions
    from bis.tracking import Store


def rerun_pipeline(
    original: RecordedRun,
    options: RerunOptions,
    *,
    store: Store,
    home: Home,
    notify: Callable[[str], None],
    streams: Streams | None,
) -> tuple[str, tuple[str, ...]]:
    """Execute every step again, none is reused; returns the id of the new run of the whole, and changed inputs.

    A step that was not run the first time has no plan: it is not run now either, and the whole is FAILED. Raises
    NotRepeatableError when the pipeline or one of its steps cannot be repeated, UsageError when nobody has said yes to
    code from elsewhere.
    """
    steps = _steps(original)
    runs = {name: _run_of(name, step["run_id"], store) for name, step in steps.items() if step.get("run_id")}
    if not runs:
        raise NotRepeatableError(
            f"pipeline {original.run_id[:8]} ended before any of its steps was run: there is nothing to execute again",
            hint=f"Its steps, and why: bis show {original.run_id[:8]}",
        )
    if len(runs) < len(steps):
        notify(
            f"not run the first time, and so not now: {', '.join(name for name in steps if name not in runs)}"
        )
    own = _options_of_steps(options, runs)
    for name, run in runs.items():
        check_again(run, own[name], store=store, home=home, notify=notify)
    changed: dict[str, None] = {}
    begun_at = time.monotonic()
    target = original.run.tags[tags.PIPELINE]
    parent = PipelineParent.begin(
        store,
        home,
        placement=Placement(
            experiment_id=original.run.info.experiment_id, tags={tags.RERUN_OF: original.run_id}
        ),
        target=target,
        source=_source_of(original, home),
        parameters={**original.run.params, **options.parameters},
    )

    def run_step(
        name: str, before: Mapping[str, ProjectRun], begun: Callable[[SubmittedRun], None]
    ) -> ProjectRun:
        if name not in runs:
            raise NotRepeatableError("it was not run the first time, so it has no plan")
        output = StepOutput(name, parent.log, _shown_on(streams))
        try:
            again = execute_again(
                runs[name],
                replace(own[name], timeout_s=left_s(options.timeout_s, begun_at)),
                store=store,
                home=home,
                notify=notify,
                streams=output.streams,
                begun=begun,
                place=Place(
                    parent.run_id,
                    {tags.STEP: name},
                    folders_of(before, store),
                    lambda entry: _values(entry, runs[name], runs, before, store),
                ),
            )
        finally:
            output.close()
        if again.directory is not None:
            notify(f"step {name!r} ran in {again.directory}")
        changed.update(dict.fromkeys(again.changed_inputs))
        return again.run

    after = {name: tuple(step["after"]) for name, step in steps.items()}
    finished = run_pipeline(after, run_step, target, parent, store, PipelineOptions())
    if finished.stopped_by is not None:
        raise KeyboardInterrupt
    faults = [
        step
        for name, step in finished.steps.items()
        if name in runs and step.state == "failed" and step.run_id is None
    ]
    if faults:
        raise NotRepeatableError(f"step {faults[0].name!r} cannot be executed again: {faults[0].reason}")
    return finished.run_id, tuple(changed)


def _steps(original: RecordedRun) -> dict[str, dict[str, Any]]:
    """What became of each step, by name."""
    if DOCUMENT not in original.own:
        raise NotRepeatableError(f"pipeline {original.run_id[:8]} has not said what its steps were")
    with original.own[DOCUMENT].open() as file:
        document = json.load(file)
    return {step["name"]: step for step in document["steps"]}


def _run_of(name: str, run_id: str, store: Store) -> RecordedRun:
    try:
        return RecordedRun.load(store, run_id)
    except RunNotFoundError:
        raise NotRepeatableError(
            f"step {name!r} was run {run_id[:8]}, which is not here",
            hint=f"Bring it from where it is: bis export {run_id[:8]} {name}.zip there, bis import {name}.zip here.",
        ) from None


def _options_of_steps(options: RerunOptions, runs: Mapping[str, RecordedRun]) -> dict[str, RerunOptions]:
    """Each step with the parameters and the inputs that are for it; raises for one that is for none."""
    parameters = {name: set(run.plan_document.get("parameters") or ()) for name, run in runs.items()}
    inputs = {name: _names_of_inputs(run) for name, run in runs.items()}
    values = _shared_out(options.parameters, parameters, "parameter")
    places = _shared_out(options.inputs, inputs, "input")
    return {name: replace(options, parameters=values[name], inputs=places[name]) for name in runs}


def _shared_out(
    given: Mapping[str, str], known: Mapping[str, set[str]], what: str
) -> dict[str, dict[str, str]]:
    """``name=value`` belongs to each step that knows the name, ``step.name=value`` to that step."""
    own: dict[str, dict[str, str]] = {name: {} for name in known}
    for key, text in given.items():
        step = max((name for name in known if key.startswith(f"{name}.")), key=len, default="")
        name = key[len(step) + 1 :]
        owners = [owner for owner, names in known.items() if key in names]
        is_new = what == "parameter" and bool(step)  # appended to the command, as in a first run
        if not owners and not is_new and name not in known.get(step, ()):
            words = [*(name for names in known.values() for name in names)]
            words += [f"{owner}.{name}" for owner, names in known.items() for name in names]
            raise ParameterError(
                f"no step of this pipeline has the {what} {key!r}", hint=did_you_mean(key, words)
            )
        for owner in owners or [step]:
            own[owner][key if owners else name] = text
    return own


def _names_of_inputs(run: RecordedRun) -> set[str]:
    """The names by which ``--input`` may call what a run has read."""
    plan = run.plan
    named = {*plan.local, *plan.downloads, *plan.local.values()} if plan is not None else set()
    return named | {str(file["path"]) for file in (run.record or {}).get("files") or ()}


def _values(
    entry: EntryPoint,
    step: RecordedRun,
    runs: Mapping[str, RecordedRun],
    before: Mapping[str, ProjectRun],
    store: Store,
) -> dict[str, tuple[str, str]]:
    """What each reference of a step stood for when it was run, which may have been in another pipeline, and now."""
    folders = {name: artifact_place(store, runs[name].run_id) for name in before} | step_folders(step.run)
    now = values_of(entry, before, store)
    found: dict[str, tuple[str, str]] = {}
    for each in references(entry):
        folder = folders[each.step]
        earlier = runs[each.step].run
        then = {
            "artifact_uri": folder,
            "run_id": PurePosixPath(folder).parent.name,
            "params": earlier.params.get(each.key, ""),
            "metrics": next((repr(metric.value) for metric in earlier.metrics if metric.key == each.key), ""),
        }
        found[each.text] = (then[each.field], now[each.text])
    return found


def _source_of(original: RecordedRun, home: Home) -> Source:
    """What the tags of the pipeline say of its source."""
    words = original.run.tags
    name = words.get("mlflow.source.name", "")
    return Source(
        name,
        name,
        "directory",
        home.reruns,
        home.reruns,
        commit=words.get("mlflow.source.git.commit"),
        branch=words.get("mlflow.source.git.branch"),
        repo_url=words.get("mlflow.source.git.repoURL"),
        dirty=words.get("mlflow.source.git.dirty") == "true",
        tree=words.get(tags.SOURCE_TREE),
    )


def _shown_on(streams: Streams | None) -> Callable[[str, str], None]:
    """Shows a line of a step on the descriptor that is for standard output, if any."""
    if streams is None or streams.stdout is None:
        return lambda _step, _line: None
    return partial(show_line, descriptor=streams.stdout)
