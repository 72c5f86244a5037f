"""One run: from its options, or from a plan, to a backend that executes it."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bis import environments
from bis.backends import find_backend
from bis.backends.project_run import ProjectRun
from bis.errors import UsageError
from bis.execution import (
    Execution,
    Options,
    Outcome,
    Placement,
    Record,
    Streams,
    check_placement,
    read_env_file,
)
from bis.execution.supervision import KILL_AFTER_S
from bis.home import Home
from bis.liveness import sweep
from bis.plans import NO_OPTIONS, Prepared, Request, chosen_level, chosen_seed, prepare, prepare_again
from bis.tracking import open_callers_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.submitted import SubmittedRun
    from bis.environments import Lock
    from bis.plans import ContainerOptions, Level, Plan
    from bis.projects import Project
    from bis.reuse import Decision, Policy
    from bis.sources import Source
    from bis.tracking import Store


@dataclass(frozen=True, kw_only=True)
class ExecutionOptions:
    """How to execute and where to record: what is in no plan, but for the names of ``env_file``."""

    experiment_name: str | None = None
    experiment_id: str | None = None
    backend: str = "local"
    storage_dir: str | None = None
    run_id: str | None = None
    run_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    env_file: str | None = None
    container: ContainerOptions = NO_OPTIONS
    timeout_s: float | None = None
    trace: Literal["audit", "full"] | None = None
    """``full``: every program of the run is observed, and not its Pythons alone. None: ``full`` where ``reuse`` is
    asked for, which needs to know all that a run has read."""
    reuse: Policy | None = None
    """Whether a finished run is taken in the place of a new one; None: what the entry point says."""
    system_metrics_s: float | None = None
    """Log how busy the machine is, each so many seconds; None: not at all."""
    parent_run_id: str | None = None
    """The run that this one belongs to; None: the one that encloses the caller, if any does."""
    repeats: str | None = None
    """The id of the run that this one repeats."""
    quiet: bool = False
    """The runs that it starts say nothing of themselves."""
    kill_after_s: float | None = None
    """Between TERM and KILL, when the run is ended before its time; None: what is usual."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(ExecutionOptions):
    """Every option of a run, as the command line and ``bis.run`` take them."""

    uri: str
    entry_point: str = "main"
    version: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    env_manager: str | None = None
    as_of: str | None = None
    upgrade: bool = False
    seed: int | None = None
    """None: what BIS_SEED says, else 0."""
    level: Level | None = None
    """None: what BIS_LEVEL says, else ``seed``."""
    keep_env: tuple[str, ...] = ()
    locked: bool = False
    """Take the packages of the project's own lock file, which has to be up to date."""
    source: Source | None = None
    """The source, where it is known already: that of the enclosing run."""
    project: Project | None = None
    """The project in it, where it is read already."""
    steps: Mapping[str, str] | None = None
    """Of a step of a pipeline: what its references to earlier steps stand for."""
    step_folders: Mapping[str, str] = field(default_factory=dict)
    """The artifact directories of those steps, by name."""
    lock: Lock | None = None
    """The lock, where it is known already: that of the run which is repeated."""


def start(
    options: RunOptions,
    *,
    notify: Callable[[str], None],
    synchronous: bool = True,
    streams: Streams | None = None,
    show_progress: bool = False,
    announce: Callable[[Prepared], None] = lambda _: None,
    begun: Callable[[SubmittedRun], None] = lambda _: None,
) -> ProjectRun:
    """Run an entry point: ``announce`` is called when all is ready, ``begun`` when the run has an id."""
    return _submit(
        lambda home: prepare_run(options, home=home, notify=notify),
        options,
        notify=notify,
        synchronous=synchronous,
        streams=streams,
        show_progress=show_progress,
        announce=announce,
        begun=begun,
    )


