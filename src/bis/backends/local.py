"""The backend ``local``: this process supervises the command."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.execution import Execution, Outcome


class LocalRun:
    """A run on this machine, executed by the calling thread or by one of its own."""

    def __init__(self, execution: Execution, run_id: str) -> None:
        self._execution = execution
        self._run_id = run_id
        self._thread: threading.Thread | None = None
        self._outcome: Outcome | None = None
        self._error: BaseException | None = None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._run_id

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None while it runs. Raises what the execution raised."""
        if self._error is not None:
            raise self._error
        return self._outcome

    def run_here(self) -> None:
        """Execute in the calling thread."""
        self._outcome = self._execution.carry_on()

    def start(self) -> None:
        """Execute in a thread that the interpreter waits for before it exits."""
        self._thread = threading.Thread(target=self._carry_on, name=f"bis-run-{self._run_id[:8]}")
        self._thread.start()

    def wait(self) -> bool:
        """Block until the run has ended; True when it finished well."""
        if self._thread is not None:
            self._thread.join()
        outcome = self.outcome
        return outcome is not None and outcome.run.info.status.value == "FINISHED"

    def cancel(self) -> None:
        """End the run, its whole process group, and wait for that."""
        if self._error is None and self._outcome is None:
            self._execution.cancel()
        if self._thread is not None:
            self._thread.join()

    def _carry_on(self) -> None:
        try:
            self._outcome = self._execution.carry_on()
        except BaseException as error:  # noqa: BLE001 (given to whoever waits)
            self._error = error


def submit(
    execution: Execution, *, synchronous: bool, begun: Callable[[LocalRun], None] = lambda _: None
) -> LocalRun:
    """Begin the run and execute it, in this thread or in one of its own."""
    run = LocalRun(execution, execution.begin())
    begun(run)
    if synchronous:
        run.run_here()
    else:
        run.start()
    return run
