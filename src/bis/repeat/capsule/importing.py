"""Takes a capsule into the home: its run into the store, its source among the snapshots. Nothing of it is executed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bis.errors import BisError, RunNotFoundError, SourceError, TrackingError
from bis.execution.tracked import DEFAULT_EXPERIMENT
from bis.liveness import Owner, RunningDirectory
from bis.plans import Plan
from bis.repeat.capsule.layout import (
    ABSENT,
    LOCK,
    MANIFEST,
    PLAN,
    RECORD,
    RUN,
    SOURCE,
    CapsuleError,
    PackedFile,
    absent_to_json,
    artifact_of,
    file_of_model,
    member_of_model,
    sha256_of_bytes,
)
from bis.repeat.capsule.reading import OpenCapsule, open_capsule
from bis.repeat.capsule.run_document import RunDocument
from bis.tracking import ModelLink, Param, Tag, tags
from bis.tracking.families import family, label_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.home import Home
    from bis.repeat.capsule.run_document import PackedModel
    from bis.tracking import Run, Store
    from bis.tracking.sql_store import SqlStore

_METRICS_AT_ONCE = 50_000


@dataclass(frozen=True)
class ImportedCapsule:
    """A run that was taken in."""

    run_id: str
    """Its id here: the one it had, unless another run has that."""
    original_run_id: str
    plan: Plan | None
    """None for a run that bis did not make: it can be compared and not executed."""
    tree: str | None
    """The snapshot, which is among those of the home now."""
    must_consent: bool
    """Whether it came from elsewhere and nobody has said yes: its code is not to be executed."""
    was_here: bool
    """Whether this very capsule had been taken in before."""
    is_pipeline: bool = False
    """Whether its steps, which are runs of their own, are what is executed again."""
    inside: int = 0
    """How many runs inside it came with it."""


@dataclass(frozen=True)
class _Checked:
    """What a capsule says of a run, held against each other."""

    capsule: OpenCapsule
    identity: str
    run: RunDocument
    plan: Plan | None
    plan_text: str | None


def import_capsule(home: Home, file: Path, *, trusted: bool = False) -> ImportedCapsule:
    """Check a capsule whole, then record its run in the home's own store, tagged ``bis.capsule``.

    ``trusted`` is the user's word that its code may be executed. Raises CapsuleError for a capsule that is damaged or
    not what it says; then nothing of it is recorded.
    """
    from bis.tracking.sql_store import open_sql_store

    with open_capsule(file) as capsule:
        checked, *inside = [_check(each) for each in (capsule, *capsule.inside())]
        tree = _take_source(checked, home)
        for each in inside:
            _take_source(each, home)
        home.ensure()
        store = open_sql_store(home.database, home.artifacts)
        try:
            known = _find_earlier(store, checked)
            is_own = _is_own(store, checked)
            was_here = known is not None
            run = known or _take_in(store, home, checked, inside)
            if trusted or is_own:
                consent(store, run)
                run = store.run(run.info.run_id)
        finally:
            store.close()
    return ImportedCapsule(
        run.info.run_id,
        checked.run.run_id,
        checked.plan,
        tree,
        must_consent(run),
        was_here,
        is_pipeline=tags.PIPELINE in run.tags,
        inside=len(inside),
    )


def must_consent(run: Run) -> bool:
    """Whether a run came in a capsule from elsewhere, and the user has not said that it may be executed."""
    return tags.CAPSULE in run.tags and run.tags.get(tags.CAPSULE_TRUSTED) != "true"


def consent(store: Store, run: Run) -> None:
    """Keep the user's word that the code of an imported run, and of those inside it, may be executed."""
    for each in (run, *(inner.run for inner in family(store, run).descendants())):
        if must_consent(each):
            store.set_tag(each.info.run_id, tags.CAPSULE_TRUSTED, "true")


def _check(capsule: OpenCapsule) -> _Checked:
    """Read the documents; raise CapsuleError when one contradicts another."""
    run = RunDocument.from_json(capsule.read(RUN))
    text = capsule.plan_text()
    plan = None if text is None else _read_plan(text)
    if run.run_id != capsule.manifest.run_id:
        raise _lie("its manifest and its run have two ids")
    if plan is not None:
        _check_plan(capsule, plan, run)
    return _Checked(capsule, sha256_of_bytes(capsule.read(MANIFEST)), run, plan, text)


def _read_plan(text: str) -> Plan:
    try:
        return Plan.from_json(text)
    except BisError as error:
        raise CapsuleError(
            f"the plan of this capsule cannot be read: {error.message}", hint=error.hint
        ) from error