def execute_plan(
    plan: Plan,
    directory: Path,
    *,
    options: ExecutionOptions | None = None,
    inputs: Mapping[str, str] | None = None,
    origin: str | None = None,
    steps: Mapping[str, str] | None = None,
    notify: Callable[[str], None],
    streams: Streams | None = None,
    show_progress: bool = False,
    announce: Callable[[Prepared], None] = lambda _: None,
    begun: Callable[[SubmittedRun], None] = lambda _: None,
) -> ProjectRun:
    """Execute a plan that was read back, as a new run, in ``directory``: the top of its tree, restored.

    ``inputs`` says where path parameters lie now (name to path), ``origin`` what the run calls its source, and
    ``steps`` where the artifacts of the steps before it are. Raises a BisError when the plan cannot be executed
    here: an input or secret is missing, or the environment cannot be had.
    """
    chosen = options or ExecutionOptions()
    secrets = _named_variables(chosen)

    def prepare_here(home: Home) -> Prepared:
        project = directory / plan.source.subdirectory
        lock = environments.observe(plan.environment, directory=project, home=home, notify=notify)
        here = plan if lock is plan.environment else replace(plan, environment=lock)
        return prepare_again(here, directory, inputs=inputs, secrets=secrets, origin=origin, steps=steps)

    return _submit(
        prepare_here,
        chosen,
        notify=notify,
        synchronous=True,
        streams=streams,
        show_progress=show_progress,
        announce=announce,
        begun=begun,
    )


def _submit(
    prepare_here: Callable[[Home], Prepared],
    options: ExecutionOptions,
    *,
    notify: Callable[[str], None],
    synchronous: bool,
    streams: Streams | None,
    show_progress: bool,
    announce: Callable[[Prepared], None],
    begun: Callable[[SubmittedRun], None],
) -> ProjectRun:
    """Check where the run is to be recorded, prepare it, make its environment, and hand it to the backend."""
    home = Home.locate()
    home.ensure()
    backend = find_backend(options.backend)
    execution = execution_options(options, streams)
    sweep(home, notify=notify)
    store = open_callers_store(home, notify=notify)
    check_placement(store, execution.placement)
    prepared = prepare_here(home)
    policy = options.reuse or ("yes" if prepared.reuse else "no")
    taken = _taken(prepared, store, home, policy, options)
    if taken is not None:
        begun(taken.submitted)
        return taken
    try:
        environment = environments.realize(
            prepared.lock,
            home=home,
            notify=notify,
            directory=prepared.source.directory,
            show_progress=show_progress,
        )
        announce(prepared)
        executed = Execution(
            prepared,
            environment,
            store=store,
            home=home,
            options=_with_trace(execution, options.trace, policy),
            notify=notify,
        )
        submitted = backend.submit(executed, synchronous=synchronous, begun=begun)
    except BaseException:
        prepared.source.close()
        raise
    return ProjectRun(submitted, prepared, environment, store)


def _taken(
    prepared: Prepared, store: Store, home: Home, policy: Policy, options: ExecutionOptions
) -> ProjectRun | None:
    """The finished run in the place of the one that was prepared, if there is one to take."""
    if policy == "no" or options.run_id is not None:
        return None
    from bis.reuse import find

    decision = find(prepared, store, home, policy)
    if decision.run is None:
        return None
    prepared.source.close()
    return taken_run(decision, prepared, store)


def taken_run(decision: Decision, prepared: Prepared, store: Store) -> ProjectRun:
    """The run that was found, in the place of the one that was prepared."""
    from bis.reuse import TakenRun

    if decision.run is None:
        raise ValueError("no run was found")
    outcome = Outcome(Record.from_dict(decision.record), decision.run)
    return ProjectRun(TakenRun(outcome), prepared, None, store, reused=True)


def _with_trace(execution: Options, trace: Literal["audit", "full"] | None, policy: Policy) -> Options:
    return replace(execution, trace=trace or ("audit" if policy == "no" else "full"))


def prepare_run(options: RunOptions, *, home: Home, notify: Callable[[str], None]) -> Prepared:
    """The plan of a run and what it is made from; nothing is built or recorded."""
    return prepare(request_of(options), home=home, notify=notify)


