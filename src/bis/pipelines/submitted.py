"""The handle of a pipeline that was started: the members of ``ProjectRun``, and its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading

    from bis.backends.project_run import ProjectRun
    from bis.pipelines.scheduling import Schedule
    from bis.pipelines.states import Step
    from bis.tracking import Run, Store


class PipelineRun:
    """A pipeline; its results are those of its last step."""

    def __init__(self, run_id: str, target: str, schedule: Schedule, store: Store) -> None:
        self.run_id = run_id
        self.target = target
        self._schedule = schedule
        self._store = store
        self._run: Run | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self.reused = False
        """A pipeline is a new run each time, whatever of its steps was reused."""

    @property
    def steps(self) -> dict[str, Step]:
        """What has become of each step so far, in the order in which they are needed."""
        return dict(self._schedule.steps)

    @property
    def run(self) -> Run | None:
        """The run as stored, or None while it runs."""
        if self._error is not None:
            raise self._error
        return self._run

    @property
    def last(self) -> ProjectRun | None:
        """The run of the last step, when it was run."""
        return self._schedule.runs.get(self.target)

    @property
    def status(self) -> str:
        """``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``."""
        run = self.run
        return "RUNNING" if run is None else run.info.status.value

    @property
    def stopped_by(self) -> str | None:
        """What ended it before its time: a signal's name, ``cancelled``; None when nothing did."""
        return self._schedule.stopped_by

    @property
    def exit_code(self) -> int | None:
        """The exit code of the first step that failed, else 0; None while it runs."""
        if self.run is None:
            return None
        codes = [step.exit_code for step in self.steps.values() if step.state in ("failed", "killed")]
        return next((code for code in codes if code), 0 if self.status == "FINISHED" else 1)

    @property
    def metrics(self) -> dict[str, float]:
        """The latest value of each metric of the last step."""
        return {} if self.last is None else self.last.metrics

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of the last step."""
        return {} if self.last is None else self.last.parameters

    @property
    def artifact_uri(self) -> str:
        """Where the artifacts of the last step are, else those of the pipeline."""
        return self._store.artifact_location(self.run_id) if self.last is None else self.last.artifact_uri

    def end(self, outcome: Run | BaseException) -> None:
        """Take note of how it ended."""
        if isinstance(outcome, BaseException):
            self._error = outcome
        else:
            self._run = outcome

    def work_in(self, thread: threading.Thread) -> None:
        """Go on in a thread that the interpreter waits for before it exits."""
        self._thread = thread
        thread.start()

    def wait(self) -> bool:
        """Block until all has ended; True when it went well."""
        if self._thread is not None:
            self._thread.join()
        return self.status == "FINISHED"

    def get_status(self) -> str:
        """As ``status``; MLflow's name for it."""
        return self.status

    def cancel(self) -> None:
        """End the steps that run, begin no other, and wait for that."""
        self._schedule.cancel()
        self.wait()

    def __repr__(self) -> str:
        return f"<bis pipeline {self.run_id} {self.status}>"
