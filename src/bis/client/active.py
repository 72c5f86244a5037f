"""The runs that this process has begun and not ended, and what becomes of them when it ends."""

from __future__ import annotations

import os
import sys
import threading
import time

from bis.client import destination
from bis.client.connection import say
from bis.client.entities import Run, RunData, RunInfo
from bis.client.errors import TrackingError
from bis.client.metric_queue import MetricQueue

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any

    from bis.client.connection import Server
    from bis.client.metric_queue import Owner
    from bis.client.system_metrics import Sampling

queue = MetricQueue()

_shared: list[ActiveRun] = []
"""The runs that the main thread began, and the one that is there without a word. Other threads use them too, as long as
they have begun none of their own."""
_own = threading.local()
_lock = threading.RLock()


def _begin_child() -> None:
    """A forked child has none of the threads that may hold the lock."""
    global _lock
    _lock = threading.RLock()


os.register_at_fork(after_in_child=_begin_child)
_last: list[ActiveRun] = []
_open: dict[ActiveRun, None] = {}
_TAKEN = "BIS_RUN_TAKEN"  # the run of bis that a script has begun: the processes below it begin others


class ActiveRun(Run):
    """A run that is being logged to; as a context manager, it ends with the block."""

    def __init__(self, server: Server, run_id: str, answer: dict[str, Any] | None = None) -> None:
        self._server = server
        self._run_id = run_id
        self._answer = answer
        self._process = os.getpid()
        self._artifact_uri = ""
        self._sampling: Sampling | None = None
        self.is_implicit = False

    @property
    def owner(self) -> Owner:
        """Where its metrics go."""
        return self._server, self._run_id

    @property
    def server(self) -> Server:
        """Where it is tracked."""
        return self._server

    @property
    def run_id(self) -> str:
        """Its id, known without asking the server."""
        return self._run_id

    @property
    def info(self) -> RunInfo:  # type: ignore[override]
        """What the run was when it began."""
        return RunInfo(self._begun()["info"])

    @property
    def data(self) -> RunData:  # type: ignore[override]
        """What it had when it began; ``get_run`` tells what it has now."""
        return RunData(self._begun().get("data", {}))

    @property
    def artifact_uri(self) -> str:
        """Where its artifacts lie."""
        self._artifact_uri = self._artifact_uri or self.info.artifact_uri
        return self._artifact_uri

    def _begun(self) -> dict[str, Any]:
        if self._answer is None:
            self._answer = self._server.get("mlflow/runs/get", run_id=self._run_id)["run"]
        return self._answer

    def sample(self) -> None:
        """Log how busy the machine is, until the run ends."""
        from bis.client.system_metrics import Sampling

        self._sampling = Sampling(lambda values, step: queue.put(self.owner, values.items(), step, None))
        self._sampling.start()

    def end(self, status: str) -> None:
        """Send what waits and tell how it ended: by the process that began it, not by a child forked since."""
        if self._sampling is not None and self._process == os.getpid():
            self._sampling.stop()
        failure: TrackingError | None = None
        try:
            queue.flush(self.owner)
        except TrackingError as error:
            failure = error
        if self._process == os.getpid() and not self.is_implicit_run_of_bis:
            body = {"run_id": self._run_id, "status": status, "end_time": int(time.time() * 1000)}
            try:
                self._server.post("mlflow/runs/update", body)
            except TrackingError as error:
                failure = failure or error
        if failure is not None and queue.waiting:
            raise failure  # it stays open: what waits is tried once more when the process ends
        _open.pop(self, None)
        queue.forget(self.owner)
        if failure is not None:
            raise failure

    @property
    def is_implicit_run_of_bis(self) -> bool:
        """Whether bis began it, and ends it."""
        return self.is_implicit and self._run_id == destination.run_of_bis()

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        status = _status(value)
        runs = stack()
        while self in runs:  # those begun within and not ended too
            try:
                pop().end(status)
            except TrackingError as error:
                if value is None:
                    raise
                say(str(error))  # what the script raised is what went wrong first

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return "<ActiveRun: {}>".format(self._run_id)


def _status(error: BaseException | None) -> str:
    if error is None or (isinstance(error, SystemExit) and not error.code):
        return "FINISHED"
    return "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"