def _check_plan(capsule: OpenCapsule, plan: Plan, run: RunDocument) -> None:
    promised = run.tags.get(tags.PLAN_DIGEST, plan.digest)
    if plan.digest != promised:
        raise _lie("its plan is not the one of its run")
    lock = plan.environment.requirements + plan.environment.unhashed
    if LOCK in capsule and capsule.read(LOCK).decode("utf-8") != lock:
        raise _lie("its lock is not the one of its plan")
    if RECORD in capsule and _recorded_digest(capsule.read(RECORD)) not in (None, plan.digest):
        raise _lie("its record is of another plan")


def _recorded_digest(record: bytes) -> str | None:
    try:
        digest = json.loads(record).get("plan_digest")
    except (ValueError, AttributeError) as error:
        raise _lie("its record cannot be read") from error
    return None if digest is None else str(digest)


def _lie(what: str) -> CapsuleError:
    return CapsuleError(
        f"this capsule is not what it says: {what}",
        hint="It was changed after it was made. Ask for it again where it came from.",
    )


def _take_source(checked: _Checked, home: Home) -> str | None:
    """Put the snapshot into the store of the home; its tree is computed anew and has to be the plan's.

    A run that has the source of one before it comes without.
    """
    if checked.plan is None:
        return None
    from bis.sources.packs import unpack
    from bis.sources.restoring import has_snapshot

    if SOURCE not in checked.capsule:
        tree = checked.plan.source.tree
        return tree if tree is not None and has_snapshot(tree, home) else None
    try:
        with checked.capsule.stream(SOURCE) as stream:
            tree = unpack(home, stream)
    except SourceError as error:
        raise CapsuleError(f"this capsule is refused: {error.message}", hint=error.hint) from error
    if tree != checked.plan.source.tree:
        raise _lie("its source is not the one of its plan")
    return tree


def _find_earlier(store: Store, checked: _Checked) -> Run | None:
    """The run of an earlier import of the same capsule."""
    text = f"tags.`{tags.CAPSULE}` = '{checked.identity}'"
    found = store.search_runs(filter=text, max_results=1).items
    return store.run(found[0].info.run_id) if found else None


def _is_own(store: Store, checked: _Checked) -> bool:
    """Whether the run was made here: what would be executed is what was executed here before."""
    run, plan = _run_here(store, checked.run.run_id), checked.plan
    if run is None or plan is None:
        return False
    return tags.CAPSULE not in run.tags and run.tags.get(tags.PLAN_DIGEST) == plan.digest


def _take_in(store: SqlStore, home: Home, checked: _Checked, inside: list[_Checked]) -> Run:
    """Make the run, after those inside it. Of these, the ones that are here already count as taken in their place."""
    run_id = checked.run.run_id
    for each in (checked, *inside):
        _remove_unfinished(store, each.run.run_id)
    wanted = run_id if _run_here(store, run_id) is None else os.urandom(16).hex()
    taken: dict[str, str] = {}
    for each in inside:
        here = _already_here(store, each)
        if here is None:
            parent = each.run.tags.get(tags.PARENT)
            renamed = {tags.PARENT: wanted} if parent == run_id else {}
            _record(store, home, each, each.run.run_id, renamed)
        elif here.tags.get(tags.PARENT) == run_id != wanted:
            taken[tags.REUSED + label_of(here)] = here.info.run_id
    return _record(store, home, checked, wanted, taken)


def _remove_unfinished(store: SqlStore, run_id: str) -> None:
    """Remove what an import that was cut short has left of a run."""
    from bis.tracking.deletion import Deletion

    run = _run_here(store, run_id)
    if run is not None and tags.IMPORT_UNFINISHED in run.tags:
        store.delete_run(run_id)
        for _ in Deletion(store).run(run_id):
            pass


def _already_here(store: SqlStore, checked: _Checked) -> Run | None:
    """The same run, if the store has it. Raises CapsuleError when the store has another one with its id."""
    run = _run_here(store, checked.run.run_id)
    if run is None:
        return None
    same = (run.info.start_time, run.tags.get(tags.PLAN_DIGEST))
    if same != (checked.run.start_time, checked.run.tags.get(tags.PLAN_DIGEST)):
        raise _lie(f"a run inside it has the id {run.info.run_id[:8]}, which another run has here")
    return run


def _record(store: SqlStore, home: Home, checked: _Checked, wanted: str, changes: Mapping[str, str]) -> Run:
    """Make the run with the id ``wanted``, and some tags changed.

    Cut short, it is one that a later bis marks FAILED and the next import removes, and never looks like the original.
    """
    document = checked.run
    running = RunningDirectory.create(home)
    try:
        running.belong_to(Owner(wanted, None))
        models = {model.model_id: _free_id(store, model.model_id) for model in document.models}
        _stage(checked, running.path, models)
        store.create_run(
            _experiment(store, document.experiment),
            name=document.name,
            user_id=document.user_id,
            start_time=document.start_time,
            run_id=wanted,
            tags=[Tag(tags.IMPORT_UNFINISHED, "true")],
        )
        try:
            _fill(store, wanted, checked, running.path, models, changes)
        except BaseException:
            store.delete_run(wanted)
            raise
    finally:
        running.close()
    return store.run(wanted)


