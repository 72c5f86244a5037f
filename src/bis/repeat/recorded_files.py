"""The files of a recorded run, from whichever store has them: on this disk, or downloaded to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from bis.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bis.tracking import Run, Store
    from bis.tracking.registry_model import LoggedModel
    from bis.tracking.sql_store import SqlStore


class Content(Protocol):
    """A file of a run, wherever it is."""

    @property
    def size_bytes(self) -> int:
        """Its size."""
        ...

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        ...


@dataclass(frozen=True)
class FileContent:
    """A file on this disk."""

    path: Path

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return self.path.stat().st_size

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        return self.path.open("rb")


@dataclass(frozen=True)
class BytesContent:
    """A file in memory."""

    data: bytes

    @property
    def size_bytes(self) -> int:
        """Its size."""
        return len(self.data)

    def open(self) -> IO[bytes]:
        """Open it for reading."""
        import io

        return io.BytesIO(self.data)


@dataclass(frozen=True)
class DownloadedContent(FileContent):
    """A file that was downloaded into a directory of its own, and goes with it."""

    directory: Path


def remove(directory: Path) -> None:
    """Remove what was downloaded."""
    import shutil

    shutil.rmtree(directory, ignore_errors=True)


def files_of(
    store: Store, run: Run, models: Mapping[str, LoggedModel], notes: list[str]
) -> tuple[dict[str, Content], Path | None]:
    """The artifacts of the run and of its models by name, and the directory they were downloaded to."""
    from bis.tracking.artifacts import ArtifactDirectory
    from bis.tracking.sql_store import SqlStore

    if isinstance(store, SqlStore) and isinstance(store.artifacts, ArtifactDirectory):
        return _local(store, run, models, notes), None
    return _downloaded(store, run, models, notes)


def _local(
    store: SqlStore, run: Run, models: Mapping[str, LoggedModel], notes: list[str]
) -> dict[str, Content]:
    from bis.tracking.artifacts import ArtifactDirectory

    found: dict[str, Content] = {}
    roots = {"": run.info.artifact_uri, **_addresses(models)}
    for prefix, uri in roots.items():
        try:
            directory = (
                store.served_directory(uri)
                if prefix
                else ArtifactDirectory(store.artifact_path(run.info.run_id))
            )
        except TrackingError as error:
            notes.append(error.message)
            continue
        if isinstance(directory, ArtifactDirectory):
            for file in directory.files():
                found[prefix + file.path] = FileContent(directory.root / file.path)
    return found


def _downloaded(
    store: Store, run: Run, models: Mapping[str, LoggedModel], notes: list[str]
) -> tuple[dict[str, Content], Path]:
    import tempfile

    directory = Path(tempfile.mkdtemp(prefix="bis-run-"))
    try:
        _download(store, run, models, directory, notes)
    except BaseException:
        remove(directory)
        raise
    files = sorted(path for path in directory.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(directory).as_posix(): DownloadedContent(path, directory) for path in files
    }, directory


def _download(
    store: Store, run: Run, models: Mapping[str, LoggedModel], directory: Path, notes: list[str]
) -> None:
    parts = [
        (run.info.artifact_uri, entry.path, directory) for entry in store.list_artifacts(run.info.run_id)
    ]
    addresses = _addresses(models).items()
    for uri, path, target in [*parts, *((uri, "", directory / prefix) for prefix, uri in addresses)]:
        try:
            store.download_from(uri, path, target)
        except TrackingError as error:
            notes.append(error.message)


def logged_models(store: Store, run: Run, *, notes: list[str]) -> list[LoggedModel]:
    """The models that the run logged (MLflow 3 keeps them apart); one that cannot be read is told in ``notes``."""
    found = []
    for link in run.model_outputs:
        try:
            found.append(store.logged_model(link.model_id))
        except TrackingError as error:
            notes.append(error.message)
    return found


def by_prefix(models: Iterable[LoggedModel]) -> dict[str, LoggedModel]:
    """The models by a prefix for the names of their files, which does not hold their ids."""
    found: dict[str, LoggedModel] = {}
    for model in models:
        prefix, count = f"models/{model.name}/", 1
        while prefix in found:
            count += 1
            prefix = f"models/{model.name} ({count})/"
        found[prefix] = model
    return found


def _addresses(models: Mapping[str, LoggedModel]) -> dict[str, str]:
    return {prefix: model.artifact_uri for prefix, model in models.items()}