def request_of(options: RunOptions) -> Request:
    """What of the options decides the plan; raises a BisError for what cannot be read."""
    return Request(
        uri=options.uri,
        entry_point=options.entry_point,
        version=options.version,
        parameters=options.parameters,
        env_manager=options.env_manager,
        as_of=None if options.as_of is None else environments.AsOf.option(options.as_of),
        upgrade=options.upgrade,
        locked=options.locked,
        seed=chosen_seed(options.seed, os.environ),
        level=chosen_level(options.level, os.environ),
        keep=options.keep_env,
        env_file=_named_variables(options),
        container=options.container,
        source=options.source,
        project=options.project,
        steps=options.steps,
        step_folders=options.step_folders,
        lock=options.lock,
    )


def _named_variables(options: ExecutionOptions) -> dict[str, str]:
    """The variables of ``--env-file`` and of ``-A env=``: their values are in no document."""
    named = read_env_file(Path(options.env_file)) if options.env_file else {}
    return {**named, **options.container.secrets}


def read_reuse(value: object) -> Policy | None:
    """Whether to take a finished run: None, True, False, ``yes``, ``no`` or ``always``; raises UsageError."""
    if value is None or isinstance(value, bool):
        return None if value is None else "yes" if value else "no"
    if value in ("no", "yes", "always"):
        return value
    raise UsageError(f"reuse: {value!r} is not yes, no or always")


def read_backend_config(config: Mapping[str, Any] | str | None) -> Mapping[str, Any]:
    """The backend's configuration: a mapping, JSON text, or the path of a ``.json`` file; raises UsageError."""
    if config is None or not isinstance(config, str):
        return config or {}
    import json

    text = config
    if config.endswith(".json"):
        try:
            text = Path(config).read_text(encoding="utf-8")
        except OSError as error:
            raise UsageError(f"cannot read the backend configuration {config}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise UsageError(f"the backend configuration {config} is not UTF-8 text") from error
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"the backend configuration is not JSON: {error}",
            hint="Give a JSON object, or the path of a file whose name ends in .json.",
        ) from None
    if not isinstance(read, dict):
        raise UsageError("the backend configuration is not a JSON object")
    return read


def execution_options(options: ExecutionOptions, streams: Streams | None) -> Options:
    """How to execute, from what the user asked for; raises UsageError for what cannot be taken together."""
    if options.experiment_name is not None and options.experiment_id is not None:
        raise UsageError("give an experiment's name or its id, not both")
    if options.timeout_s is not None and not options.timeout_s > 0:
        raise UsageError(f"{options.timeout_s} s is no time limit", hint="Give a time above 0.")
    named, experiment_id = options.experiment_name, options.experiment_id
    if named is None and experiment_id is None:
        named = os.environ.get("MLFLOW_EXPERIMENT_NAME") or None
        experiment_id = None if named else os.environ.get("MLFLOW_EXPERIMENT_ID") or None
    placement = Placement(
        experiment_name=named,
        experiment_id=experiment_id,
        run_id=options.run_id,
        run_name=options.run_name,
        tags=options.tags,
        parent_run_id=options.parent_run_id or _enclosing_run(),
        backend=options.backend,
    )
    storage = options.storage_dir or os.environ.get("MLFLOW_TMP_DIR")
    return Options(
        placement=placement,
        variables=_named_variables(options),
        timeout_s=options.timeout_s,
        streams=streams or Streams.of_process(),
        storage=Path(storage) if storage else None,
        system_metrics_s=options.system_metrics_s,
        repeats=options.repeats,
        quiet=options.quiet,
        kill_after_s=options.kill_after_s or KILL_AFTER_S,
    )


def _enclosing_run() -> str | None:
    """The run that encloses this one: one of bis, else one that the caller began with MLflow on the same server."""
    mlflow = sys.modules.get("mlflow")
    if "BIS_RUN_ID" in os.environ or mlflow is None:
        return os.environ.get("BIS_RUN_ID")
    active = mlflow.active_run()
    is_here = mlflow.get_tracking_uri() == os.environ.get("MLFLOW_TRACKING_URI")
    return str(active.info.run_id) if active is not None and is_here else None
