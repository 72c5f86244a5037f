"""The SQLite file: made once, opened cheaply, migrated forward, and its mishaps told in words."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from bis.errors import HomeError, TrackingError
from bis.file_locks import exclusive
from bis.tracking.database import MIGRATIONS, VERSION
from bis.tracking.refusals import RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Any

    from bis.tracking.dialect import Dialect

_WORDS = {"$IDENTITY": "INTEGER PRIMARY KEY", "$CLUSTERED": "WITHOUT ROWID"}
"""What the words of the migrations mean to SQLite."""

_BUSY_TIMEOUT_S = 30.0

_WHOLE = ("BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
_PART = ("SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part"))
"""How a transaction, and a part of one, begins, ends well, and is undone."""


class SqliteDatabase:
    """One connection to the file, for use by one thread at a time; other processes may have theirs.

    What was committed outlives the process. With ``durability="full"`` it outlives a power cut too; with ``"normal"``
    such a cut may take the last moments, and the file stays sound.
    """

    def __init__(
        self,
        file: Path,
        migrations: Path = MIGRATIONS,
        version: int = VERSION,
        *,
        durability: str = "normal",
    ) -> None:
        self.file = file
        self.undone: Callable[[], object] = _nothing
        self._lock = threading.RLock()
        with _told(file):
            if not file.exists():
                _create(file, migrations, version)
            self._connection = _connect(file, durability)
            try:
                if _found_version(file, self._connection, version) != version:
                    _migrate(file, self._connection, migrations, version)
            except BaseException:
                self._connection.close()
                raise

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows that a query answers."""
        with _told(self.file), self._lock:
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """The first row that a query answers, or None."""
        with _told(self.file), self._lock:
            return self._connection.execute(sql, parameters).fetchone()

    @property
    def dialect(self) -> Dialect:
        """The words of SQLite."""
        from bis.tracking.dialect import SQLITE  # for searches only

        return SQLITE

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; a full disk may have ended the one that was."""
        return self._connection.in_transaction

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that holds the write lock from its beginning; undone when the block raises."""
        connection = self._connection
        with _told(self.file), self._lock:
            begin, commit, undo = _PART if connection.in_transaction else _WHOLE
            connection.execute(begin)
            try:
                yield connection
                connection.execute(commit)
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    for statement in undo:
                        connection.execute(statement)
                self.undone()
                raise

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several queries that see one state of the database."""
        with _told(self.file), self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("COMMIT")

    def close(self) -> None:
        """Give the file back; the last one to close folds the write-ahead log into it."""
        with self._lock:
            self._connection.close()


def found_version(file: Path) -> int:
    """The format of a database that is there, which is only read; raises TrackingError as for opening it."""
    with _told(file), closing(_connect(file, "normal", mode="ro")) as connection:
        return _found_version(file, connection, VERSION)


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        raise _explain(file, error) from error
    except UnicodeEncodeError as error:  # bytes of a command line or a path that are no UTF-8
        raise invalid(f"{error.object[:100]!r} cannot be stored: it is not UTF-8 text") from error
    except OverflowError as error:
        raise invalid("a number is too large to be stored: it has more than 64 bits") from error


def _found_version(file: Path, connection: sqlite3.Connection, known: int) -> int:
    found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > known:
        raise TrackingError(
            f"{file} was written by a newer bis (its format is {found}, this bis knows {known})",
            hint="Upgrade bis, or name another place with BIS_HOME or --store.",
        )
    if found == 0:
        of_mlflow = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        ).fetchone()
        raise TrackingError(
            f"{file} is a database of MLflow, not of bis"
            if of_mlflow
            else f"{file} is a database, but not one of bis",
            hint=f"Copy what it has into a store of bis:  bis import mlflow sqlite:///{file}"
            if of_mlflow
            else "Move it away, or name another place with BIS_HOME or --store.",
        )
    return found


def _nothing() -> None:
    pass


def _connect(file: Path, durability: str, mode: str = "rw") -> sqlite3.Connection:
    if file.is_dir():
        raise TrackingError(
            f"{file} is a directory, not a file", hint=f"Name a file in it: {file}/tracking.db"
        )
    connection = sqlite3.connect(
        f"file:{_quoted(file)}?mode={mode}",
        uri=True,
        timeout=_BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute(f"PRAGMA synchronous={durability}")
        connection.execute("PRAGMA foreign_keys=ON")
        connection.create_function("bis_number", 1, _number, deterministic=True)
        connection.create_function("bis_ilike", 2, _ilike, deterministic=True)
    except BaseException:
        connection.close()
        raise
    return connection


def _number(text: str | None) -> float | None:
    from bis.tracking.dialect import number  # for searches only

    return number(text)


def _ilike(text: str | None, pattern: str) -> bool | None:
    from bis.tracking.dialect import ilike

    return ilike(text, pattern)


def _quoted(file: Path) -> str:
    """The path as SQLite's URI wants it; urllib's import costs more than opening the database."""
    return str(file).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _create(file: Path, migrations: Path, version: int) -> None:
    """Make the database aside and move it into place; a process that comes second takes what the first
    made.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.new")
    with _alone(file):
        if file.exists():
            return
        aside.unlink(missing_ok=True)
        # for this user alone, as it has the hashes of tokens; SQLite gives its other files the same rights
        os.close(os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        connection = sqlite3.connect(aside, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            _apply(connection, migrations, 0, version)
        finally:
            connection.close()
        aside.replace(file)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Hold the lock beside the database, against other processes that make or migrate it."""
    try:
        with exclusive(file.with_name(f"{file.name}.lock")):
            yield
    except HomeError as error:
        raise TrackingError(error.message, hint=_ELSEWHERE) from error


def _migrate(file: Path, connection: sqlite3.Connection, migrations: Path, version: int) -> None:
    """Bring an older database forward; what it was stays beside it as ``<file>.v<N>.bak``."""
    with _alone(file):
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if found >= version:
            return
        backup, aside = file.with_name(f"{file.name}.v{found}.bak"), file.with_name(f"{file.name}.bak.new")
        aside.unlink(missing_ok=True)
        connection.execute("VACUUM INTO ?", (str(aside),))
        aside.replace(backup)
        _apply(connection, migrations, found, version)


def _apply(connection: sqlite3.Connection, migrations: Path, found: int, version: int) -> None:
    """Run the migrations after ``found`` in one transaction, which sets the new version too."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for script in sorted(migrations.glob("*.sql")):
            if not found < int(script.name[:4]) <= version:
                continue
            for statement in _statements(script.read_text(encoding="utf-8")):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version={version:d}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _statements(script: str) -> Iterator[str]:
    for word, meaning in {**_WORDS, "$NOW": str(time.time_ns() // 1_000_000)}.items():
        script = script.replace(word, meaning)
    statement = ""
    for part in script.split(";")[:-1]:  # what follows the last one is no statement
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _explain(file: Path, error: sqlite3.Error | OSError) -> TrackingError:
    """The error in words, by SQLite's own message: the codes came with Python 3.11."""
    said = str(error)
    if "locked" in said:
        return RefusedError(
            f"{file}: another process has held the tracking database for {_BUSY_TIMEOUT_S:.0f} s",
            code="TEMPORARILY_UNAVAILABLE",
            hint="Wait for it to end, and try again.",
        )
    for word, what, hint in _MISHAPS:
        if word in said:
            return TrackingError(f"{file}: {what}", hint=hint)
    return TrackingError(f"{file}: {getattr(error, 'strerror', None) or said}", hint=_ELSEWHERE)


_ELSEWHERE = "Let this user write there, or name another place with BIS_HOME or --store."
_FREE = "Free some space, or name a place on another disk with BIS_HOME or --store."
_DAMAGED = "Move it away, or put a back-up in its place."

_MISHAPS = (
    ("is full", "the disk is full", _FREE),
    ("No space left", "the disk is full", _FREE),
    ("readonly", "the tracking database cannot be written", _ELSEWHERE),
    ("Read-only", "the tracking database cannot be written", _ELSEWHERE),
    ("unable to open", "the tracking database cannot be opened", _ELSEWHERE),
    ("not a database", "this is not a tracking database, or it is damaged", _DAMAGED),
    ("malformed", "the tracking database is damaged", _DAMAGED),
)
