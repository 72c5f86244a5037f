"""The steps of a pipeline and what has become of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

State = Literal["waiting", "running", "finished", "reused", "failed", "killed", "skipped"]
GOOD: tuple[State, ...] = ("finished", "reused")
ENDED: tuple[State, ...] = (*GOOD, "failed", "killed", "skipped")


@dataclass(frozen=True)
class Step:
    """One step: ``after`` are the steps that it needs; ``reason`` says why it was skipped or failed."""

    name: str
    after: tuple[str, ...] = ()
    state: State = "waiting"
    run_id: str | None = None
    seconds: float | None = None
    reason: str | None = None
    exit_code: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """The step as JSON types."""
        return {**vars(self), "after": list(self.after)}


def ready(steps: Mapping[str, Step]) -> list[str]:
    """The waiting steps that all they need has gone well for."""
    return [
        step.name
        for step in steps.values()
        if step.state == "waiting" and all(steps[name].state in GOOD for name in step.after)
    ]


def hopeless(steps: Mapping[str, Step]) -> list[Step]:
    """The waiting steps that need one which did not go well, as skipped, with the reason."""
    return [
        replace(step, state="skipped", reason=f"{bad} {steps[bad].state}")
        for step in steps.values()
        if step.state == "waiting"
        and (bad := next((name for name in step.after if _is_bad(steps[name])), None)) is not None
    ]


def _is_bad(step: Step) -> bool:
    return step.state in ENDED and step.state not in GOOD


def status_of(steps: Mapping[str, Step]) -> str:
    """The status of the whole: ``FINISHED`` when all went well, ``KILLED`` when it was ended, else ``FAILED``."""
    states = {step.state for step in steps.values()}
    if states <= set(GOOD):
        return "FINISHED"
    return "KILLED" if "killed" in states else "FAILED"
