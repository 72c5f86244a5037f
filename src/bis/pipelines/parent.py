"""The run of a pipeline as a whole: its steps are nested under it, and it says at its end what became of them."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any, BinaryIO

from bis.execution.tracked import find_experiment, is_remote, project_tags
from bis.liveness import Owner, RunningDirectory
from bis.pipelines.states import status_of
from bis.tracking import Param, RunStatus, Tag, tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.execution import Placement
    from bis.home import Home
    from bis.pipelines.states import Step
    from bis.sources import Source
    from bis.tracking import Run, Store

DOCUMENT = "bis/pipeline.json"
FORMAT = "bis.pipeline/1"


class PipelineParent:
    """A run of the store, alive as long as this process works on it."""

    def __init__(self, store: Store, run_id: str, running: RunningDirectory) -> None:
        self.run_id = run_id
        self.started_ms = time.time_ns() // 1_000_000
        self._store = store
        self._running = running
        self.log: BinaryIO = running.log.open("wb", buffering=0)

    @classmethod
    def begin(
        cls,
        store: Store,
        home: Home,
        *,
        placement: Placement,
        target: str,
        source: Source,
        parameters: Mapping[str, str],
    ) -> PipelineParent:
        """Make the run, or go on with the one that ``placement`` names."""
        running = RunningDirectory.create(home)
        try:
            uri = store.uri if is_remote(store) else None
            running.belong_to(Owner(placement.run_id or running.token, uri))
            run_id = _begun(
                store,
                placement,
                {**project_tags(source, target, placement), tags.PIPELINE: target, **placement.tags},
                running.token,
            )
            running.belong_to(Owner(run_id, uri))
            store.log_batch(
                run_id, params=[Param(key, value) for key, value in parameters.items()], origin="bis"
            )
        except BaseException:
            running.close()
            raise
        return cls(store, run_id, running)

    def end(self, steps: Mapping[str, Step], stopped_by: str | None, facts: Mapping[str, Any]) -> Run:
        """Write down what became of the steps, and the status of the whole."""
        ended_ms = max(self.started_ms, time.time_ns() // 1_000_000)
        status = "KILLED" if stopped_by not in (None, "timeout") else status_of(steps)
        document = {
            "format": FORMAT,
            **facts,
            "status": status,
            "stopped_by": stopped_by,
            "started_ms": self.started_ms,
            "ended_ms": ended_ms,
            "steps": [step.to_dict() for step in steps.values()],
        }
        try:
            self._store.log_text(self.run_id, json.dumps(document, indent=2) + "\n", DOCUMENT)
            self._store.log_artifact(self.run_id, self._running.log, "bis")
            words = [Tag(tags.DURATION, f"{(ended_ms - self.started_ms) / 1000:.3f}")]
            words += [
                Tag(tags.REUSED + step.name, str(step.run_id))
                for step in steps.values()
                if step.state == "reused"
            ]
            self._store.log_batch(self.run_id, tags=words)
            self._store.update_run(self.run_id, status=RunStatus(status), end_time=ended_ms)
        finally:
            self.close()
        return self._store.run(self.run_id)

    def fail(self) -> None:
        """Mark it FAILED: bis itself could not go on."""
        with contextlib.suppress(Exception):  # what was raised first says more; the next bis will mark it
            self._store.update_run(self.run_id, status=RunStatus.FAILED, end_time=time.time_ns() // 1_000_000)
        self.close()

    def close(self) -> None:
        """Let it go."""
        if not self.log.closed:
            self.log.close()
            self._running.close()


def _begun(store: Store, placement: Placement, words: Mapping[str, str], wanted_id: str) -> str:
    named = [Tag(key, value) for key, value in words.items()]
    if placement.run_id is not None:
        store.update_run(placement.run_id, status=RunStatus.RUNNING)
        store.log_batch(placement.run_id, tags=named)
        return placement.run_id
    return store.create_run(
        find_experiment(store, placement),
        name=placement.run_name,
        user_id=words["mlflow.user"],
        start_time=time.time_ns() // 1_000_000,
        tags=named,
        run_id=wanted_id,
    ).info.run_id
