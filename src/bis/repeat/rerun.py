"""Executes the plan of a recorded run again, and holds the two results against each other."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bis import runs
from bis.errors import NotRepeatableError, RunNotFoundError, SourceError, UsageError
from bis.execution import read_env_file
from bis.execution.attached_source import SOURCE
from bis.plans import with_level, with_parameters
from bis.plans.again import check_secrets, planned_source, with_steps
from bis.plans.checkout import fetch_snapshot
from bis.plans.gone import said_when_gone
from bis.plans.places import fresh_place, unique_name
from bis.repeat.capsule import must_consent
from bis.repeat.comparison import Tolerance
from bis.repeat.families import compare_trees
from bis.repeat.inputs import (
    by_parameter,
    check_inputs,
    inputs_inside,
    is_of_step,
    packed_inputs,
    to_be_placed,
)
from bis.repeat.placing import make_folders, place_inputs
from bis.repeat.recorded import RecordedRun
from bis.sources import packs, restore
from bis.sources.restoring import has_snapshot
from bis.tracking import tags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.backends.submitted import SubmittedRun
    from bis.execution import Streams
    from bis.home import Home
    from bis.plans import Level, Plan, Prepared
    from bis.projects import EntryPoint
    from bis.repeat.comparison import Comparison
    from bis.sources import Source
    from bis.tracking import Store

SOURCE_PACK = f"bis/{SOURCE}"
"""The artifact that holds the snapshot of a run, where the store that keeps the run is not the home's own."""


@dataclass(frozen=True)
class RerunOptions:
    """How to execute a run again."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    """Other values of some parameters: the same run with a change."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Where inputs lie now: name of a path parameter, or recorded path, to path."""
    allow_changed_inputs: bool = False
    keep: bool = False
    """Keep the directory in which it ran."""
    env_file: str | None = None
    timeout_s: float | None = None
    tolerance: Tolerance = field(default_factory=Tolerance)
    level: Level | None = None
    """Another level of determinism than the run had."""
    quiet: bool = False
    """Say nothing of the runs that its script starts."""


@dataclass(frozen=True)
class Place:
    """Where a run belongs that repeats a step of a pipeline."""

    parent_run_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, str] = field(default_factory=dict)
    """The artifact directories of the earlier steps, by name."""
    values: Callable[[EntryPoint], Mapping[str, tuple[str, str]]] | None = None
    """What its references to earlier steps stood for and stand for now: see ``plans.again.with_steps``."""


@dataclass(frozen=True)
class Repetition:
    """A run, the run that repeated it, and how they compare."""

    original: RecordedRun
    repeated: RecordedRun
    comparison: Comparison
    directory: Path | None
    """Where it ran, when that was kept."""
    changed_inputs: tuple[str, ...]


def rerun(
    original: RecordedRun,
    options: RerunOptions,
    *,
    store: Store,
    home: Home,
    notify: Callable[[str], None],
    streams: Streams | None = None,
    show_progress: bool = False,
    announce: Callable[[Prepared], None] = lambda _: None,
) -> Repetition:
    """Restore the snapshot of ``original`` into a fresh directory, execute its plan there, and compare.

    The runs inside it are repeated by what it executes; they are compared with those of the original. Raises
    NotRepeatableError when the run has no plan, or its source, an input or its environment cannot be had;
    UsageError and ParameterError for what is wrong with ``options``.
    """
    if tags.PIPELINE in original.run.tags:
        from bis.repeat.pipelines import rerun_pipeline

        run_id, changed = rerun_pipeline(
            original, options, store=store, home=home, notify=notify, streams=streams
        )
        directory = None
    else:
        again = execute_again(
            original,
            options,
            store=store,
            home=home,
            notify=notify,
            streams=streams,
            show_progress=show_progress,
            announce=announce,
        )
        if again.run.result.record.stopped_by not in (None, "timeout"):
            raise KeyboardInterrupt  # half a result is not held against a whole one
        run_id, changed, directory = again.run.run_id, again.changed_inputs, again.directory
    repeated = RecordedRun.load(store, run_id)
    comparison = compare_trees(original, [repeated], store, options.tolerance)
    return Repetition(original, repeated, comparison, directory, changed)


@dataclass(frozen=True)
class Execution:
    """A run that repeats another, before the two are compared."""

    run: ProjectRun
    directory: Path | None
    changed_inputs: tuple[str, ...]


