"""The run in the tracking store: begun before the command starts, and ended whatever happens."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.execution.kept_artifacts import artifact_words
from bis.plans.reuse_key import reuse_key
from bis.tracking import Param, RunStatus, Tag, tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from bis.execution.record import Record
    from bis.home import Home
    from bis.plans import Prepared
    from bis.sources import Source
    from bis.tracking import Run, Store

DEFAULT_EXPERIMENT = "0"


@dataclass(frozen=True)
class Placement:
    """Where a run is recorded, and under which name; as the options of ``mlflow run`` say it."""

    experiment_name: str | None = None
    experiment_id: str | None = None
    run_id: str | None = None
    """A run to go on with instead of a new one (``--run-id``)."""
    run_name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    parent_run_id: str | None = None
    backend: str = "local"


class TrackedRun:
    """One run of one store, from its creation to its end."""

    def __init__(self, store: Store, run_id: str, experiment_id: str, started_ms: int) -> None:
        self.store = store
        self.run_id = run_id
        self.experiment_id = experiment_id
        self.started_ms = started_ms
        self._late_params: tuple[Param, ...] = ()

    @classmethod
    def begin(cls, store: Store, prepared: Prepared, placement: Placement, *, wanted_id: str) -> TrackedRun:
        """Create the run (or take up the one that ``placement`` names), with its tags, parameters and plan.

        ``wanted_id`` becomes its id in a store that lets its caller choose.
        """
        started_ms = time.time_ns() // 1_000_000
        words = _tags(prepared, placement)
        if placement.run_id is not None:
            known = store.run(placement.run_id)
            info = known.info
            if tags.PARENT in known.tags or placement.parent_run_id == info.run_id:
                words.pop(tags.PARENT, None)  # who began it knows where it belongs
            store.update_run(info.run_id, status=RunStatus.RUNNING)
            tracked = cls(store, info.run_id, info.experiment_id, started_ms)
            store.log_batch(info.run_id, tags=[Tag(key, value) for key, value in words.items()])
        else:
            info = store.create_run(
                find_experiment(store, placement),
                name=placement.run_name,
                user_id=words["mlflow.user"],
                start_time=started_ms,
                tags=[Tag(key, value) for key, value in words.items()],
                run_id=wanted_id,
            ).info
            tracked = cls(store, info.run_id, info.experiment_id, started_ms)
        return tracked

    def describe(
        self,
        prepared: Prepared,
        downloaded: Mapping[str, str],
        home: Home,
        notify: Callable[[str], None],
    ) -> None:
        """Log the parameters and attach plan and lock; the source too, where the store is not the home's own.

        A server that is not ours refuses a script's own value when it differs from ours in its text alone (0.10
        and 0.1): there, the parameters that the script did not log itself are logged at the end.
        """
        local = {**prepared.plan.local, **downloaded}
        params = tuple(
            Param(key, value, received_as=local.get(key)) for key, value in prepared.plan.parameters.items()
        )
        if is_remote(self.store):
            self._late_params = params
        else:
            self.store.log_batch(self.run_id, params=params, origin="bis")
        self.store.log_text(self.run_id, prepared.plan.to_json() + "\n", "bis/plan.json")
        packages = prepared.lock.requirements + prepared.lock.unhashed
        if packages:
            self.store.log_text(self.run_id, packages, "bis/lock.txt")
        if prepared.lock.conda:
            self.store.log_text(self.run_id, prepared.lock.conda, "bis/conda-lock.yml")
        if is_remote(self.store):
            from bis.execution.attached_source import attach_source

            attach_source(self.store, self.run_id, prepared.plan.source, home, notify=notify)

    def end(self, record: Record, log: Path) -> Run:
        """Write how it ended, keep its log and record, and give back the run as the store has it."""
        status = RunStatus(record.status)
        run = self.store.run(self.run_id)
        if status is RunStatus.FINISHED and run.info.status in (RunStatus.FAILED, RunStatus.KILLED):
            status = run.info.status  # the script said so itself, and its command ended well
        self._log_late_params(run)
        self._keep(record, log)
        ending = [Tag(tags.DURATION, f"{record.duration_s:.3f}")]
        kept = artifact_words(self.store, self.run_id)
        if kept is not None:
            ending.append(Tag(tags.ARTIFACTS, kept))
        if record.exit_code is not None:
            ending.append(Tag(tags.EXIT_CODE, str(record.exit_code)))
        self.store.log_batch(self.run_id, tags=ending)
        self.store.update_run(self.run_id, status=status, end_time=record.ended_ms)
        return self.store.run(self.run_id)

    def fail(self) -> None:
        """Mark the run FAILED: bis itself could not go on."""
        self.store.update_run(self.run_id, status=RunStatus.FAILED, end_time=time.time_ns() // 1_000_000)

    def _log_late_params(self, run: Run) -> None:
        missing = [param for param in self._late_params if param.key not in run.params]
        if missing:
            self.store.log_batch(self.run_id, params=missing, origin="bis")

    def _keep(self, record: Record, log: Path) -> None:
        self.store.log_text(self.run_id, record.to_json(), "bis/record.json")
        if log.exists():
            self.store.log_artifact(self.run_id, log, "bis")


def is_remote(store: Store) -> bool:
    """Whether the store is a server of the caller's, and not the home's own."""
    return store.uri.startswith(("http://", "https://"))


def check_placement(store: Store, placement: Placement) -> None:
    """Raise what is wrong with the store, or with the experiment or run that is asked for, before anything is built."""
    if placement.run_id is not None:
        store.run(placement.run_id)
    elif placement.experiment_name is not None:
        store.experiment_named(placement.experiment_name)
    else:
        store.experiment(placement.experiment_id or DEFAULT_EXPERIMENT)


def find_experiment(store: Store, placement: Placement) -> str:
    """The experiment's id; one named but absent is made, one asked for by id must be there."""
    if placement.experiment_name is not None:
        found = store.experiment_named(placement.experiment_name)
        if found is None:
            return store.create_experiment(placement.experiment_name)
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"the experiment {found.name!r} is deleted", hint="Restore it, or use another name."
            )
        return found.experiment_id
    return store.experiment(placement.experiment_id or DEFAULT_EXPERIMENT).experiment_id


