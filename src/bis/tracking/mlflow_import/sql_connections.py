"""Databases of MLflow, opened so that nothing in them can change."""

from __future__ import annotations

import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, unquote, urlsplit

from bis.errors import TrackingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ROWS_AT_A_TIME = 50_000
_INDEXED = ("metrics", "latest_metrics", "params", "tags")


class SourceDatabase(Protocol):
    """Queries with ``?`` for values. ``name`` is its address without credentials."""

    name: str

    @property
    def beside(self) -> Path | None:
        """The directory that relative addresses of artifacts begin in, for a file on this disk."""
        ...

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]: ...
    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table; none when there is no such table."""
        ...

    def points(self, run_id: str) -> Iterator[list[Any]]:
        """Key, step, timestamp, value, is_nan of all points of a run, a part at a time."""
        ...

    def close(self) -> None: ...


def open_database(uri: str) -> SourceDatabase:
    """The database at ``sqlite:///path`` or ``postgresql://...``. Raises TrackingError."""
    scheme = uri.partition("://")[0].partition("+")[0]
    if scheme == "sqlite":
        return SqliteSource(Path(unquote(uri.partition(":///")[2].partition("?")[0])))
    if scheme in ("postgresql", "postgres"):
        return PostgresSource(uri)
    raise TrackingError(
        f"bis does not read databases of {scheme}",
        hint="Let the MLflow server that uses it run, and import from its address: bis import mlflow http://HOST:PORT",
    )


class SqliteSource:
    """A file of SQLite, read in short queries, so that an MLflow server that uses it can go on writing.

    A database without MLflow's indexes by run (before 1.29) is read from a temporary copy that has them.
    """

    def __init__(self, file: Path) -> None:
        if not file.is_file():
            raise TrackingError(
                f"there is no file {file}", hint="It is like sqlite:///mlflow.db, or sqlite:////with/a/path"
            )
        self.name, self.beside = f"sqlite:///{file.absolute()}", file.absolute().parent
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        try:
            self._connection = _read_only(file)
            if not self._is_indexed():
                self._read_from_a_copy()
        except sqlite3.Error as error:
            raise TrackingError(
                f"{file} cannot be read: {error}", hint="It should be a database of MLflow."
            ) from error

    def _is_indexed(self) -> bool:
        return all(self._has_index(table) for table in _INDEXED if self.columns(table))

    def _has_index(self, table: str) -> bool:
        indexes = self.rows("SELECT name FROM pragma_index_list(?)", (table,))
        first = "SELECT name FROM pragma_index_info(?) WHERE seqno = 0"
        return any(self.rows(first, index) == [("run_uuid",)] for index in indexes)

    def _read_from_a_copy(self) -> None:
        self._copy = tempfile.TemporaryDirectory(prefix="bis-import-")
        copy = sqlite3.connect(Path(self._copy.name) / "mlflow.db")
        with closing(self._connection):
            self._connection.backup(copy)
        self._connection = copy
        for table in _INDEXED:
            if self.columns(table):
                copy.execute(f"CREATE INDEX bis_{table} ON {table} (run_uuid)")

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows that a query answers."""
        try:
            return self._connection.execute(sql, tuple(parameters)).fetchall()
        except sqlite3.Error as error:
            raise TrackingError(f"{self.name} cannot be read: {error}") from error

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table."""
        return frozenset(name for (name,) in self.rows("SELECT name FROM pragma_table_info(?)", (table,)))

    def points(self, run_id: str) -> Iterator[list[Any]]:
        """By rowid: each part is a query of its own."""
        last, nan = -1, "is_nan" if "is_nan" in self.columns("metrics") else "0"
        step = "step" if "step" in self.columns("metrics") else "0"
        while True:
            rows = self.rows(
                f"SELECT key, {step}, timestamp, value, {nan}, rowid FROM metrics"  # noqa: S608  names of ours
                " WHERE run_uuid = ? AND rowid > ? ORDER BY rowid LIMIT ?",
                (run_id, last, _ROWS_AT_A_TIME),
            )
            if not rows:
                return
            last = rows[-1][5]
            yield [row[:5] for row in rows]

    def close(self) -> None:
        """Give the file back, and remove the copy."""
        self._connection.close()
        if self._copy is not None:
            self._copy.cleanup()


def _read_only(file: Path) -> sqlite3.Connection:
    """A connection that cannot write; a database on a disk that cannot be written is taken as it lies there."""
    address = f"file:{quote(str(file.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=30, isolation_level=None)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:  # its write-ahead log would need a file beside it
        connection.close()
        connection = sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None)
    return connection


class PostgresSource:
    """A database of PostgreSQL, in one transaction that sees one state and can only read."""

    beside: Path | None = None

    def __init__(self, uri: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise TrackingError(
                "reading PostgreSQL needs a client for it", hint="Install it: pip install 'bis[server]'"
            ) from error
        parts = urlsplit(uri)
        self.name = f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}"
        self._error = psycopg.Error
        try:
            self._connection = psycopg.connect("postgresql://" + uri.partition("://")[2])
            self._connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            self._connection.read_only = True
        except psycopg.Error as error:
            said = str(error).strip().splitlines()[0]
            if parts.password:
                said = said.replace(parts.password, "...")
            raise TrackingError(
                f"{self.name} cannot be opened: {said}",
                hint="Check host, name, user and password (PGPASSWORD).",
            ) from error

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows that a query answers."""
        try:
            return self._connection.execute(sql.replace("?", "%s").encode(), tuple(parameters)).fetchall()
        except self._error as error:
            raise TrackingError(f"{self.name} cannot be read: {error}") from error

    def columns(self, table: str) -> frozenset[str]:
        """The columns of a table."""
        found = self.rows(
            "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
            " AND table_schema = ANY (current_schemas(false))",
            (table,),
        )
        return frozenset(name for (name,) in found)

    def points(self, run_id: str) -> Iterator[list[Any]]:
        """Through a cursor of the server's."""
        nan = "is_nan::int" if "is_nan" in self.columns("metrics") else "0"
        with self._connection.cursor("bis_points") as cursor:
            cursor.execute(
                f"SELECT key, step, timestamp, value, {nan} FROM metrics WHERE run_uuid = %s".encode(),  # noqa: S608
                (run_id,),
            )
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                yield rows

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()
