"""Back-ups: a store of either kind and its artifacts as one folder, made while the store is in use.

The database of a back-up is always a file of SQLite, so that a store can move from one kind to the other by way of
a back-up. The folder appears whole or not at all.
"""

# ruff: noqa: S608  names of our own tables and columns are put into queries
from __future__ import annotations

import glob
import json
import shutil
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis._version import __version__
from bis.errors import TrackingError
from bis.tracking.artifact_store import open_artifacts
from bis.tracking.database import VERSION
from bis.tracking.database_sqlite import SqliteDatabase
from bis.tracking.experiments import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking.database import Database, Statements

_SQLITE = "sqlite:///"
_DATABASE, _ARTIFACTS, _ABOUT = "tracking.db", "artifacts", "backup.json"
_ROWS_AT_A_TIME = 5000
_ANOTHER = "Take another back-up."


@dataclass(frozen=True)
class BackUp:
    """What is in a back-up. ``artifacts`` is the number of files, None when they are not in it."""

    directory: Path
    runs: int
    artifacts: int | None
    size_bytes: int


def back_up(address: str, artifacts: str, directory: Path, *, with_artifacts: bool = True) -> BackUp:
    """Write a back-up of the store to ``directory``, which may not be there yet.

    It has all that was acknowledged when it began. Files come after the database, so that those of its runs are there.
    """
    if directory.exists():
        raise TrackingError(f"{directory} is there already", hint="Give each back-up a folder of its own.")
    aside = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        _copy_database_out(address, aside / _DATABASE)
        count = _copy_files(artifacts, str(aside / _ARTIFACTS)) if with_artifacts else None
        about = {"format": VERSION, "bis": __version__, "time": now_ms(), "artifacts": count}
        (aside / _ABOUT).write_text(json.dumps(about) + "\n")
        aside.replace(directory)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    return _described(directory, count)


def restore(directory: Path, address: str, artifacts: str) -> BackUp:
    """Make the store at ``address``, which has to be new or empty, what a back-up has.

    The files come first, so that a restore which was cut short made no store, and can be begun again.
    """
    count = _about(directory)
    place = _restored_file if address.startswith(_SQLITE) else _restored_rows
    with place(directory / _DATABASE, address):
        if count is not None:
            _copy_files(str(directory / _ARTIFACTS), artifacts)
    return _described(directory, count)