def stack() -> list[ActiveRun]:
    """The runs that this thread began, the innermost last."""
    if threading.current_thread() is threading.main_thread():
        return _shared
    if not hasattr(_own, "runs"):
        _own.runs = []
    runs: list[ActiveRun] = _own.runs
    return runs


def top() -> ActiveRun | None:
    """The run that this thread logs to, when there is one."""
    for runs in (stack(), _shared):
        if runs:
            return runs[-1]
    return None


def push(run: ActiveRun) -> None:
    """``run`` is the one that this thread logs to from now on."""
    _enter(run, stack())


def _enter(run: ActiveRun, runs: list[ActiveRun]) -> None:
    watch_exit()
    runs.append(run)
    _open[run] = None
    _last[:] = [run]


def pop() -> ActiveRun:
    """Take the innermost run of this thread out."""
    return stack().pop()


def last() -> ActiveRun | None:
    """The run that was begun last."""
    return _last[-1] if _last else None


def current() -> ActiveRun:
    """The run that this thread logs to; where there is none, the run of bis, else a new one for the process."""
    run = top()
    if run is not None:
        return run
    with _lock:
        if _shared:
            return _shared[-1]
        server, of_bis = destination.server(), destination.run_of_bis()
        run = ActiveRun(server, of_bis) if of_bis else create(server)
        run.is_implicit = True
        _enter(run, _shared)
        return run


def take_run_of_bis() -> str | None:
    """The run of bis, for the first ``start_run`` of the first process that asks; None afterwards."""
    run_id = destination.run_of_bis()
    if run_id is None or is_run_of_bis_begun():
        return None
    os.environ[_TAKEN] = run_id
    return run_id


def is_run_of_bis_begun() -> bool:
    """Whether the script has begun the run of bis itself."""
    return os.environ.get(_TAKEN) == destination.run_of_bis()


def create(
    server: Server,
    *,
    experiment_id: str | None = None,
    name: str | None = None,
    tags: dict[str, str] | None = None,
) -> ActiveRun:
    """Make a run, in the experiment that was set unless told; with the tags of MLflow's own runs."""
    from bis.client.experiments import current_experiment

    every = {
        "mlflow.user": user_name(),
        "mlflow.source.name": sys.argv[0] if getattr(sys, "argv", None) else "",
        "mlflow.source.type": "LOCAL",
        **({"mlflow.runName": name} if name else {}),
        **(tags or {}),
    }
    body = {
        "experiment_id": experiment_id or current_experiment(server),
        "user_id": every["mlflow.user"],
        "start_time": int(time.time() * 1000),
        "tags": [{"key": key, "value": value} for key, value in every.items()],
        **({"run_name": name} if name else {}),
    }
    answer = server.post("mlflow/runs/create", body, repeat=False)["run"]
    return ActiveRun(server, RunInfo(answer["info"]).run_id, answer)


def user_name() -> str:
    """The user's name, as getpass finds it, or ``unknown``."""
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):
        return "unknown"


_watched_process: int | None = None


def watch_exit() -> None:
    """Have this process finish its runs and send what waits when it ends.

    A process that multiprocessing forked calls no atexit functions, but finalizers of its own.
    """
    global _watched_process
    if _watched_process == os.getpid():
        return
    processes: Any = sys.modules.get("multiprocessing.process")
    if processes is not None and processes.current_process()._parent_pid is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _at_exit, exitpriority=10)
    elif _watched_process is None:  # a forked child has inherited it
        import atexit

        atexit.register(_at_exit)
    _watched_process = os.getpid()


def _is_session() -> bool:
    """Whether a person types the script: an error there has ended a line, and no more."""
    import builtins

    return hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__")


def _at_exit() -> None:
    """End what is open: FAILED when the script was ended by an exception. Nobody catches an error any more: say it."""
    queue.stop_thread()
    status = "FINISHED" if _is_session() else _status(getattr(sys, "last_value", None))
    for run in reversed(list(_open)):
        try:
            run.end(status)
        except TrackingError as error:
            say(str(error))
    try:
        queue.flush()
    except TrackingError as error:
        lost = queue.waiting
        say("{}{}".format(error, "; {} metrics are lost".format(lost) if lost else ""))
    destination.close()
