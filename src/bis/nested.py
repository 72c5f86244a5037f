"""A run that a script starts inside a run of bis: the other side of ``probe/bis_nested.py``.

The script's process starts this one with two descriptors. On the first it sends the request, one line of JSON, and
later perhaps the word ``cancel``; its end means that the script is gone, and ends the run. On the second it is
told, a line of JSON each, which run has begun, and how it ended or what was wrong.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.errors import BisError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.backends.submitted import SubmittedRun
    from bis.execution.enclosing import Enclosing
    from bis.home import Home
    from bis.pipelines.submitted import PipelineRun
    from bis.runs import RunOptions
    from bis.tracking import Store

_SHORTEST_KILL_AFTER_S = 0.5
_EARLIER_S = 1.5
"""How much earlier than its parent a nested run kills what ignores TERM, so that it can still say how it ended."""


def main() -> None:
    """The process of one nested run; the descriptors are the last two words of the command line."""
    from bis.cli.style import notifier

    requests, replies = int(sys.argv[-2]), int(sys.argv[-1])
    os.set_inheritable(requests, False)
    os.set_inheritable(replies, False)
    caller = _Caller(requests, replies)
    status = 1
    try:
        status = _serve(caller, notifier(quiet=_is_quiet()))
    except BisError as error:
        caller.tell(error=str(error), kind=type(error).__name__)
    except KeyboardInterrupt:
        caller.tell(error="the run was interrupted", kind="KeyboardInterrupt")
    except Exception as error:  # noqa: BLE001 (the script is told, as it would see it from a call)
        caller.tell(error=f"{type(error).__name__}: {error}", kind=type(error).__name__)
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _is_quiet() -> bool:
    from bis.execution.enclosing import enclosing_run

    enclosing = enclosing_run(os.environ)
    return enclosing is not None and enclosing.quiet


class _Caller:
    """The script that asked for the run."""

    def __init__(self, requests: int, replies: int) -> None:
        self._requests = os.fdopen(requests, "rb", buffering=0)
        self._replies = replies
        self._run: SubmittedRun | PipelineRun | None = None
        self._is_cancelled = False
        self._lock = threading.Lock()

    def request(self) -> dict[str, Any]:
        """What is asked for."""
        read: dict[str, Any] = json.loads(self._requests.readline())
        return read

    def tell(self, **words: Any) -> None:
        """Say one thing; a script that is gone hears nothing."""
        with contextlib.suppress(OSError):
            os.write(self._replies, json.dumps(words).encode() + b"\n")

    def begun(self, run: SubmittedRun | PipelineRun) -> None:
        """Say that the run exists, and end it when the script asks for that, or is gone."""
        self.tell(run_id=run.run_id)
        with self._lock:
            self._run = run
        if self._is_cancelled:
            run.cancel()

    def listen(self) -> None:
        """Wait for the script to say ``cancel`` or to end."""
        threading.Thread(target=self._listen, daemon=True, name="bis-caller").start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            self._requests.readline()  # "cancel", or the end of the script
        with self._lock:
            self._is_cancelled, run = True, self._run
        if run is not None:
            with contextlib.suppress(BisError):
                run.cancel()


def _serve(caller: _Caller, notify: Callable[[str], None]) -> int:
    from bis.execution.enclosing import enclosing_run
    from bis.home import Home
    from bis.tracking import open_callers_store

    request = caller.request()
    caller.listen()
    enclosing = enclosing_run(os.environ)
    manager = request["env_manager"]
    if enclosing is not None:
        manager = manager or ("local" if enclosing.manager == "local" else None)
        enclosing.restore(os.environ, keep_environment=manager == "local")
    home = Home.locate()
    store = open_callers_store(home, notify=notify)
    with contextlib.ExitStack() as restored:
        options = _options({**request, "env_manager": manager})
        if enclosing is not None:
            options = _inside(options, request, enclosing, _Repeated(store, home, notify, restored))
        finished = _run(options, caller, store, notify)
    caller.tell(**_result(finished))
    return 0 if finished.status == "FINISHED" else 1


def _run(
    options: RunOptions, caller: _Caller, store: Store, notify: Callable[[str], None]
) -> ProjectRun | PipelineRun:
    from bis.pipelines import start
    from bis.reuse import TakenRun
    from bis.tracking import tags

    shown = " ".join(f"{key}={value}" for key, value in list(options.parameters.items())[:8])

    def begun(run: SubmittedRun | PipelineRun) -> None:
        caller.begun(run)
        verb = "reused" if isinstance(run, TakenRun) else "run"
        notify(f"{verb} {run.run_id[:8]}: {options.entry_point} {shown}".rstrip())

    began = time.monotonic()
    finished = start(options, notify=notify, begun=begun)
    if finished.reused and options.parent_run_id is not None:
        store.set_tag(options.parent_run_id, tags.REUSED + options.tags[tags.CALL], finished.run_id)
    elif not finished.reused:
        taken = f"{time.monotonic() - began:.2f} s"
        notify(f"run {finished.run_id[:8]}: {options.entry_point} {finished.status} in {taken}")
    return finished


def _options(request: Mapping[str, Any]) -> RunOptions:
    """The request as options of a run; raises a BisError for what cannot be taken."""
    from bis.plans import ContainerOptions, read_level
    from bis.runs import RunOptions, read_backend_config, read_reuse

    read_backend_config(request["backend_config"])
    level = request["level"]
    return RunOptions(
        uri=request["uri"],
        entry_point=request["entry_point"] or "main",
        version=request["version"],
        parameters=request["parameters"] or {},
        experiment_name=request["experiment_name"],
        experiment_id=request["experiment_id"],
        backend="local" if request["backend"] in (None, "bis") else request["backend"],
        env_manager=request["env_manager"],
        storage_dir=request["storage_dir"],
        run_id=request["run_id"],
        run_name=request["run_name"],
        tags=request["tags"] or {},
        env_file=request["env_file"],
        container=ContainerOptions.read(
            request["docker_args"],
            build_image=bool(request["build_image"]),
            docker_auth=request["docker_auth"],
        ),
        timeout_s=request["timeout_s"],
        as_of=request["as_of"],
        upgrade=bool(request["upgrade"]),
        seed=request["seed"],
        level=None if level is None else read_level(level),
        keep_env=tuple(request["keep_env"] or ()),
        locked=bool(request["locked"]),
        reuse=read_reuse(request["reuse"]),
    )


@dataclass(frozen=True)
class _Repeated:
    """Where the run that the enclosing one repeats is looked up, and until when its sources are kept restored."""

    store: Store
    home: Home
    notify: Callable[[str], None]
    restored: contextlib.ExitStack


def _inside(
    options: RunOptions, request: Mapping[str, Any], enclosing: Enclosing, repeated: _Repeated
) -> RunOptions:
    """The options of a run inside another."""
    from bis.tracking import tags

    call = request["call"]
    inside = replace(
        options,
        parent_run_id=request["parent_run_id"] or enclosing.run_id,
        tags={**options.tags, tags.CALL: call},
        trace="full" if enclosing.trace == "full" else None,
        quiet=enclosing.quiet,
        kill_after_s=max(_SHORTEST_KILL_AFTER_S, enclosing.kill_after_s - _EARLIER_S),
    )
    if enclosing.repeats is None:
        return _in_the_same_tree(inside, enclosing)
    return _as_before(inside, call, enclosing, repeated)


def _in_the_same_tree(options: RunOptions, enclosing: Enclosing) -> RunOptions:
    """A project in the tree of the enclosing run has its snapshot: what siblings wrote meanwhile is no source."""
    from bis.sources.locations import LocalPath, parse

    location = parse(options.uri, options.version)
    if not isinstance(location, LocalPath) or location.version or location.as_repository:
        return options
    directory = Path(location.path, location.subdirectory)
    source = enclosing.source_of(directory) if directory.is_dir() else None
    if source is None or not _is_in_snapshot(source.subdirectory, enclosing, options):
        return options
    return replace(options, source=source)


def _is_in_snapshot(subdirectory: str, enclosing: Enclosing, options: RunOptions) -> bool:
    """Whether the snapshot has the project: a folder that Git ignores, or another repository, is not in it."""
    if subdirectory == enclosing.source["subdirectory"]:
        return True
    from bis.home import Home
    from bis.sources import in_tree

    place = f"{subdirectory}/" if subdirectory else ""
    names = {f"{place}{name}" for name in ("MLproject", "mlproject", options.entry_point)}
    return bool(in_tree(enclosing.source["tree"], names, Home.locate()))


def _as_before(options: RunOptions, call: str, enclosing: Enclosing, repeated: _Repeated) -> RunOptions:
    """In a run that repeats another: with the source and the lock that the child of that one had at this call."""
    from bis.repeat.recorded import RecordedRun
    from bis.repeat.rerun import source_again
    from bis.tracking.families import family

    store, notify = repeated.store, repeated.notify
    tree = family(store, store.run(str(enclosing.repeats)))
    before = next((each for each in tree.children if each.label == call), None)
    # a pipeline has no plan: its steps have the source and the lock that it had
    runs = [] if before is None else [before.run, *(step.run for step in before.children)]
    child = next((one for run in runs if (one := RecordedRun.load(store, run.info.run_id)).plan), None)
    plan = None if child is None else child.plan
    if child is None or plan is None:
        notify(f"the run that is repeated has no run of call {call}: this one has nothing to go by")
        return replace(_in_the_same_tree(options, enclosing), reuse="no")
    if plan.source.tree in (None, enclosing.source.get("tree")):
        options = _in_the_same_tree(options, enclosing)
    else:  # a project of its own, which may have changed or be gone
        again = source_again(child, store=store, home=repeated.home, notify=notify)
        options = replace(options, source=repeated.restored.enter_context(again))
    is_same_kind = options.env_manager in (None, plan.environment.manager)
    return replace(
        options,
        lock=plan.environment if is_same_kind else None,
        repeats=child.run_id if child.run_id == runs[0].info.run_id else None,
        reuse="no",
    )


def _result(finished: ProjectRun | PipelineRun) -> dict[str, Any]:
    return {
        "status": finished.status,
        "exit_code": finished.exit_code,
        "metrics": finished.metrics,
        "parameters": finished.parameters,
        "artifact_uri": finished.artifact_uri,
        "reused": finished.reused,
    }


__all__ = ["main"]
