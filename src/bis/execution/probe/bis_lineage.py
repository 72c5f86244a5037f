"""The place of each process in the tree of processes of a run, the same on every rerun.

The first process is ``0``. A child's place is its parent's, a dot, a letter and a count, in order of creation: ``p1``
for a ``multiprocessing`` process (fork, spawn, forkserver, loky), ``f1`` for another fork, ``s1`` for what
``multiprocessing`` itself starts, ``1`` for a Python started as a subprocess and ``x1`` for another program. Each kind
has a count of its own, so that a helper that looks at the machine (``lscpu``, ``git``) shifts no worker's place.

A place reaches a new program through ``BIS_LINEAGE``. Between two starts that variable holds what a child gets whose
start nobody saw (``o``). Programs that are started again and again with one place, as by a loop in a shell, are told
apart by how often the same command line came (``0~1``); ranks of an MPI program by their number (``0r3``).

Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock

from bis_hooks import after

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

VARIABLE = "BIS_LINEAGE"
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK")

_place = ""
_counts: dict[str, int] = {}
_listeners: list[Callable[[], None]] = []
_lock = RLock()


def install() -> None:
    """Take this process's place and give each child its own, in a process that belongs to a run of bis."""
    given = os.environ.get(VARIABLE)
    if not given and os.environ.get("BIS_SEED"):
        given = "0.o"  # the program gave its child only some of its variables
    if given and not _place:
        _settle(_told_apart(given + _rank()))
        os.register_at_fork(before=_count_fork, after_in_child=_forked)
        os.system = _with_place("x", os.system)
        os.system.__module__ = "os"  # where pickle finds it
        after("subprocess", _amend_subprocess)
        for package in ("multiprocessing", "multiprocess"):
            after(package + ".util", _amend_multiprocessing)
            after(package + ".process", _amend_process)
        for package in ("", "joblib.externals."):
            after(package + "loky.backend.fork_exec", _amend_loky)


def current() -> str:
    """The place of this process; empty when it belongs to no run."""
    return _place


def listen(changed: Callable[[], None]) -> None:
    """Call ``changed`` in each process whose place has changed: a fork, a process of ``multiprocessing``."""
    _listeners.append(changed)


def child(kind: str) -> str:
    """The place of the next child of that kind."""
    _counts[kind] = _counts.get(kind, 0) + 1
    return _place + "." + kind + str(_counts[kind])


def enter(place: str) -> None:
    """Work at ``place``: what this process starts from now on has its place below it."""
    global _place
    _place = place
    _counts.clear()
    os.environ[VARIABLE] = _unseen()


def _settle(place: str) -> None:
    enter(place)
    for changed in _listeners:
        changed()


def _unseen() -> str:
    return _place + ".o"


def _rank() -> str:
    for name in _RANKS:
        rank = os.environ.get(name, "0")
        if rank.isdigit() and int(rank):
            return "r" + rank
    return ""


def _told_apart(place: str) -> str:
    """The place, with how many processes with this command line have taken it before, when any has."""
    directory = os.environ.get("BIS_REPORT")
    if not directory:
        return place
    from binascii import crc32

    name = "{}-{:08x}.place".format(place, crc32(_command_line()))
    try:
        descriptor = os.open(os.path.join(directory, name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError:
        return place
    try:
        os.write(descriptor, b".")
        before = os.lseek(descriptor, 0, os.SEEK_CUR) - 1  # where this process's own byte lies
    finally:
        os.close(descriptor)
    return place + "~" + str(before) if before else place


def _command_line() -> bytes:
    words = getattr(sys, "orig_argv", None)  # 3.10
    if words is not None:
        return os.fsencode("\0".join(words))
    try:
        with open("/proc/self/cmdline", "rb") as file:
            return file.read()
    except OSError:
        return b""


def _count_fork() -> None:
    _counts["f"] = _counts.get("f", 0) + 1


def _forked() -> None:
    global _lock
    _lock = RLock()  # another thread may have held it
    _settle(_place + ".f" + str(_counts["f"]))


def _with_place(kind: str, start: Callable[..., Any]) -> Callable[..., Any]:
    """``start``, with the place of its child in the environment meanwhile."""

    def started(*arguments: Any, **keywords: Any) -> Any:
        with _lock:
            os.environ[VARIABLE] = child(kind)
            try:
                return start(*arguments, **keywords)
            finally:
                os.environ[VARIABLE] = _unseen()

    started.__name__ = started.__qualname__ = start.__name__
    started.__module__, started.__doc__ = start.__module__, start.__doc__
    started.__wrapped__ = start  # type: ignore[attr-defined]
    return started


def _amend_subprocess(module: Any) -> None:
    execute = module.Popen._execute_child

    def _execute_child(
        self: Any,
        args: Any,
        executable: Any,
        preexec_fn: Any,
        close_fds: Any,
        pass_fds: Any,
        cwd: Any,
        env: Any,
        *rest: Any,
    ) -> Any:
        def start() -> Any:
            return execute(self, args, executable, preexec_fn, close_fds, pass_fds, cwd, _placed(env), *rest)

        return _with_place(_kind(args), start)()

    module.Popen._execute_child = _execute_child


def _placed(env: Any) -> Any:
    """The environment that a program made for its child, with the child's place where it kept bis's variables."""
    if env is None:
        return None
    for name in (VARIABLE, VARIABLE.encode()):
        if name in env:
            place = os.environ[VARIABLE]
            return {**env, name: place if isinstance(name, str) else place.encode()}
    return env


def _kind(args: Any) -> str:
    first = args[0] if args and isinstance(args, (list, tuple)) else args
    try:
        name = os.path.basename(os.fsdecode(first))
    except TypeError:
        return "x"
    return "" if name.startswith(("python", "pypy")) else "x"


def _amend_multiprocessing(module: Any) -> None:
    module.spawnv_passfds = _with_place("s", module.spawnv_passfds)


def _amend_loky(module: Any) -> None:
    module.fork_exec = _with_place("s", module.fork_exec)


def _amend_process(module: Any) -> None:
    """A process of ``multiprocessing`` has its place from its making, whatever way it is started."""
    process = module.BaseProcess
    make, bootstrap = process.__init__, process._bootstrap

    def __init__(self: Any, *arguments: Any, **keywords: Any) -> None:
        make(self, *arguments, **keywords)
        self._bis_place = child("p")

    def _bootstrap(self: Any, *arguments: Any, **keywords: Any) -> Any:
        place = getattr(self, "_bis_place", None)
        if place:
            _settle(place)
        return bootstrap(self, *arguments, **keywords)

    process.__init__, process._bootstrap = __init__, _bootstrap
