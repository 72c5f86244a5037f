"""A run that was started: what ``bis.run`` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.errors import ExecutionError

if TYPE_CHECKING:
    from bis.backends.submitted import SubmittedRun
    from bis.environments import Environment
    from bis.execution import Outcome
    from bis.plans import Prepared
    from bis.tracking import Store


class ProjectRun:
    """A run that was started by ``run``. Its members are those of MLflow's ``SubmittedRun``, and its results."""

    def __init__(
        self,
        submitted: SubmittedRun,
        prepared: Prepared,
        environment: Environment | None,
        store: Store,
        *,
        reused: bool = False,
    ) -> None:
        self.submitted = submitted
        """The handle of the backend."""
        self._store = store
        self.prepared = prepared
        self.environment = environment
        """What it ran in; None for a run that was taken instead of executed."""
        self.reused = reused
        """Whether an earlier run was taken in its place."""

    @property
    def run_id(self) -> str:
        """The run's id, 32 hex digits."""
        return self.submitted.run_id

    @property
    def outcome(self) -> Outcome | None:
        """The record and the run as stored, or None while it runs."""
        return self.submitted.outcome

    @property
    def result(self) -> Outcome:
        """As ``outcome``, of a run that has ended; raises ExecutionError while it runs."""
        if self.outcome is None:
            raise ExecutionError(f"run {self.run_id} has not ended")
        return self.outcome

    @property
    def status(self) -> str:
        """``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``."""
        outcome = self.outcome
        return "RUNNING" if outcome is None else outcome.run.info.status.value

    @property
    def exit_code(self) -> int | None:
        """The command's exit code, or None while it runs."""
        return None if self.outcome is None else self.outcome.record.exit_code

    @property
    def metrics(self) -> dict[str, float]:
        """The latest value of each metric; empty while it runs."""
        outcome = self.outcome
        return {} if outcome is None else {metric.key: metric.value for metric in outcome.run.metrics}

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters: those of the entry point and, once it has ended, those the script logged."""
        outcome = self.outcome
        return dict(self.prepared.plan.parameters if outcome is None else outcome.run.params)

    @property
    def artifact_uri(self) -> str:
        """Where its artifacts are: a ``file://`` directory, or what the tracking server says."""
        return self._store.artifact_location(self.run_id)

    def wait(self) -> bool:
        """Block until the run has ended; True when it finished well."""
        return self.submitted.wait()

    def get_status(self) -> str:
        """As ``status``; MLflow's name for it."""
        return self.status

    def cancel(self) -> None:
        """End the run, its whole process group, and wait for that."""
        self.submitted.cancel()

    def __repr__(self) -> str:
        return f"<bis run {self.run_id} {self.status}>"
