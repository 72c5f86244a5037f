"""A run as it was recorded: everything that a comparison and the search for causes need, read from a store."""

from __future__ import annotations

import json
import weakref
from array import array
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from bis.repeat.comparison.volatile import RunWords
from bis.repeat.recorded_files import DownloadedContent, by_prefix, files_of, logged_models, remove
from bis.tracking.families import step_folders

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from bis.plans import Plan
    from bis.repeat.comparison.artifacts import AbsentContent
    from bis.repeat.recorded_files import Content
    from bis.tracking import Run, Store
    from bis.tracking.registry_model import LoggedModel

OWN_FOLDER = "bis/"
"""Where bis keeps its own artifacts of a run: plan, lock, record, source and log."""


@dataclass(frozen=True)
class History:
    """The points of one metric by step and time: ``steps[i]`` belongs to ``values[i]``."""

    steps: array[int]
    values: array[float]

    @classmethod
    def of(cls, *values: float, steps: tuple[int, ...] | None = None) -> History:
        """A history of these values, at the steps 0, 1, 2 … when none are given."""
        return cls(array("q", range(len(values)) if steps is None else steps), array("d", values))


@dataclass(frozen=True)
class OutputFile:
    """A file of the project's directory that the run wrote."""

    path: str
    size_bytes: int | None
    sha256: str | None
    stored_as: str | None = None
    """The artifact that holds its content, where it is kept."""


