"""Runs that a script starts: ``mlflow.run`` and ``bis.run`` inside a run of bis.

Each becomes a run of the bis that runs the script, in a process of its own, nested under the run of the script.
``bis/nested.py`` is the other side. Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys

import bis_lineage
from bis_hooks import after

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

_calls: dict[tuple[str, str], int] = {}
_unfinished: list[NestedRun] = []
_MANAGER_OF_USE_CONDA = {True: "conda", False: "local"}
_TRACKED = "mlflow.tracking.fluent"


class NestedRunError(Exception):
    """A run that a script has started did not finish well, or could not be started."""


class NestedRun:
    """A run that was started by ``run``: the members of MLflow's ``SubmittedRun``, and its results."""

    def __init__(
        self, request: dict[str, Any], command: Sequence[str], environ: dict[str, str] | None = None
    ) -> None:
        """Start it; ``command`` are the words that start bis, ``environ`` its variables (default: ours)."""
        import threading

        self._lock = threading.Lock()
        self._told: dict[str, Any] = {}
        self._owner = os.getpid()
        self._start(request, command, dict(os.environ if environ is None else environ))

    def _start(self, request: dict[str, Any], command: Sequence[str], environ: dict[str, str]) -> None:
        import json
        import subprocess

        requests, self._requests = os.pipe()
        replies, told = os.pipe()
        self._replies = os.fdopen(replies, "rb")
        probe = os.path.dirname(os.path.abspath(__file__))
        folders = environ.pop("PYTHONPATH", "").split(os.pathsep)
        left = [folder for folder in folders if folder and os.path.abspath(folder) != probe]
        if left:
            environ["PYTHONPATH"] = os.pathsep.join(left)
        sys.stdout and sys.stdout.flush()  # what the script printed stands before what its run prints
        try:
            self._process = subprocess.Popen(
                [*command, str(requests), str(told)], env=environ, pass_fds=(requests, told)
            )
        finally:
            os.close(requests)
            os.close(told)
        self._send(json.dumps(request).encode() + b"\n")

    def _send(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._requests, view) :]
        except OSError:  # it has ended, and its replies say how
            pass

    def _read(self, until: str) -> bool:
        """Take in replies until one has the word ``until``; False when they have ended."""
        import json

        with self._lock:
            while until not in self._told and "error" not in self._told:
                line = self._replies.readline()
                if not line:
                    self._told.setdefault("error", "the run has lost its bis")
                    break
                self._told.update(json.loads(line))
            return until in self._told

    def _ended(self) -> bool:
        """Whether it has ended, without waiting for it."""
        if "status" in self._told or "error" in self._told:
            return True
        return self._process.poll() is not None and (self._read("status") or True)

    def begin(self) -> None:
        """Wait until the run exists; raise what kept it from that."""
        if not self._read("run_id"):
            self._process.wait()
            self._close()
            raise _error(str(self._told["error"]))

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self._told["run_id"])

    @property
    def error(self) -> str | None:
        """What kept bis itself from going on with the run."""
        return self._told.get("error")

    @property
    def status(self) -> str:
        """``RUNNING``, ``FINISHED``, ``FAILED`` or ``KILLED``."""
        if not self._ended():
            return "RUNNING"
        return str(self._told.get("status", "FAILED"))

    @property
    def exit_code(self) -> int | None:
        """The command's exit code; None while it runs."""
        return self._told.get("exit_code") if self._ended() else None

    @property
    def reused(self) -> bool:
        """Whether an earlier run was taken instead of a new one."""
        return bool(self._told.get("reused"))

    @property
    def metrics(self) -> dict[str, float]:
        """The latest value of each metric; empty while it runs."""
        return dict(self._told.get("metrics") or {}) if self._ended() else {}

    @property
    def parameters(self) -> dict[str, str]:
        """Its parameters; empty while it runs."""
        return dict(self._told.get("parameters") or {}) if self._ended() else {}

    @property
    def artifact_uri(self) -> str:
        """Where its artifacts are; empty while it runs."""
        return str(self._told.get("artifact_uri") or "") if self._ended() else ""

    def wait(self) -> bool:
        """Block until the run has ended; True when it finished well."""
        self._read("status")
        self._process.wait()
        self._close()
        return self.status == "FINISHED"

    def get_status(self) -> str:
        """As ``status``; MLflow's name for it."""
        return self.status

    def cancel(self) -> None:
        """End the run with all that it has started, and wait for that."""
        if not self._ended():
            self._send(b"cancel\n")
        self.wait()

    def _close(self) -> None:
        with self._lock:
            if self._requests >= 0:
                os.close(self._requests)
                self._requests = -1
                self._replies.close()
                if self in _unfinished:
                    _unfinished.remove(self)

    def __repr__(self) -> str:
        return "<bis run {} {}>".format(self.run_id, self.status)


