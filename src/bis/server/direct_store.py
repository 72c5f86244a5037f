"""A store whose work is done in the thread of the server."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.tracking.sqlite import SqliteStore

T = TypeVar("T")


class DirectStore:
    """The face of a grouped store, over one connection."""

    def __init__(self, store: SqliteStore) -> None:
        self.store = store

    def read(self, work: Callable[[SqliteStore], T]) -> Future[T]:
        """Do it now."""
        done: Future[T] = Future()
        try:
            done.set_result(work(self.store))
        except BaseException as error:  # noqa: BLE001
            done.set_exception(error)
        return done

    write = read

    def close(self) -> None:
        """Give the file back."""
        self.store.close()
