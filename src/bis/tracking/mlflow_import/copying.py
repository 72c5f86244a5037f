"""The import: what is new or changed in a source goes into a store, run by run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from http.client import HTTPException
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.mlflow_import.summary import Imported, Problem, Progress
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.tracking.artifact_store import ArtifactStore, Target
    from bis.tracking.mlflow_import.destination import Destination, KnownRun
    from bis.tracking.mlflow_import.source import ArtifactFiles, Source, SourceRun
    from bis.tracking.model import Experiment, FileInfo
    from bis.tracking.registry_model import LoggedModel, ModelVersion, RegisteredModel


@dataclass(frozen=True)
class ImportOptions:
    """What is wanted of an import.

    ``experiments``: only those of these names. ``prefix`` goes before the names of experiments and registered models.
    ``artifacts``: where the old server kept what it calls ``mlflow-artifacts:``.
    """

    experiments: tuple[str, ...] = ()
    prefix: str = ""
    artifacts: str | None = None
    with_artifacts: bool = True
    dry_run: bool = False


class Import:
    """One import; ``run`` may be called once."""

    def __init__(
        self,
        source: Source,
        destination: Destination,
        options: ImportOptions,
        result: Imported,
        progress: Callable[[Progress], None],
    ) -> None:
        self._source, self._destination, self._options = source, destination, options
        self._result, self._progress = result, progress

    def run(self) -> None:
        """Copy all that is wanted; a run that cannot be kept is reported and passed over."""
        wanted = [
            experiment
            for experiment in self._source.experiments()
            if not self._options.experiments or experiment.name in self._options.experiments
        ]
        for name in self._options.experiments:
            if name not in [experiment.name for experiment in wanted]:
                raise TrackingError(f"{self._source.name} has no experiment {name!r}")
        for experiment in wanted:
            self._experiment(experiment)
        for experiment in wanted:  # a model may have been measured by a run of another experiment
            for model in self._source.logged_models(experiment.experiment_id):
                self._logged_model(model)
        for registered in self._source.registered_models():
            self._registered_model(registered)
        self._result.left_out += self._source.left_out()

    def _experiment(self, experiment: Experiment) -> None:
        self._result.found.experiments += 1
        name = self._options.prefix + experiment.name
        here = self._destination.experiment_id(name)
        if here is None:
            self._result.copied.experiments += 1
        if not self._options.dry_run:
            here = self._destination.add_experiment(experiment, name)
        self._result.experiments[experiment.experiment_id] = here
        total, before = self._source.run_count(experiment.experiment_id), self._result.found.runs
        for found in self._source.runs(experiment.experiment_id):
            done = self._result.found.runs - before
            self._progress(Progress(experiment.name, done, total, self._result.copied.points))
            try:
                self._run(found, here)
            except RefusedError as error:
                self._pass_over(found, error.message)
        self._progress(
            Progress(experiment.name, self._result.found.runs - before, total, self._result.copied.points)
        )

    def _pass_over(self, found: SourceRun, why: str) -> None:
        self._result.passed_over_runs += 1
        self._result.problems.append(Problem(f"run {found.run.info.run_id}", why))

    def _run(self, found: SourceRun, experiment_id: str | None) -> None:
        run_id, counts = found.run.info.run_id, self._result.found
        counts.runs += 1
        counts.params += len(found.run.params)
        counts.tags += len(found.run.tags)
        counts.datasets += len(found.run.datasets)
        known, digest = self._destination.known_run(run_id), _digest(found)
        if known is not None and known.digest is None and not known.is_unfinished:
            self._pass_over(found, "is in the store already, and did not come from MLflow")
            return
        if known is not None and known.digest == digest:
            self._result.unchanged_runs += 1
            self._artifacts_of_run(found, known)
            return
        if not self._options.dry_run:
            here = known or self._destination.begin_run(found, str(experiment_id))
            self._points(found, here)
            self._artifacts_of_run(found, here)
            self._destination.finish_run(here, found, digest, self._source.name)
        copied = self._result.copied
        copied.runs += 1
        copied.params += len(found.run.params)
        copied.tags += len(found.run.tags)
        copied.datasets += len(found.run.datasets)

    def _points(self, found: SourceRun, here: KnownRun) -> None:
        read = 0
        for batch in self._source.points(found):
            self._destination.add_points(here, batch, {point[0] for point in batch})
            read += len(batch)
        stored = self._destination.point_count(here)
        self._result.found.points += read
        self._result.copied.points += stored
        if stored > read or (self._source.counts_exactly and stored < read):
            what = f"{stored} points are in the store, {read} were read"
            self._result.mismatches.append(Problem(f"run {found.run.info.run_id}", what))
        else:
            self._result.repeated_points += read - stored

    def _artifacts_of_run(self, found: SourceRun, here: KnownRun) -> None:
        self._artifacts(
            f"run {found.run.info.run_id}",
            lambda: self._source.artifacts_of_run(found.run),
            here.artifact_uri,
        )

    def _artifacts(self, owner: str, reach: Callable[[], ArtifactFiles], uri: str) -> None:
        if not self._options.with_artifacts or self._options.dry_run:
            return
        target = self._destination.artifacts(uri)
        try:
            source = reach()
            there = {file.path: file.size_bytes for file in target.files()}
            files = list(source.files())
        except (TrackingError, OSError) as error:
            self._unreachable(owner, error)
            return
        for file in files:
            self._result.found.artifacts += 1
            self._result.found.artifact_bytes += file.size_bytes or 0
            try:
                if there.get(file.path) != file.size_bytes or _is_newer(source, target, file.path):
                    self._artifact(source, target, file)
            except _UnreadableError as error:
                self._unreachable(f"{owner}: {file.path}", error.reason)

    def _artifact(self, source: ArtifactFiles, target: ArtifactStore, file: FileInfo) -> None:
        with target.writing(file.path) as place:
            counted = _Counted(place)
            try:
                source.copy(file.path, counted)
            except (TrackingError, OSError, HTTPException) as error:
                if counted.has_failed:
                    raise
                raise _UnreadableError(error) from error
            if counted.size_bytes < (file.size_bytes or 0):
                raise _UnreadableError(OSError(f"only {counted.size_bytes} of {file.size_bytes} bytes came"))
        self._result.copied.artifacts += 1
        self._result.copied.artifact_bytes += counted.size_bytes

    def _unreachable(self, where: str, error: Exception) -> None:
        what = error.message if isinstance(error, TrackingError) else str(error)
        self._result.unreachable.append(Problem(where, what))

    def _logged_model(self, model: LoggedModel) -> None:
        self._result.found.logged_models += 1
        if not self._destination.has_logged_model(model):
            self._result.copied.logged_models += 1
        if self._options.dry_run:
            return
        here = str(self._result.experiments[model.experiment_id])
        uri = self._destination.add_logged_model(model, here)
        self._artifacts(f"model {model.model_id}", lambda: self._source.artifacts_of_model(model), uri)

    def _registered_model(self, model: RegisteredModel) -> None:
        name = self._options.prefix + model.name
        versions = [version for version in self._source.versions(model.name) if self._is_wanted(version)]
        if self._options.experiments and not versions:
            return
        self._result.found.registered_models += 1
        try:
            if not self._options.dry_run:
                self._destination.add_registered_model(model, name)
            numbers = {version.version for version in versions if self._version(version, name)}
            for alias, version in model.aliases.items():
                if version in numbers and not self._options.dry_run:
                    self._destination.add_alias(name, alias, version)
        except RefusedError as error:
            self._result.problems.append(Problem(f"registered model {model.name}", error.message))
            return
        self._result.copied.registered_models += 1

    def _is_wanted(self, version: ModelVersion) -> bool:
        """With experiments named, only versions of their runs and models."""
        return not self._options.experiments or self._destination.address_of(version.source) is not None

    def _version(self, version: ModelVersion, name: str) -> bool:
        """Whether the version is in the store now."""
        self._result.found.model_versions += 1
        where = f"version {version.version} of {name}"
        known = self._destination.registered_version(name, version.version)
        if known is not None and known.creation_time != version.creation_time:
            self._result.problems.append(Problem(where, "is in the store already, and is another one"))
            return False
        if known is None or known.last_updated_time != version.last_updated_time:
            self._result.copied.model_versions += 1
        if self._options.dry_run:
            return True
        source = self._destination.address_of(version.source)
        if source is None:
            self._result.unreachable.append(Problem(where, f"its files are at {version.source}, as before"))
        self._destination.add_version(replace(version, name=name), name, source or version.source)
        return True


class _UnreadableError(Exception):
    """An artifact cannot be had from the source."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _Counted:
    """Counts what is written, and remembers a failure: it is the store's, not the source's."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.size_bytes = 0
        self.has_failed = False

    def write(self, data: bytes, /) -> None:
        try:
            self._target.write(data)
        except BaseException:
            self.has_failed = True
            raise
        self.size_bytes += len(data)


def _is_newer(source: ArtifactFiles, target: ArtifactStore, path: str) -> bool:
    """Whether the file was written in the source after it was copied."""
    try:
        modified = source.modified(path)
    except TrackingError as error:
        raise _UnreadableError(error) from error
    if modified is None:
        return False
    with target.open(path) as file:
        return modified > file.modified


def _digest(found: SourceRun) -> str:
    run = found.run
    seen = (
        *(run.info.name, run.info.user_id, run.info.status.value, run.info.start_time, run.info.end_time),
        *(run.info.lifecycle_stage, found.deleted_time, found.points_state),
        *(sorted(run.params.items()), sorted(run.tags.items())),
        *(
            sorted(map(repr, run.datasets)),
            sorted(map(repr, run.model_inputs)),
            sorted(map(repr, run.model_outputs)),
        ),
    )
    return hashlib.sha256(repr(seen).encode("utf-8", "surrogatepass")).hexdigest()