def run(
    uri: str,
    entry_point: str = "main",
    version: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    docker_args: Mapping[str, Any] | None = None,
    experiment_name: str | None = None,
    experiment_id: str | None = None,
    backend: str = "local",
    backend_config: Mapping[str, Any] | str | None = None,
    storage_dir: str | None = None,
    synchronous: bool = True,
    run_id: str | None = None,
    run_name: str | None = None,
    env_manager: str | None = None,
    build_image: bool = False,
    docker_auth: Mapping[str, str] | None = None,
    *,
    tags: Mapping[str, str] | None = None,
    env_file: str | None = None,
    timeout_s: float | None = None,
    as_of: str | None = None,
    upgrade: bool = False,
    seed: int | None = None,
    level: str | None = None,
    keep_env: Any = (),
    locked: bool = False,
    reuse: bool | str | None = None,
) -> NestedRun:
    """Run a project as part of the run of this script; takes what ``bis.run`` takes.

    Its seed comes from that of this run and from how many runs of that entry point came before, unless ``seed`` says
    another. Raises NestedRunError when it cannot be started, or a synchronous one does not finish well.
    """
    request = dict(locals())
    submitted: NestedRun = _submit(request, NestedRun)
    return submitted


def start_alone(request: dict[str, Any], command: Sequence[str], environ: dict[str, str]) -> NestedRun:
    """Start a run that belongs to no other; returns when it exists. Raises what kept it from that."""
    submitted = NestedRun(dict(_plain(request), call=None, parent_run_id=None), command, environ)
    submitted.begin()
    return submitted


def is_possible() -> bool:
    """Whether this process belongs to a run that can start others."""
    return _document() is not None


def install() -> None:
    """Take MLflow's calls, in a process that belongs to a run of bis."""
    if os.environ.get("BIS_NESTED"):
        after("mlflow.projects", _amend_projects)


def _submit(request: dict[str, Any], kind: Callable[..., Any]) -> Any:
    """Start the run that is asked for, and wait for it when it is synchronous."""
    document = _document()
    if document is None:
        raise _error("no run can be started here: bis does not run in this place, a container perhaps")
    submitted = kind(_complete(request), document["command"])
    submitted.begin()
    if request["synchronous"]:
        return _waited_for(submitted)
    if not _unfinished:
        import atexit

        atexit.register(_wait_for_all)
    _unfinished.append(submitted)
    return submitted


def _waited_for(submitted: Any) -> Any:
    try:
        is_well = submitted.wait()
    except BaseException:  # Ctrl-C, or an exception of a signal handler of the program
        submitted.cancel()
        raise
    if not is_well:
        reason = submitted.error or "its command ended with exit code {}".format(submitted.exit_code)
        raise _error("Run (ID '{}') failed: {}".format(submitted.run_id, reason))
    return submitted


def _wait_for_all() -> None:
    """A script may end before the runs that it has started: they are waited for."""
    for submitted in list(_unfinished):
        if submitted._owner == os.getpid():
            submitted.wait()


def _complete(request: dict[str, Any]) -> dict[str, Any]:
    """The request as JSON can carry it, with what only this process knows."""
    entry_point = str(request["entry_point"] or "main")
    place = bis_lineage.current() or "0"
    count = _calls[place, entry_point] = _calls.get((place, entry_point), 0) + 1
    call = "{}:{}:{}".format(place, entry_point, count)
    seed = request["seed"]
    experiment_id = request["experiment_id"]
    if experiment_id is None and request["experiment_name"] is None:
        experiment_id = _experiment()
    return dict(
        _plain(request),
        experiment_id=None if experiment_id is None else str(experiment_id),
        seed=_derived(call) if seed is None else int(seed),
        call=call,
        parent_run_id=_active_run() or os.environ.get("BIS_RUN_ID"),
    )