def execute_again(
    original: RecordedRun,
    options: RerunOptions,
    *,
    store: Store,
    home: Home,
    notify: Callable[[str], None],
    streams: Streams | None = None,
    show_progress: bool = False,
    announce: Callable[[Prepared], None] = lambda _: None,
    begun: Callable[[SubmittedRun], None] = lambda _: None,
    place: Place | None = None,
) -> Execution:
    """Execute the plan of ``original`` in its source, restored; raises as ``rerun`` does.

    ``place`` says where in a pipeline that is repeated it belongs.
    """
    where = place or Place()
    plan = plan_of(original)
    check_consent(original)
    with fresh_place(home, _place_name(original, home), keep=options.keep) as folder:
        found = _find_inputs(original, plan, options, store, folder)
        root = _lay_out(original, plan, found, folder, home, notify)
        inputs = {name: path for name, path in found.given.items() if name not in found.inside}
        if where.values is not None:
            plan = with_steps(plan, root, where.values)
        chosen = with_parameters(plan, options.parameters, root=root, cwd=Path.cwd())
        if options.level is not None:
            chosen = with_level(chosen, options.level)
        with said_when_gone(f"run {original.run_id[:8]}"):
            run = runs.execute_plan(
                chosen,
                root,
                options=runs.ExecutionOptions(
                    experiment_id=original.run.info.experiment_id,
                    tags={tags.RERUN_OF: original.run_id, **where.tags},
                    env_file=options.env_file,
                    timeout_s=options.timeout_s,
                    parent_run_id=where.parent_run_id,
                    quiet=options.quiet,
                    repeats=original.run_id,
                ),
                inputs=inputs,
                origin=original.run.tags.get("mlflow.source.name"),
                steps=where.folders,
                notify=notify,
                streams=streams,
                show_progress=show_progress,
                announce=announce,
                begun=begun,
            )
        return Execution(run, root if options.keep else None, found.changed)


def check_again(
    original: RecordedRun,
    options: RerunOptions,
    *,
    store: Store,
    home: Home,
    notify: Callable[[str], None],
) -> None:
    """Raise now what ``execute_again`` would raise of the user's words and the inputs, and execute nothing."""
    check_consent(original)
    plan = plan_of(original)
    check_secrets(plan, read_env_file(Path(options.env_file)) if options.env_file else {})
    with fresh_place(home, _place_name(original, home)) as folder:
        found = _find_inputs(original, plan, options, store, folder)
        if options.parameters:
            root = folder / "source"
            with said_when_gone(f"run {original.run_id[:8]}"):
                _restore(original, plan, root, home, originals=found.before, notify=notify)
            made = {name: str(root) for name, path in plan.local.items() if is_of_step(original, path)}
            stands = replace(plan, local={**plan.local, **made})
            with_parameters(stands, options.parameters, root=root, cwd=Path.cwd())


@contextlib.contextmanager
def source_again(
    original: RecordedRun, *, store: Store, home: Home, notify: Callable[[str], None]
) -> Iterator[Source]:
    """The source of a run as it was, restored below the home until the block ends.

    For what is executed in it with other words. Raises NotRepeatableError when the source cannot be had, UsageError
    when nobody has said yes to code from elsewhere.
    """
    check_consent(original)
    plan = plan_of(original)
    with fresh_place(home, _place_name(original, home)) as folder:
        found = _find_inputs(original, plan, RerunOptions(allow_changed_inputs=True), store, folder)
        root = _lay_out(original, plan, found, folder, home, notify)
        yield planned_source(plan, root, origin=original.run.tags.get("mlflow.source.name"))


@dataclass(frozen=True)
class _FoundInputs:
    """Where the inputs of a run lie now."""

    before: Path | None
    """The top of its source, where that is still there."""
    given: Mapping[str, str]
    """Those that the user names or that came in its capsule, by the name of the parameter, or their path."""
    inside: Mapping[str, Path]
    """Those that lay in its source and are in no snapshot."""
    changed: tuple[str, ...]


def _find_inputs(
    original: RecordedRun, plan: Plan, options: RerunOptions, store: Store, folder: Path
) -> _FoundInputs:
    """Find the inputs, and bring those that are packed below ``folder``; raises NotRepeatableError."""
    named = by_parameter(plan, options.inputs)
    packed = packed_inputs(original, plan, named, store=store, directory=folder / "inputs")
    given = {**named, **packed}
    before = _original_root(original, store)
    within = inputs_inside(
        original, plan, named, root=before, store=store, directory=folder / "inputs inside"
    )
    changed = check_inputs(original, plan, given, within, allow_changed=options.allow_changed_inputs)
    return _FoundInputs(before, given, within, changed)