def _tags(prepared: Prepared, placement: Placement) -> dict[str, str]:
    """The tags of MLflow's projects, and bis's own: what pins the run."""
    plan = prepared.plan
    named = {
        **project_tags(prepared.source, plan.entry_point, placement),
        "mlflow.project.env": prepared.lock.manager,
        tags.PLAN_DIGEST: plan.digest,
        tags.REUSE_KEY: reuse_key(plan, prepared.steps),
        tags.LOCK_DIGEST: prepared.lock.digest,
        **({tags.PYTHON: prepared.lock.python} if prepared.lock.python else {}),
    }
    if prepared.steps:
        named[tags.STEPS] = json.dumps(dict(prepared.steps), sort_keys=True)
    return {**named, **placement.tags}


def project_tags(source: Source, entry_point: str, placement: Placement) -> dict[str, str]:
    """The tags of MLflow's projects, and the tree: what ran, and for whom."""
    optional = {
        "mlflow.source.git.commit": source.commit,
        "mlflow.source.git.repoURL": source.repo_url,
        "mlflow.source.git.branch": source.branch,
        "mlflow.source.git.dirty": str(source.dirty).lower() if source.commit else None,
        tags.PARENT: placement.parent_run_id,
        "mlflow.runName": placement.run_name,
        tags.SOURCE_TREE: source.tree,
    }
    return {
        "mlflow.user": user_name(),
        "mlflow.source.name": source.name,
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": entry_point,
        "mlflow.project.backend": placement.backend,
        **{key: value for key, value in optional.items() if value},
    }


def user_name() -> str:
    """The caller's name, as ``getpass.getuser`` finds it, or ``unknown`` where the system has none."""
    import os

    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        if os.environ.get(name):
            return os.environ[name]
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "unknown"
