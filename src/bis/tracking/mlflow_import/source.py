"""What every place with data of MLflow gives: experiments, runs, points, models, artifacts. It is never written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from bis.tracking.artifact_store import write_all
from bis.tracking.artifacts import ArtifactDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking.artifact_store import ArtifactStore, Target
    from bis.tracking.model import Experiment, FileInfo, Run
    from bis.tracking.registry_model import LoggedModel, ModelVersion, RegisteredModel

Point = tuple[str, int, int, float, int]
"""Key, step, timestamp, value, and 1 for NaN (whose value is 0), as the store keeps it."""

POINTS_IN_BATCH = 50_000
"""Points that are in memory at a time."""

Report = Callable[[str, str], None]
"""Takes what could not be read: where, and what is wrong there."""


@dataclass(frozen=True)
class SourceRun:
    """A run without its metrics; ``points_state`` is another text when these have changed."""

    run: Run
    deleted_time: int | None
    points_state: str


class ArtifactFiles(Protocol):
    """The files of one run or model in the source."""

    def files(self) -> Iterator[FileInfo]:
        """All files, by their path below the root."""
        ...

    def modified(self, path: str) -> float | None:
        """When the file was last written, in seconds since 1970 UTC; None where nobody knows."""
        ...

    def copy(self, path: str, target: Target) -> None:
        """Write the file to the target."""
        ...


class Source(Protocol):
    """A place with data of MLflow, of any version.

    ``name`` is its address without credentials. ``counts_exactly``: it holds no point twice, so that what was read must
    be what is stored afterwards.
    """

    name: str
    counts_exactly: bool

    def experiments(self) -> Iterator[Experiment]: ...
    def run_count(self, experiment_id: str) -> int | None:
        """How many runs the experiment has, where that is cheap to know."""
        ...

    def runs(self, experiment_id: str) -> Iterator[SourceRun]: ...
    def points(self, run: SourceRun) -> Iterator[list[Point]]:
        """The points of all metrics of the run, in batches of ``POINTS_IN_BATCH`` at most."""
        ...

    def logged_models(self, experiment_id: str) -> Iterator[LoggedModel]: ...
    def registered_models(self) -> Iterator[RegisteredModel]: ...
    def versions(self, name: str) -> Iterator[ModelVersion]: ...
    def artifacts_of_run(self, run: Run) -> ArtifactFiles:
        """The artifacts of the run. Raises TrackingError when they cannot be reached."""
        ...

    def artifacts_of_model(self, model: LoggedModel) -> ArtifactFiles: ...
    def left_out(self) -> Iterator[str]:
        """What the source has and an import does not take, in words."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class StoredFiles:
    """The files below the root of an artifact store."""

    store: ArtifactStore

    def files(self) -> Iterator[FileInfo]:
        """All files."""
        return self.store.files()

    def modified(self, path: str) -> float | None:
        """When a file on this disk was last written."""
        if not isinstance(self.store, ArtifactDirectory):
            return None
        with self.store.open(path) as file:
            return file.modified

    def copy(self, path: str, target: Target) -> None:
        """Write the file to the target."""
        with self.store.open(path) as file:
            write_all(file.chunks(), target)
