"""A run that was handed to a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from bis.execution import Outcome


class SubmittedRun(Protocol):
    """What a backend gives of a run that it has begun."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        ...

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, or None while it runs. Raises what the execution raised."""
        ...

    def wait(self) -> bool:
        """Block until the run has ended; True when it finished well."""
        ...

    def cancel(self) -> None:
        """End the run, its whole process group, and wait for that."""
        ...