def _plain(request: dict[str, Any]) -> dict[str, Any]:
    """The request with values that JSON has."""
    parameters = {str(name): str(value) for name, value in dict(request["parameters"] or {}).items()}
    words = dict(
        request,
        uri=os.fspath(request["uri"]),
        entry_point=str(request["entry_point"] or "main"),
        parameters=parameters,
        keep_env=list(request["keep_env"] or ()),
    )
    return {name: value if _is_json(value) else str(value) for name, value in words.items()}


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, (str, bool, int, float, dict, list))


def _derived(call: str) -> int | None:
    """The seed of the run that this call starts: another for each, and the same each time."""
    import hashlib

    seed = os.environ.get("BIS_SEED")
    if not seed:
        return None
    return int.from_bytes(hashlib.sha256((seed + ":" + call).encode()).digest()[:4], "big")


def _experiment() -> str | None:
    """The experiment that the script has chosen, else that of its run."""
    fluent = sys.modules.get(_TRACKED)
    chosen = getattr(fluent, "_active_experiment_id", None)
    return chosen or os.environ.get("MLFLOW_EXPERIMENT_ID")


def _active_run() -> str | None:
    """The innermost run that the script has begun, with MLflow or with bis's own client."""
    fluent = sys.modules.get(_TRACKED)
    active = getattr(fluent, "active_run", lambda: None)()
    if active is not None:
        return str(active.info.run_id)
    ours = getattr(sys.modules.get("bis.client.active"), "top", lambda: None)()
    return None if ours is None else str(ours.run_id)


def _document() -> dict[str, Any] | None:
    path = os.environ.get("BIS_NESTED")
    if not path:
        return None
    import json

    try:
        with open(path, encoding="utf-8") as file:
            document: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return document if os.path.exists(document["command"][0]) else None


def _error(message: str) -> Exception:
    """MLflow's own error where it is imported, so that a script's ``except`` catches it."""
    exceptions = sys.modules.get("mlflow.exceptions")
    kind = getattr(exceptions, "ExecutionException", NestedRunError)
    error: Exception = kind(message)
    return error


def _amend_projects(module: Any) -> None:
    """``mlflow.projects.run`` and ``mlflow.run``, with the arguments of each version."""
    from functools import wraps
    from inspect import signature

    original = module.run
    known = signature(original)
    submitted_run: Any = module.SubmittedRun

    class SubmittedRun(NestedRun, submitted_run):  # type: ignore[misc]
        """A nested run that is also what MLflow says that ``run`` gives."""

    @wraps(original)
    def run(*args: Any, **kwargs: Any) -> Any:
        rest = {} if "use_conda" in known.parameters else {"use_conda": kwargs.pop("use_conda", None)}
        arguments = dict(known.bind(*args, **kwargs).arguments, **rest)
        backend = arguments.get("backend") or "local"
        document = _document()
        if document is None or backend not in ("bis", *document["backends"]):
            return original(*args, **kwargs)  # of another system: MLflow's own way, or a plug-in's
        return _submit(_from_mlflow(arguments), SubmittedRun)

    module.run = run


def _from_mlflow(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What was given to MLflow, as a request; the names that it had in earlier versions too."""
    given = dict(arguments)
    use_conda = given.pop("use_conda", None)
    given.pop("skip_image_build", None)
    if use_conda is not None and not given.get("env_manager"):
        given["env_manager"] = _MANAGER_OF_USE_CONDA[bool(use_conda)]
    defaults = dict(_DEFAULTS)
    defaults.update(given)
    return defaults


_DEFAULTS: dict[str, Any] = dict.fromkeys(run.__annotations__, None)
_DEFAULTS.pop("return")
_DEFAULTS.update(run.__kwdefaults__ or {})
_DEFAULTS.update(entry_point="main", backend="local", synchronous=True, build_image=False)
