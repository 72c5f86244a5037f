"""Runs the steps in order, several at a time, and takes note of what becomes of them."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from bis.errors import BisError
from bis.execution.interruption import on_signals
from bis.pipelines.states import ENDED, Step, hopeless, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.backends.submitted import SubmittedRun


class RunStep(Protocol):
    """Executes one step and blocks until it has ended."""

    def __call__(
        self, name: str, before: Mapping[str, ProjectRun], begun: Callable[[SubmittedRun], None]
    ) -> ProjectRun:
        """``before`` has the runs of the steps that it needs; ``begun`` is told of its run."""
        ...


class Schedule:
    """One execution of a pipeline. ``run`` blocks; ``cancel`` may be called from any thread."""

    def __init__(
        self,
        steps: Mapping[str, tuple[str, ...]],
        run_step: RunStep,
        *,
        jobs: int,
        changed: Callable[[Step], None],
    ) -> None:
        """``steps`` has what each step needs; ``changed`` is told of each change, one at a time."""
        self.steps = {name: Step(name, after) for name, after in steps.items()}
        self.runs: dict[str, ProjectRun] = {}
        self.stopped_by: str | None = None
        self._fault: BaseException | None = None
        self._run_step = run_step
        self._jobs = max(1, jobs)
        self._changed = changed
        self._news: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._live: dict[str, SubmittedRun] = {}
        self._started: dict[str, float] = {}

    def run(self) -> None:
        """Run all steps, as far as they can be run; raises what was wrong with bis itself in one of them."""
        with on_signals(self.cancel):
            self._go_on()
            while any(step.state not in ENDED for step in self.steps.values()):
                self._news.get()()  # what the threads and signals have to say is done here, one after the other
                self._go_on()
        if self._fault is not None:
            raise self._fault

    def cancel(self, reason: str = "cancelled") -> None:
        """End the steps that run, and begin no other."""
        self._news.put(lambda: self._stop(reason))

    def _go_on(self) -> None:
        if self.stopped_by is not None:
            reason = f"the pipeline was ended ({self.stopped_by})"
            for step in list(self.steps.values()):
                if step.state == "waiting":
                    self._set(replace(step, state="skipped", reason=reason))
            return
        while skipped := hopeless(self.steps):
            for step in skipped:
                self._set(step)
        running = sum(step.state == "running" for step in self.steps.values())
        for name in ready(self.steps)[: self._jobs - running]:
            self._start(name)

    def _start(self, name: str) -> None:
        self._set(replace(self.steps[name], state="running"))
        self._started[name] = time.monotonic()
        before = {each: self.runs[each] for each in self.steps[name].after}
        threading.Thread(target=self._work, args=(name, before), name=f"bis-step-{name}").start()

    def _work(self, name: str, before: Mapping[str, ProjectRun]) -> None:
        """Execute a step, in a thread of its own."""
        try:
            run = self._run_step(name, before, lambda run: self._news.put(lambda: self._begun(name, run)))
        except BaseException as error:  # noqa: BLE001 (told to the thread that leads)
            fault = error
            self._news.put(lambda: self._failed(name, fault))
        else:
            self._news.put(lambda: self._ended(name, run))

    def _begun(self, name: str, run: SubmittedRun) -> None:
        self._live[name] = run
        if run.outcome is None:
            self._set(replace(self.steps[name], run_id=run.run_id))
        if self.stopped_by is not None:
            self._cancel(run)

    def _ended(self, name: str, run: ProjectRun) -> None:
        self._live.pop(name, None)
        self.runs[name] = run
        record = run.result.record
        state = "reused" if run.reused else _STATES[run.status]
        reason = None
        if state == "failed":
            timed_out = record.stopped_by == "timeout"
            reason = "ended at its time limit" if timed_out else f"exit code {record.exit_code}"
        self._set(
            replace(
                self.steps[name],
                state=state,  # type: ignore[arg-type]
                run_id=run.run_id,
                seconds=round(time.monotonic() - self._started[name], 3),
                reason=reason,
                exit_code=record.exit_code,
            )
        )

    def _failed(self, name: str, error: BaseException) -> None:
        self._live.pop(name, None)
        if not isinstance(error, BisError):
            self._fault = error
            self._stop(type(error).__name__)
        reason = error.message if isinstance(error, BisError) else f"{type(error).__name__}: {error}"
        seconds = round(time.monotonic() - self._started[name], 3)
        self._set(replace(self.steps[name], state="failed", reason=reason, seconds=seconds))

    def _set(self, step: Step) -> None:
        self.steps[step.name] = step
        self._changed(step)

    def _stop(self, reason: str) -> None:
        self.stopped_by = self.stopped_by or reason
        for run in self._live.values():
            self._cancel(run)

    def _cancel(self, run: SubmittedRun) -> None:
        # a run waits for its end in cancel, and the thread that leads has others to end
        threading.Thread(target=run.cancel, daemon=True).start()


_STATES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}
