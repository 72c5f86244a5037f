"""What means that a plan cannot be executed again, and not that its user was wrong."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from bis.errors import (
    BuildError,
    InterpreterNotFoundError,
    NotRepeatableError,
    ResolutionError,
    SourceError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

_GONE = (SourceError, InterpreterNotFoundError, ResolutionError, BuildError)


@contextlib.contextmanager
def said_when_gone(subject: str, *, hint: str | None = None) -> Iterator[None]:
    """Turn the error of a source or an environment that cannot be had into a NotRepeatableError about ``subject``."""
    try:
        yield
    except _GONE as error:
        raise NotRepeatableError(
            f"{subject} cannot be executed again: {error.message}", hint=error.hint or hint
        ) from error