@dataclass(frozen=True)
class RecordedRun:
    """A run with all that is known of it. ``load`` reads one from a store; close it, or use it in a ``with``."""

    run: Run
    plan_text: str | None = None
    record: Mapping[str, Any] | None = None
    histories: Mapping[str, History] = field(default_factory=dict)
    artifacts: Mapping[str, Content | AbsentContent] = field(default_factory=dict)
    """The run's own artifacts and those of its logged models (``models/NAME/...``), without bis's."""
    own: Mapping[str, Content] = field(default_factory=dict)
    """What bis keeps of the run: ``bis/plan.json``, ``bis/record.json``, …"""
    location: str = ""
    """The address of its artifacts, as scripts see it."""
    notes: tuple[str, ...] = ()
    """What could not be read, and why."""
    relatives: tuple[str, ...] = ()
    """The ids of the runs around it and inside it, which no other run has."""

    @classmethod
    def load(cls, store: Store, run_id: str) -> RecordedRun:
        """Read the run with this id. Raises RunNotFoundError; what else is missing is None, or said in ``notes``."""
        run, notes = store.run(run_id), list[str]()
        models = by_prefix(logged_models(store, run, notes=notes))
        files, directory = files_of(store, run, models, notes)
        own = {name: content for name, content in files.items() if name.startswith(OWN_FOLDER)}
        loaded = cls(
            run=run,
            plan_text=_text(own, "bis/plan.json"),
            record=_document(own, "bis/record.json", notes),
            histories={metric.key: _history(store, run_id, metric.key) for metric in run.metrics},
            artifacts={
                **{name: content for name, content in files.items() if name not in own},
                **_absent(own, models),
            },
            own=own,
            location=store.artifact_location(run_id),
            notes=tuple(notes),
        )
        if directory is not None:
            weakref.finalize(loaded, remove, directory)
        return loaded

    def close(self) -> None:
        """Remove what was downloaded to read the run."""
        for content in [*self.artifacts.values(), *self.own.values()]:
            if isinstance(content, DownloadedContent):
                remove(content.directory)
                return

    def __enter__(self) -> RecordedRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.info.run_id

    @cached_property
    def plan(self) -> Plan | None:
        """The plan; None for a run that bis did not make. Raises BisError for one of a later format."""
        if self.plan_text is None:
            return None
        from bis.plans import Plan

        return Plan.from_json(self.plan_text)

    @cached_property
    def plan_document(self) -> Mapping[str, Any]:
        """The plan as JSON types, of whatever format; empty when there is none that can be read."""
        try:
            document = json.loads(self.plan_text or "{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def places_of(self, run_id: str) -> set[str]:
        """Where the plan has the artifacts of another run: in a home that may have been another one, or has moved."""
        document = self.plan_document
        values = [document.get("parameters"), (document.get("inputs") or {}).get("local")]
        found = set()
        for text in (str(text) for each in values if isinstance(each, dict) for text in each.values()):
            before, artifacts, _ = text.partition(f"/{run_id}/artifacts")
            if artifacts and before.startswith("/"):
                found.add(before + artifacts)
        return found

    @cached_property
    def words(self) -> RunWords:
        """What only this run has, and no other may be blamed for not having."""
        info = self.run.info
        words = {info.run_id, info.artifact_uri, self.location, self.directory, *self.relatives}
        for run_id in self.relatives:
            words.update(self.places_of(run_id))
        for folder in step_folders(self.run).values():  # of a pipeline before, when the step was reused
            words.update((folder, PurePosixPath(folder).parent.name))
        if len(info.name) >= 8:  # MLflow draws names like merry-fox-123; a short one may be any word
            words.add(info.name)
        return RunWords(tuple(sorted((word for word in words if len(word) > 3), key=len, reverse=True)))

    @property
    def directory(self) -> str:
        """The directory in which the command ran; empty when it is not known."""
        return str((self.record or {}).get("directory") or "")

    @property
    def root(self) -> Path | None:
        """The top of the source in which it ran, whether it is still there or not; None when it is not known."""
        if not self.directory:
            return None
        depth = len(Path(str((self.plan_document.get("source") or {}).get("subdirectory") or "")).parts)
        directory = Path(self.directory)
        return directory.parents[depth - 1] if depth and depth <= len(directory.parents) else directory

    @cached_property
    def output_files(self) -> tuple[OutputFile, ...]:
        """The files of the project's directory that the run wrote, by path."""
        entries = (self.record or {}).get("files") or ()
        found = [
            OutputFile(
                self.relative(str(entry["path"])),
                entry.get("size"),
                entry.get("sha256"),
                entry.get("stored_as"),
            )
            for entry in entries
            if entry.get("access") == "written" and entry.get("place") == "output"
        ]
        return tuple(sorted(found, key=lambda file: file.path))

    def relative(self, path: str) -> str:
        """The path from the run's directory, where it lies below it."""
        return path.removeprefix(self.directory.rstrip("/") + "/") if self.directory else path


def _absent(own: Mapping[str, Content], models: Mapping[str, LoggedModel]) -> dict[str, AbsentContent]:
    """The artifacts that the run's capsule did not hold, by name."""
    from bis.repeat.capsule.layout import ABSENT, absent_from_json, artifact_of, file_of_model
    from bis.repeat.comparison.artifacts import AbsentContent

    text = _text(own, f"{OWN_FOLDER}{ABSENT}")
    if text is None:
        return {}
    prefixes = {model.model_id: prefix for prefix, model in models.items()}
    found = {}
    for file in absent_from_json(text):
        content = AbsentContent(file.size_bytes, file.sha256)
        artifact, of_model = artifact_of(file.path), file_of_model(file.path)
        if artifact is not None and not artifact.startswith(OWN_FOLDER):
            found[artifact] = content
        elif of_model is not None and of_model[0] in prefixes:
            found[prefixes[of_model[0]] + of_model[1]] = content
    return found


def _history(store: Store, run_id: str, key: str) -> History:
    from bis.tracking.sql_store import SqlStore

    if isinstance(store, SqlStore):  # without an object for each of a million points
        points = store.metric_points(run_id, key)
    else:
        points = [(point.step, point.value) for point in store.metric_history(run_id, key).items]
    return History(array("q", [step for step, _ in points]), array("d", [value for _, value in points]))


def _text(own: Mapping[str, Content], name: str) -> str | None:
    if name not in own:
        return None
    with own[name].open() as file:
        return file.read().decode("utf-8", "surrogateescape")


def _document(own: Mapping[str, Content], name: str, notes: list[str]) -> Mapping[str, Any] | None:
    text = _text(own, name)
    if text is None:
        return None
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict) or not _names_files(document.get("files") or []):
        notes.append(f"{name} cannot be read")
        return None
    return document


def _names_files(entries: object) -> bool:
    return isinstance(entries, list) and all(isinstance(each, dict) and "path" in each for each in entries)
