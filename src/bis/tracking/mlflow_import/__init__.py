"""Importing what MLflow has kept: a directory, a database or a server of any version, read and never changed.

``import_mlflow`` copies what is new or changed since the last time into a store. Runs keep their ids, and are seen only
when they are whole; an import that was cut short goes on where it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bis.errors import TrackingError
from bis.tracking.mlflow_import.copying import Import, ImportOptions
from bis.tracking.mlflow_import.summary import Counts, Imported, Problem, Progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.tracking.mlflow_import.source import Report, Source
    from bis.tracking.sql_store import SqlStore

__all__ = ["Counts", "ImportOptions", "Imported", "Problem", "Progress", "import_mlflow"]


def import_mlflow(
    address: str,
    store: SqlStore,
    options: ImportOptions = ImportOptions(),  # noqa: B008  frozen
    *,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Imported:
    """Copy what is at ``address`` into the store; ``progress`` is called before each run.

    An address is an ``mlruns`` directory, ``sqlite:///mlflow.db``, ``postgresql://...`` or ``http(s)://server``. Raises
    TrackingError when the source cannot be read or the store cannot be written; what was imported until then stays.
    """
    from bis.tracking.mlflow_import.destination import Destination

    problems: list[Problem] = []
    source = _open_source(
        address, options.artifacts, lambda where, what: problems.append(Problem(where, what))
    )
    result = Imported(source.name, problems=problems)
    try:
        Import(source, Destination(store), options, result, progress).run()
    finally:
        source.close()
    return result


def _open_source(address: str, artifacts: str | None, report: Report) -> Source:
    """Only what reads this kind of source is imported."""
    scheme = address.partition("://")[0] if "://" in address else ""
    if scheme in ("http", "https"):
        from bis.tracking.mlflow_import.server_source import ServerSource

        return ServerSource(address, artifacts=artifacts, report=report)
    directory = Path(unquote(urlsplit(address).path) if scheme == "file" else address)
    if scheme in ("", "file") and not directory.is_file():
        from bis.tracking.mlflow_import.file_source import FileSource

        return FileSource(directory, artifacts=artifacts, report=report)
    if scheme == "file":
        raise TrackingError(f"{directory} is a file", hint=f"For a database: sqlite:///{directory}")
    from bis.tracking.mlflow_import.sql_connections import open_database
    from bis.tracking.mlflow_import.sql_source import SqlSource

    database = open_database(address if scheme else f"sqlite:///{address}")
    return SqlSource(database, artifacts=artifacts, report=report)
