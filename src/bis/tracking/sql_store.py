"""A store of bis: a database, SQLite or PostgreSQL, and a place for artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.tracking.artifact_store import ArtifactStore, checked_path, open_artifacts
from bis.tracking.artifacts import SCHEME, ArtifactDirectory, upload_path
from bis.tracking.experiments import SqlExperiments
from bis.tracking.models import SqlLoggedModels
from bis.tracking.refusals import invalid
from bis.tracking.registry import SqlRegistry
from bis.tracking.run_data import SqlRunData
from bis.tracking.runs import SqlRuns
from bis.tracking.summaries import SqlSummaries

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from bis.tracking.database import Database, Statements
    from bis.tracking.model import FileInfo
    from bis.tracking.registry_model import ModelVersion
    from bis.tracking.tokens import Tokens


_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_sql_store(
    address: str | Path, artifacts: str | Path | ArtifactStore, *, durability: str = "normal"
) -> SqlStore:
    """The store at ``sqlite:///FILE`` (or a path) or ``postgresql://...``, which is made when it is not there.

    ``durability``: of SQLite, ``full`` waits for the disk at each commit.
    """
    if isinstance(artifacts, str):
        artifacts = open_artifacts(artifacts)
    elif isinstance(artifacts, Path):
        artifacts = ArtifactDirectory(artifacts)
    if isinstance(address, str) and address.startswith(_POSTGRES):
        from bis.tracking.database_postgres import PostgresDatabase  # psycopg is an extra
        from bis.tracking.postgres_errors import shown

        return SqlStore(PostgresDatabase(address), artifacts, shown(address))
    if isinstance(address, str) and not address.startswith(_SQLITE):
        raise TrackingError(
            f"bis has no store for {address.partition(':')[0]}://...",
            hint="There are sqlite:///FILE and postgresql://HOST/NAME.",
        )
    from bis.tracking.database_sqlite import SqliteDatabase  # sqlite3 only for its stores

    file = Path(address.removeprefix(_SQLITE)) if isinstance(address, str) else address
    return SqlStore(SqliteDatabase(file, durability=durability), artifacts, f"{_SQLITE}{file}")


class SqlStore(SqlExperiments, SqlRuns, SqlRunData, SqlLoggedModels, SqlRegistry, SqlSummaries):
    """A store over a database; several processes may have it open at once. ``uri`` is without a password."""

    def __init__(self, database: Database, artifacts: ArtifactStore, uri: str) -> None:
        self._db, self.artifacts, self.uri = database, artifacts, uri
        self._key_ids: dict[str, int] = {}
        database.undone = self._key_ids.clear  # an id that was undone may be given to another key

    def close(self) -> None:
        """Give the database back."""
        self._db.close()

    def writing(self) -> AbstractContextManager[Statements]:
        """Several writes that are kept together or not at all."""
        return self._db.writing()

    @property
    def is_writing(self) -> bool:
        """Whether such a block is open; a full disk, or a lost connection, may have ended the one that was."""
        return self._db.in_transaction

    @property
    def tokens(self) -> Tokens:
        """The tokens of those who may ask a server of this store."""
        from bis.tracking.tokens import Tokens  # no run needs them

        return Tokens(self._db)

    def running_count(self) -> int:
        """How many runs have not ended."""
        count: int = self._db.row("SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'")[0]
        return count

    def artifact_path(self, run_id: str, path: str = "") -> Path:
        """Where an artifact of the run is, or would be, on this disk."""
        found = self._directory(self.run(run_id).info.artifact_uri)
        if not isinstance(found, ArtifactDirectory):
            raise TrackingError(f"the artifacts at {found.uri} are not on this disk")
        return found.resolve(path)

    def artifact_location(self, run_id: str) -> str:
        """The address of the run's artifacts as others can use it: a ``file:`` URI, or where the
        experiment keeps them.
        """
        uri = self.run(run_id).info.artifact_uri
        if not uri.startswith(SCHEME):
            return uri
        found = self._directory(uri)
        return found.resolve("").as_uri() if isinstance(found, ArtifactDirectory) else found.uri

    def log_artifact(self, run_id: str, local: Path, path: str | None = None) -> None:
        """Copy a file into the directory ``path`` of the run's artifacts, or what a directory holds to
        ``path``.
        """
        directory = self._directory(self.run(run_id).info.artifact_uri)
        directory.add(local, upload_path(local, path))

    def log_text(self, run_id: str, text: str, path: str) -> None:
        """Write a text as the artifact ``path``."""
        self._directory(self.run(run_id).info.artifact_uri).write(path, text.encode())

    def list_artifacts(self, run_id: str, path: str = "") -> list[FileInfo]:
        """What lies in a directory of the run's artifacts; paths are relative to the run's root."""
        return self._directory(self.run(run_id).info.artifact_uri).listing(path)

    def download_artifacts(self, run_id: str, path: str, destination: Path) -> Path:
        """Copy an artifact, or a directory of them, below ``destination``; returns where it is now."""
        return self.download_from(self.run(run_id).info.artifact_uri, path, destination)

    def download_from(self, uri: str, path: str, destination: Path) -> Path:
        """Copy what is at ``path`` below an artifact address of this store."""
        return self._directory(uri).copy_to(checked_path(path), destination)

    def model_artifact_uri(self, name: str, version: str) -> str:
        """Where the files of a registered model's version are; ``version`` is a number, ``@alias``, stage
        or latest.
        """
        if version.startswith("@"):
            found = self.version_by_alias(name, version[1:])
        elif version.isdigit():
            found = self.model_version(name, int(version))
        else:
            found = self._newest_version(name, version)
        if found.source.startswith("models:/m-"):
            return self.logged_model(found.source.removeprefix("models:/")).artifact_uri
        return found.source

    def _newest_version(self, name: str, stage: str) -> ModelVersion:
        versions = self.latest_versions(name, [] if stage.lower() == "latest" else [stage])
        if not versions:
            raise TrackingError(f"the registered model {name!r} has no version in {stage!r}")
        return max(versions, key=lambda version: version.version)

    def _directory(self, uri: str) -> ArtifactStore:
        """What an artifact address names: below the root, or elsewhere when it says so."""
        if uri.startswith(SCHEME):
            return self.artifacts.below(uri[len(SCHEME) :].lstrip("/"))
        return open_artifacts(uri)

    def served_directory(self, uri: str) -> ArtifactStore:
        """What an artifact address below the root names; a server reads no other, whatever a client
        says.
        """
        if not uri.startswith(SCHEME):
            raise invalid(f"The artifacts at {uri[:200]!r} are not kept by this server")
        return self._directory(uri)
