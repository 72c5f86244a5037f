"""Gives each task of a pool of workers a stream of its own, so that it does not matter which worker takes it.

A pool hands its next task to whichever worker is free, so that streams by worker alone would still mix. Tasks are
counted where they are made, in order: of ``multiprocessing.Pool``, ``concurrent.futures`` and joblib.

Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys

import bis_lineage
from bis_hooks import after

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_listeners: list[Callable[[], None]] = []


def install(begun: Callable[[], None]) -> None:
    """Call ``begun`` in a worker for each task that it begins, at the task's place."""
    _listeners.append(begun)
    for package in ("multiprocessing", "multiprocess"):
        after(package + ".pool", _amend_pool)
    after("concurrent.futures.process", _amend_executor)
    after("loky.process_executor", _amend_executor)
    after("joblib.parallel", _amend_joblib)


class Task:
    """A function to be called in another process. In the process that made it, it is the function alone."""

    def __init__(self, function: Any, place: str) -> None:
        self._function = function
        self._place = place
        self._pid = os.getpid()

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        if os.getpid() != self._pid:
            _begin(self._place)
        return self._function(*arguments, **keywords)


def _begin(place: str) -> None:
    bis_lineage.enter(place)
    for begun in _listeners:
        begun()


def _amend_executor(module: Any) -> None:
    submit = module.ProcessPoolExecutor.submit

    def submit_task(self: Any, fn: Any, *arguments: Any, **keywords: Any) -> Any:
        return submit(self, Task(fn, bis_lineage.child("t")), *arguments, **keywords)

    submit_task.__name__, submit_task.__qualname__ = submit.__name__, submit.__qualname__
    submit_task.__doc__, submit_task.__wrapped__ = submit.__doc__, submit  # type: ignore[attr-defined]
    module.ProcessPoolExecutor.submit = submit_task


def _amend_joblib(module: Any) -> None:
    """Call by call: how many calls joblib sends at once depends on how long they take.

    For the backends of this machine: workers elsewhere may know nothing of bis.
    """
    dispatch = module.Parallel._dispatch

    def _dispatch(self: Any, batch: Any) -> Any:
        if type(self._backend).__name__ in ("LokyBackend", "MultiprocessingBackend"):
            batch.items = [(Task(call[0], bis_lineage.child("j")), *call[1:]) for call in batch.items]
        return dispatch(self, batch)

    module.Parallel._dispatch = _dispatch


def _amend_pool(module: Any) -> None:
    """A worker of ``multiprocessing.Pool`` reads (job, number, ...) from a queue; its parent counts the jobs."""
    work, package = module.worker, sys.modules[module.__name__.rpartition(".")[0]]

    def worker(inqueue: Any, *arguments: Any, **keywords: Any) -> Any:
        return work(_Queue(inqueue) if _is_process(package) else inqueue, *arguments, **keywords)

    worker.__name__, worker.__qualname__, worker.__module__ = (
        work.__name__,
        work.__qualname__,
        work.__module__,
    )
    module.worker = worker


def _is_process(package: Any) -> bool:
    """Not so for a worker of a ``ThreadPool``, which draws from its process's generators."""
    from threading import current_thread, main_thread

    return current_thread() is main_thread() and "_bis_place" in vars(package.current_process())


class _Queue:
    """The queue of a worker; each task that it gives is begun."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self._pool = bis_lineage.current().rpartition(".")[0]

    def get(self, *arguments: Any, **keywords: Any) -> Any:
        task = self._queue.get(*arguments, **keywords)
        if isinstance(task, tuple) and len(task) == 5:
            _begin("{}.m{}.{}".format(self._pool, task[0], task[1]))
        return task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)