def _stage(checked: _Checked, directory: Path, models: Mapping[str, str]) -> None:
    """Unpack the artifacts, and the files of the models below the ids that they are to have, aside."""
    from bis.tracking.artifact_store import copy
    from bis.tracking.artifacts import ArtifactDirectory

    artifacts, of_models = (ArtifactDirectory(directory / name) for name in (_ARTIFACTS, _MODELS))
    try:
        for file in checked.capsule.manifest.files:
            path, of_model = artifact_of(file.path), file_of_model(file.path)
            if of_model is not None and of_model[0] in models:
                target, path = of_models, f"{models[of_model[0]]}/{of_model[1]}"
            elif path is None or file.path in (SOURCE, PLAN):
                continue  # the snapshots have the source
            else:
                target = artifacts
            with checked.capsule.stream(file.path) as source, target.writing(path) as place:
                copy(source, place)
        if checked.plan_text is not None:
            artifacts.write(f"bis/{PLAN}", checked.plan_text.encode())
        absent = [_renamed(file, models) for file in checked.capsule.manifest.absent]
        if absent:
            artifacts.write(f"bis/{ABSENT}", absent_to_json(absent).encode())
    except TrackingError as error:
        raise CapsuleError(f"this capsule is refused: {error.message}", hint=error.hint) from error


_ARTIFACTS, _MODELS = "artifacts", "models"


def _renamed(file: PackedFile, models: Mapping[str, str]) -> PackedFile:
    """The file below the id that its model has here."""
    of_model = file_of_model(file.path)
    if of_model is None:
        return file
    return replace(file, path=member_of_model(models.get(of_model[0], of_model[0]), of_model[1]))


def _fill(
    store: SqlStore,
    run_id: str,
    checked: _Checked,
    directory: Path,
    models: Mapping[str, str],
    changes: Mapping[str, str],
) -> None:
    document = checked.run
    if (directory / _ARTIFACTS).is_dir():
        store.log_artifact(run_id, directory / _ARTIFACTS)
    params = [Param(key, value) for key, value in document.params.items()]
    store.log_batch(run_id, params=params, origin="bis")
    for start in range(0, len(document.metrics), _METRICS_AT_ONCE):
        store.log_batch(run_id, metrics=document.metrics[start : start + _METRICS_AT_ONCE])
    if document.datasets:
        store.log_inputs(run_id, document.datasets)
    for model in document.models:
        _add_model(store, run_id, model, models[model.model_id], directory / _MODELS)
    ours = (tags.CAPSULE, tags.CAPSULE_TRUSTED)
    kept = {**{key: value for key, value in document.tags.items() if key not in ours}, **changes}
    words = [Tag(key, value) for key, value in kept.items()]
    store.log_batch(run_id, tags=[*words, Tag(tags.CAPSULE, checked.identity)])
    store.update_run(run_id, status=document.status, end_time=document.end_time)
    store.delete_tag(run_id, tags.IMPORT_UNFINISHED)


def _add_model(store: SqlStore, run_id: str, model: PackedModel, model_id: str, staged: Path) -> None:
    made = store.create_logged_model(
        store.run(run_id).info.experiment_id,
        name=model.name,
        model_type=model.model_type,
        source_run_id=run_id,
        params=[Param(key, value) for key, value in model.params.items()],
        tags=[Tag(key, value) for key, value in model.tags.items()],
        model_id=model_id,
    )
    if (staged / model_id).is_dir():
        store.served_directory(made.artifact_uri).add(staged / model_id, "")
    store.log_outputs(run_id, [ModelLink(model_id, model.step)])
    store.log_batch(run_id, metrics=[replace(point, model_id=model_id) for point in model.metrics])
    store.finish_logged_model(model_id, model.status)


def _free_id(store: SqlStore, model_id: str) -> str:
    """That id, or another one when a model has it."""
    try:
        store.logged_model(model_id)
    except TrackingError:
        return model_id
    return f"m-{os.urandom(16).hex()}"


def _run_here(store: Store, run_id: str) -> Run | None:
    try:
        return store.run(run_id)
    except RunNotFoundError:
        return None


def _experiment(store: Store, name: str) -> str:
    """The experiment of that name, made when there is none; the default one when it was deleted here."""
    found = store.experiment_named(name)
    if found is None:
        return store.create_experiment(name)
    return found.experiment_id if found.lifecycle_stage == "active" else DEFAULT_EXPERIMENT