def _about(directory: Path) -> int | None:
    """How many files a back-up has, None when they were left out; refused when it is not whole."""
    try:
        about = json.loads((directory / _ABOUT).read_text())
        version = int(about["format"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrackingError(
            f"{directory} is not a back-up of bis", hint="Name a folder that bis store backup has made."
        ) from error
    if version > VERSION:
        raise TrackingError(
            f"{directory} was made by a newer bis (its format is {version}, this bis knows {VERSION})",
            hint="Upgrade bis.",
        )
    count: int | None = about.get("artifacts")
    if not (directory / _DATABASE).is_file():
        raise TrackingError(f"{directory} is not whole: it has no {_DATABASE}", hint=_ANOTHER)
    there = 0 if count is None else sum(1 for _ in open_artifacts(str(directory / _ARTIFACTS)).files())
    if there != (count or 0):
        raise TrackingError(
            f"{directory} is not whole: it has {there} of {count} files of artifacts", hint=_ANOTHER
        )
    return count


def _copy_database_out(address: str, file: Path) -> None:
    if address.startswith(_SQLITE):
        source = Path(address.removeprefix(_SQLITE))
        if not source.exists():
            raise TrackingError(f"there is no store at {source}")
        database = SqliteDatabase(source)
        try:
            database.rows("VACUUM INTO ?", (str(file),))
        finally:
            database.close()
        return
    from bis.tracking.database_postgres import PostgresDatabase

    source_rows, target = PostgresDatabase(address), SqliteDatabase(file)
    try:
        _copy_rows(source_rows, target, target)
    finally:
        source_rows.close()
        target.close()
        file.with_name(f"{file.name}.lock").unlink(missing_ok=True)


@contextmanager
def _restored_file(backup: Path, address: str) -> Iterator[None]:
    """A new file with what the back-up has; it is in its place when the block ends, and not at all when it raises."""
    file = Path(address.removeprefix(_SQLITE))
    if file.exists():
        raise TrackingError(
            f"{file} is there already, and a back-up is not put over a store",
            hint="Stop its server, and move it away with the files -wal and -shm beside it.",
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f"{file.name}.restored")
    _remove(aside)  # of a restore that was killed
    try:
        shutil.copyfile(backup, aside)
        _bring_forward(aside, backup)
        yield
        aside.replace(file)
    finally:
        _remove(aside)


def _remove(database: Path) -> None:
    """Remove the file with its lock, its log, and what it was before it was brought forward."""
    for found in database.parent.glob(f"{glob.escape(database.name)}[.-]*"):
        found.unlink()
    database.unlink(missing_ok=True)


def _bring_forward(copied: Path, backup: Path) -> None:
    """Bring the copy to the format of now; refused when it is damaged."""
    try:
        with closing(SqliteDatabase(copied)) as database:
            found = database.rows("PRAGMA integrity_check(1)")
            database.row("PRAGMA journal_mode=WAL")  # a file that VACUUM INTO wrote is in another mode
    except TrackingError as error:
        raise TrackingError(error.message.replace(str(copied), str(backup)), hint=_ANOTHER) from error
    if [tuple(row) for row in found] != [("ok",)]:
        raise TrackingError(f"{backup} is damaged: {str(found[0][0]).splitlines()[-1]}", hint=_ANOTHER)


@contextmanager
def _restored_rows(backup: Path, address: str) -> Iterator[None]:
    """A database of PostgreSQL that gets the rows of the back-up when the block ends."""
    import tempfile

    from bis.tracking.database_postgres import PostgresDatabase

    with tempfile.TemporaryDirectory() as directory, closing(PostgresDatabase(address)) as target:
        copied = Path(directory) / _DATABASE
        shutil.copyfile(backup, copied)
        _bring_forward(copied, backup)
        if target.row("SELECT 1 FROM runs LIMIT 1") or target.row(
            "SELECT 1 FROM experiments WHERE experiment_id <> 0 LIMIT 1"
        ):
            raise TrackingError(
                "the database has runs already, and a back-up is not put over a store",
                hint="Make a new database for it.",
            )
        yield
        with closing(SqliteDatabase(copied)) as source:
            _copy_rows(source, target, source)


def _copy_rows(source: Database, target: Database, schema: SqliteDatabase) -> None:
    """Copy all rows, each table after those that it refers to; ``schema`` is the one of both that is of SQLite."""
    tables = [
        str(row[0])
        for row in schema.rows(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]
    with source.reading(), target.writing() as statements:
        for table in reversed(tables):
            statements.execute(f"DELETE FROM {table}")
        for table in tables:
            columns = schema.rows(f"SELECT name, pk FROM pragma_table_info('{table}')")
            names = [str(name) for name, _ in columns]
            keys = [str(name) for name, place in sorted(columns, key=lambda one: one[1]) if place]
            for rows in _pages(source, table, names, keys):
                _insert(statements, table, names, rows)
            if schema is source:
                _continue_numbers(statements, table, keys)


def _insert(statements: Statements, table: str, names: list[str], rows: list[tuple[Any, ...]]) -> None:
    """Insert the rows, without the columns in which all are NULL: they have no type that could be seen."""
    used = [
        place
        for place, values in enumerate(zip(*rows, strict=True))
        if any(one is not None for one in values)
    ]
    columns, marks = ", ".join(names[place] for place in used), ", ".join("?" for _ in used)
    statements.executemany(
        f"INSERT INTO {table} ({columns}) VALUES ({marks})",
        [tuple(row[place] for place in used) for row in rows],
    )


def _pages(
    source: Database, table: str, names: list[str], keys: list[str]
) -> Iterator[list[tuple[Any, ...]]]:
    """The rows in the order of their key, some at a time, so that memory does not grow with the table."""
    order = ", ".join(keys)
    select = f"SELECT {', '.join(names)} FROM {table}"
    places = [names.index(key) for key in keys]
    after, parameters = "", tuple[Any, ...]()
    while True:
        rows = source.rows(f"{select} {after} ORDER BY {order} LIMIT {_ROWS_AT_A_TIME}", parameters)
        if rows:
            yield [tuple(row) for row in rows]
        if len(rows) < _ROWS_AT_A_TIME:
            return
        after = f"WHERE ({order}) > ({', '.join('?' for _ in keys)})"
        parameters = tuple(rows[-1][place] for place in places)


def _continue_numbers(statements: Statements, table: str, keys: list[str]) -> None:
    """Let PostgreSQL go on counting after the highest number, where it hands them out."""
    if len(keys) != 1:
        return
    found = statements.execute(
        "SELECT 1 FROM information_schema.columns"
        " WHERE table_schema = current_schema() AND table_name = ? AND column_name = ? AND is_identity = 'YES'",
        (table, keys[0]),
    ).fetchone()
    if found:
        statements.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', '{keys[0]}'),"
            f" (SELECT COALESCE(MAX({keys[0]}), 0) + 1 FROM {table}), false)"
        )


def _copy_files(source: str, target: str) -> int:
    """Copy all files below one place to another; returns how many."""
    origin, destination, count = open_artifacts(source), open_artifacts(target), 0
    for found in origin.files():
        with origin.open(found.path) as file, destination.writing(found.path) as copy:
            for part in file.chunks():
                copy.write(part)
        count += 1
    return count


def _described(directory: Path, count: int | None) -> BackUp:
    database = SqliteDatabase(directory / _DATABASE)
    try:
        runs = int(database.row("SELECT COUNT(*) FROM runs")[0])
    finally:
        database.close()
        (directory / f"{_DATABASE}.lock").unlink(missing_ok=True)
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return BackUp(directory, runs, count, size)
