"""Where a plan is executed. Each backend is a module that fulfils ``Backend``, named in one table."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

from bis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.submitted import SubmittedRun
    from bis.execution import Execution

BACKENDS: Mapping[str, str] = {"local": "bis.backends.local"}
"""Name of a backend, as ``-b`` takes it, to its module."""


class Backend(Protocol):
    """What a backend's module has."""

    def submit(
        self, execution: Execution, *, synchronous: bool, begun: Callable[[SubmittedRun], None]
    ) -> SubmittedRun:
        """Start the execution, tell ``begun`` of it, and when synchronous, return after its end."""
        ...


def find_backend(name: str) -> Backend:
    """The backend of that name; raises UsageError with those that there are."""
    module = BACKENDS.get(name)
    if module is None:
        known = ", ".join(sorted(BACKENDS))
        raise UsageError(
            f"there is no backend {name!r}", hint=did_you_mean(name, BACKENDS) or f"There is: {known}."
        )
    return cast("Backend", import_module(module))


__all__ = ["BACKENDS", "Backend", "find_backend"]
