"""A store for a server: reads beside each other, and writes that wait share one transaction."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from bis.errors import TrackingError
from bis.tracking.database import AgainError, UncertainError
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.tracking.sql_store import SqlStore

T = TypeVar("T")

_MOST_READERS = 4
_MOST_IN_GROUP = 200
_LONGEST_GROUP_S = 0.02
"""After which a group takes no more: the first of it waits for the last."""
_MOST_TRIES = 5


class GroupedStore:
    """Does what it is given with connections of its own, each in one thread, which begin when they are needed.

    A write is answered when it is committed. Those that come while others are written share the next transaction: one
    that raises undoes itself alone. Writes are carried out in the order in which they came, but for one that met the
    write of another process, which is done again.
    """

    def __init__(self, open_store: Callable[[], SqlStore], *, readers: int = _MOST_READERS) -> None:
        self._open, self._most_readers = open_store, readers
        self._store = open_store()
        self.artifacts, self.uri = self._store.artifacts, self._store.uri
        self._lock = threading.Lock()
        self._is_closed = False
        self._writes: SimpleQueue[_Task | None] = SimpleQueue()
        self._reads: SimpleQueue[_Task | None] = SimpleQueue()
        self._writer: threading.Thread | None = None
        self._readers: list[threading.Thread] = []
        self._idle_readers = 0
        self.groups = self.grouped_writes = 0
        """How many transactions there were, and how many writes in them."""

    @property
    def waiting_writes(self) -> int:
        """How many writes no transaction has taken yet."""
        return self._writes.qsize()

    def read(self, work: Callable[[SqlStore], T]) -> Future[T]:
        """Have ``work`` done beside others; it may not write."""
        task = _Task(work)
        with self._lock:
            if self._is_closed:
                return task.refused()
            self._reads.put(task)
            if self._reads.qsize() > self._idle_readers and len(self._readers) < self._most_readers:
                self._readers.append(_begun(self._read_on, "bis-reader"))
        return task.future

    def write(self, work: Callable[[SqlStore], T]) -> Future[T]:
        """Have ``work`` done in a transaction; the answer is there when that is committed."""
        task = _Task(work)
        with self._lock:
            if self._is_closed:
                return task.refused()
            self._writes.put(task)
            if self._writer is None:
                self._writer = _begun(self._write_on, "bis-writer")
        return task.future

    def close(self) -> None:
        """Finish what was accepted, and give the database back."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            threads = [*self._readers, *([self._writer] if self._writer else [])]
        self._writes.put(None)
        for _ in self._readers:
            self._reads.put(None)
        for thread in threads:
            thread.join()
        self._store.close()

    def _read_on(self) -> None:
        store: SqlStore | None = None
        while True:
            with self._lock:
                self._idle_readers += 1
            task = self._reads.get()
            with self._lock:
                self._idle_readers -= 1
            if task is None:
                break
            if task.future.set_running_or_notify_cancel():
                try:
                    store = store or self._open()
                except TrackingError as error:
                    task.future.set_exception(error)
                else:
                    task.do_alone(store)
        if store is not None:
            store.close()

    def _write_on(self) -> None:
        left: deque[_Task] = deque()
        is_open = True
        while is_open or left:
            if not left:
                task = self._writes.get()
                if task is None:
                    break
                left.append(task)
            is_open = self._gather(left) and is_open
            waited = len(left)
            _write_group(self._store, left)
            self.groups += 1
            self.grouped_writes += waited - len(left)

    def _gather(self, left: deque[_Task]) -> bool:
        """Take all that wait; False when there will be no more."""
        try:
            while True:
                task = self._writes.get_nowait()
                if task is None:
                    return False
                left.append(task)
        except Empty:
            return True


class _Task:
    """A piece of work, and the answer to it."""

    __slots__ = ("error", "future", "result", "tries", "work")

    def __init__(self, work: Callable[[SqlStore], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()
        self.tries = 0
        self.result: Any = None
        self.error: Exception | None = None

    def refused(self) -> Future[Any]:
        """The answer of a server that ends."""
        self.future.set_exception(RefusedError("the server is about to end", code="TEMPORARILY_UNAVAILABLE"))
        return self.future

    def is_wanted(self) -> bool:
        """Whether somebody still waits for it; from then on it cannot be cancelled."""
        return self.future.running() or self.future.set_running_or_notify_cancel()

    def do(self, store: SqlStore) -> None:
        """Carry it out within a transaction, which it may leave as it was."""
        self.result = self.error = None
        try:
            with store.writing():
                self.result = self.work(store)
        except Exception as error:  # noqa: BLE001  whoever asked is to have it
            self.error = error

    def do_alone(self, store: SqlStore) -> None:
        """Carry it out, and answer."""
        try:
            self.result = self.work(store)
        except Exception as error:  # noqa: BLE001
            self.error = error
        self.answer()

    def is_to_be_done_again(self) -> bool:
        """Whether it met another write, and not too often yet."""
        return isinstance(self.error, AgainError) and self.tries < _MOST_TRIES

    def answer(self) -> None:
        """Give the result, or what was raised, to whoever waits."""
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


def _begun(target: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _write_group(store: SqlStore, left: deque[_Task]) -> None:
    """Carry out the first of those that are left in one transaction, and answer them when it is committed."""
    if len(left) == 1:
        _write_alone(store, left.popleft())
        return
    group = list[_Task]()
    try:
        with store.writing():
            _do_some(store, left, group)
    except UncertainError as error:
        for task in group:
            task.error = error
            task.answer()
        return
    except (_EndedError, TrackingError) as error:
        if not group:  # it cannot be written at all, and long enough was waited for that
            _refuse(left, error)
        for task in group:
            _write_alone(store, task)
        return
    again = [task for task in group if task.is_to_be_done_again()]
    left.extendleft(reversed(again))
    for task in group:
        if task not in again:
            task.answer()


def _do_some(store: SqlStore, left: deque[_Task], group: list[_Task]) -> None:
    end = time.monotonic() + _LONGEST_GROUP_S
    while left and len(group) < _MOST_IN_GROUP and (not group or time.monotonic() < end):
        task = left.popleft()
        if task.is_wanted():
            group.append(task)
            task.tries += len(group) == 1  # those that follow do not wait for other processes
            task.do(store)
            if not store.is_writing:
                raise _EndedError


def _write_alone(store: SqlStore, task: _Task) -> None:
    if not task.is_wanted():
        return
    while True:
        task.tries += 1
        task.do(store)
        if not task.is_to_be_done_again():
            break
    task.answer()


def _refuse(left: deque[_Task], error: Exception) -> None:
    while left:
        task = left.popleft()
        if task.is_wanted():
            task.error = error
            task.answer()


class _EndedError(Exception):
    """The transaction of a group is over before its end: a full disk, or a lost connection, undid all of it."""
