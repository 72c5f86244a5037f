"""A finished run in the place of one that was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.execution import Outcome


@dataclass(frozen=True)
class TakenRun:
    """The handle of a run that is taken instead of executed: it has ended already."""

    outcome: Outcome

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.outcome.run.info.run_id

    def wait(self) -> bool:
        """True: only runs that finished well are taken."""
        return True

    def cancel(self) -> None:
        """Nothing is left to end."""
