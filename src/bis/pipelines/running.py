"""Runs a pipeline: the run of the whole is begun, and the steps are handed to the schedule."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from bis import runs
from bis.errors import BisError, ExecutionError
from bis.execution import check_placement
from bis.liveness import sweep
from bis.pipelines.output import StepOutput
from bis.pipelines.parent import PipelineParent
from bis.pipelines.scheduling import Schedule
from bis.pipelines.submitted import PipelineRun
from bis.pipelines.values import check_values, folders_of, values_by_step, values_of
from bis.plans import core_count, lock_for
from bis.tracking import open_callers_store, tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.backends.submitted import SubmittedRun
    from bis.home import Home
    from bis.pipelines.scheduling import RunStep
    from bis.pipelines.starting import PipelineOptions
    from bis.projects import EntryPoint, Project
    from bis.runs import RunOptions
    from bis.sources import Source
    from bis.tracking import Store


@dataclass(frozen=True)
class PlannedPipeline:
    """A pipeline whose mistakes have all been looked for."""

    options: RunOptions
    project: Project
    source: Source
    entries: tuple[EntryPoint, ...]
    home: Home
    notify: Callable[[str], None]
    begun_at: float = field(default_factory=time.monotonic)

    def start(
        self,
        shown: PipelineOptions,
        *,
        synchronous: bool,
        begun: Callable[[PipelineRun], None],
    ) -> PipelineRun:
        """Begin the run of the whole, and run the steps."""
        values = values_by_step(self.options.parameters, self.entries)
        check_values(self.entries, values, self.source.directory)
        sweep(self.home, notify=self.notify)
        store = open_callers_store(self.home, notify=self.notify)
        placement = runs.execution_options(self.options, None).placement
        check_placement(store, placement)
        request = runs.request_of(self.options)
        lock = lock_for(self.project, self.source, request, home=self.home, notify=self.notify)
        parent = PipelineParent.begin(
            store,
            self.home,
            placement=placement,
            target=self.options.entry_point,
            source=self.source,
            parameters=self.options.parameters,
        )
        chosen = replace(
            self.options,
            lock=lock,
            source=replace(self.source, lease=None),  # what one step gives back, others are still in
            parent_run_id=parent.run_id,
            experiment_id=store.run(parent.run_id).info.experiment_id,
            experiment_name=None,
            run_id=None,
            run_name=None,
            trace=self.options.trace or "full",  # the next time a step can be taken
        )
        run_step = _step_runner(chosen, self, values, parent, store, shown)
        return run_pipeline(
            {entry.name: entry.after for entry in self.entries},
            run_step,
            self.options.entry_point,
            parent,
            store,
            shown,
            synchronous=synchronous,
            begun=begun,
            at_end=self.source.close,
        )


def _step_runner(
    chosen: RunOptions,
    planned: PlannedPipeline,
    values: Mapping[str, Mapping[str, str]],
    parent: PipelineParent,
    store: Store,
    shown: PipelineOptions,
) -> RunStep:
    entries = {entry.name: entry for entry in planned.entries}
    note = shown.on_note or (lambda step, line: planned.notify(f"{step}: {line}"))

    def run_step(
        name: str, before: Mapping[str, ProjectRun], begun: Callable[[SubmittedRun], None]
    ) -> ProjectRun:
        entry = entries[name]
        output = StepOutput(name, parent.log, shown.on_line)
        try:
            return runs.start(
                replace(
                    chosen,
                    entry_point=name,
                    parameters=values[name],
                    steps=values_of(entry, before, store),
                    step_folders=folders_of(before, store),
                    tags={**chosen.tags, tags.STEP: name},
                    reuse=chosen.reuse or ("no" if entry.reuse is False else "yes"),
                    timeout_s=left_s(planned.options.timeout_s, planned.begun_at),
                ),
                notify=lambda line: note(name, line),
                streams=output.streams,
                begun=begun,
            )
        except BisError as error:
            if error.hint:  # the message is the reason of the step
                note(name, error.hint)
            raise
        finally:
            output.close()

    return run_step


def run_pipeline(
    steps: Mapping[str, tuple[str, ...]],
    run_step: RunStep,
    target: str,
    parent: PipelineParent,
    store: Store,
    shown: PipelineOptions,
    *,
    synchronous: bool = True,
    begun: Callable[[PipelineRun], None] = lambda _: None,
    at_end: Callable[[], None] = lambda: None,
) -> PipelineRun:
    """Run the steps of a pipeline whose run has begun; ``at_end`` is called whatever happens."""
    schedule = Schedule(steps, run_step, jobs=shown.jobs or core_count(), changed=shown.on_change)
    submitted = PipelineRun(parent.run_id, target, schedule, store)

    def work() -> None:
        try:
            schedule.run()
            submitted.end(parent.end(schedule.steps, schedule.stopped_by, {"target": target}))
        except BaseException as error:
            parent.fail()
            submitted.end(error)
            if isinstance(error, BisError):
                raise ExecutionError(
                    f"run {parent.run_id[:8]} could not go on: {error.message}", hint=error.hint
                ) from error
            raise
        finally:
            at_end()

    begun(submitted)
    shown.on_begin(parent.run_id, schedule.steps)
    if synchronous:
        work()
    else:
        submitted.work_in(threading.Thread(target=work, name=f"bis-pipeline-{parent.run_id[:8]}"))
    return submitted


def left_s(timeout_s: float | None, begun_at: float) -> float | None:
    """What is left of the time limit of the whole, which began at ``begun_at`` of the monotonic clock."""
    return None if timeout_s is None else max(0.01, begun_at + timeout_s - time.monotonic())
