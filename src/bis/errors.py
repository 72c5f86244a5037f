"""Every error a user can meet: what is wrong, where, and what to do.

An error is raised where the fact is known and caught once, in ``bis.cli``, which prints it and exits with
its ``exit_status``. Anything that is not a ``BisError`` is a defect of bis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True)
class Position:
    """A place in a file the user wrote; ``line`` and ``column`` count from 1."""

    file: Path
    line: int
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class BisError(Exception):
    """A mistake or a mishap that is explained to the user, without a traceback.

    Exit status: 2 for wrong use (the default), 1 when a run had begun, 3 when a run cannot be executed again.
    """

    exit_status: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None, where: Position | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f"\n{self.hint}" if self.hint else ""
        return f"{place}{self.message}{hint}"


class UsageError(BisError):
    """An option or argument that cannot be taken."""


class HomeError(BisError):
    """BIS_HOME cannot be read or written: permissions, a full disk, a file where a folder should be."""


class ProjectError(BisError):
    """The MLproject file cannot be read, or does not hold what was asked of it."""


class ParameterError(BisError):
    """A parameter is missing, repeated or not of its type."""


class SourceError(BisError):
    """The project's code cannot be had: no such path, repository, version, subdirectory; a bad archive."""


class SpecError(BisError):
    """What the project declares as its environment cannot be read."""


class ResolutionError(BisError):
    """The declared packages have no solution, or one of them does not exist."""


class InterpreterNotFoundError(BisError):
    """The declared Python is neither here nor to be had."""


class BuildError(BisError):
    """The environment could not be made from its lock."""


class TrackingError(BisError):
    """The tracking store or server refused, or does not answer."""


class RunNotFoundError(TrackingError):
    """No run has that id or prefix."""


class ExecutionError(BisError):
    """The run had begun and could not go on."""

    exit_status = 1


class NotRepeatableError(ExecutionError):
    """A run cannot be executed again: it has no plan, or its source, environment or an input is gone."""

    exit_status = 3


class RunFailedError(ExecutionError):
    """The project's command ended with an exit code other than 0 (``bis.run`` raises it)."""


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest of the known words, or None when none is close.

    >>> did_you_mean("mian", ["main", "train"])
    "Did you mean 'main'?"
    """
    import difflib  # only on the way to an error

    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {matches[0]!r}?" if matches else None