def _lay_out(
    original: RecordedRun,
    plan: Plan,
    found: _FoundInputs,
    folder: Path,
    home: Home,
    notify: Callable[[str], None],
) -> Path:
    """Bring the source below ``folder``, with what the run found beside its snapshot; returns the top of it."""
    root = folder / "source"
    with said_when_gone(f"run {original.run_id[:8]}"):
        _restore(original, plan, root, home, originals=found.before, notify=notify)
    make_folders(original, root)
    place_inputs(to_be_placed(original, plan, found.given, found.inside), root)
    return root


def plan_of(original: RecordedRun) -> Plan:
    """The plan of a run; raises NotRepeatableError for a run that bis did not make."""
    plan = original.plan
    if plan is None:
        raise NotRepeatableError(
            f"run {original.run_id[:8]} has no plan: bis did not make it, and nobody wrote down what was executed",
            hint=f"It can be compared: bis diff {original.run_id[:8]} RUN. To have it repeat, run it with bis.",
        )
    return plan


def check_consent(original: RecordedRun) -> None:
    """Raise UsageError for code that came from elsewhere and that nobody has said yes to."""
    if must_consent(original.run):
        raise UsageError(
            f"run {original.run_id[:8]} came in a capsule from elsewhere: executing it runs somebody else's code",
            hint="Look at it with bis show, and say yes with --yes.",
        )


def _place_name(original: RecordedRun, home: Home) -> str:
    """A name with which the source lies at a path as long as that of the run.

    Sets of objects at fixed addresses keep their order where the paths of the program are equally long.
    """
    name = unique_name(original.run_id)
    lacking = len(original.directory) - len(
        f"{home.reruns / name}/source/{_subdirectory(original)}".rstrip("/")
    )
    return name + "-" * min(max(lacking, 0), 150)


def _restore(
    original: RecordedRun,
    plan: Plan,
    root: Path,
    home: Home,
    *,
    originals: Path | None,
    notify: Callable[[str], None],
) -> None:
    tree = plan.source.tree
    if tree is None:
        raise SourceError("its source has no snapshot, because git was missing when it ran")
    missing = restore(
        tree,
        root,
        home,
        originals=originals,
        bring=lambda error: _bring_snapshot(original, plan, tree, home, notify, error),
    )
    if missing:
        names = ", ".join(file.path for file in missing[:5])
        raise SourceError(
            f"{len(missing)} large files were recorded by hash and are not here: {names}",
            hint="Put them back where the run had them.",
        )


def _bring_snapshot(
    original: RecordedRun,
    plan: Plan,
    tree: str,
    home: Home,
    notify: Callable[[str], None],
    error: SourceError,
) -> None:
    """Take the snapshot, which the home has not or not whole, from the run's artifacts, or else from its commit."""
    if SOURCE_PACK not in original.own:
        if has_snapshot(tree, home):
            error = SourceError(
                f"the snapshot {tree[:12]} of its source is damaged ({error.message})",
                hint="A capsule of the run brings it back: bis import FILE.zip",
            )
        fetch_snapshot(plan, home=home, notify=notify, otherwise=error)
        return
    with original.own[SOURCE_PACK].open() as file:
        found = packs.unpack(home, file)
    if found != tree:
        raise SourceError(
            f"the source that is kept with the run is {found}, and not the one that ran ({tree})"
        )


def _original_root(original: RecordedRun, store: Store) -> Path | None:
    """Where files that are in no snapshot may still lie: the top of the source of the run, or of the one it repeats."""
    run_id: str | None = original.run_id
    seen: set[str] = set()
    while run_id and run_id not in seen:
        seen.add(run_id)
        try:
            run = original if run_id == original.run_id else RecordedRun.load(store, run_id)
        except RunNotFoundError:
            return None
        if run.root is not None and os.path.isdir(run.root):  # noqa: PTH112 - False where it may not be looked at
            return run.root
        run_id = run.run.tags.get(tags.RERUN_OF)
    return None


def _subdirectory(original: RecordedRun) -> str:
    return str((original.plan_document.get("source") or {}).get("subdirectory") or "")
