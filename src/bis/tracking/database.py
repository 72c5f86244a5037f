"""What a store needs of a database: rows, transactions, and one text of SQL for every kind.

Statements have ``?`` for values. Two comments in them mean something to databases that lock rows: ``LOCKED`` after
a SELECT keeps its rows from other writers until the transaction ends, ``SHARED`` keeps them from changing. SQLite has
one writer at a time, and reads them as comments.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager

    from bis.tracking.dialect import Dialect

MIGRATIONS = Path(__file__).with_name("migrations")
VERSION = 4
"""The number of the last migration: what this bis writes and reads."""

LOCKED = "/* locked */"
SHARED = "/* shared */"


class Cursor(Protocol):
    """What a statement answers."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Statements(Protocol):
    """What a transaction can do. Rows of ``executemany`` do not meet in their key, but for ``DO NOTHING``."""

    def execute(self, sql: str, parameters: Sequence[object] = ..., /) -> Cursor: ...
    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> object: ...


class Database(Protocol):
    """A connection, for use by one thread at a time. What goes wrong is raised as TrackingError.

    ``writing`` is a transaction, undone when its block raises; within another one it is a part of it that is undone
    alone. ``reading`` lets several queries see one state. ``undone`` is called when anything was undone.
    """

    undone: Callable[[], object]

    @property
    def dialect(self) -> Dialect: ...
    @property
    def in_transaction(self) -> bool: ...
    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]: ...
    def row(self, sql: str, parameters: Sequence[object] = ()) -> Any: ...
    def writing(self) -> AbstractContextManager[Statements]: ...
    def reading(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


class AgainError(RefusedError):
    """A write that met another one and was undone; done again, it will succeed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="TEMPORARILY_UNAVAILABLE", hint="Try again.")


class UncertainError(RefusedError):
    """The connection was lost in the moment of the commit: nobody knows whether the write was kept."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="TEMPORARILY_UNAVAILABLE", hint="Look whether it was done.")
