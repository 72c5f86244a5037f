"""A database in PostgreSQL: opened, made and migrated, and its mishaps told in words, without the password.

Several processes may write at once. Each locks the row of the run (or experiment, or model) that it changes, so that
what one has read of it still holds when it writes. Transactions are those of READ COMMITTED.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bis.errors import TrackingError
from bis.tracking.database import MIGRATIONS, VERSION, AgainError, UncertainError
from bis.tracking.postgres_errors import address_error, connection_error, explained, lost
from bis.tracking.postgres_sql import PostgresStatements, migration, translated

try:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo
    from psycopg.pq import TransactionStatus
    from psycopg.types.numeric import Int8Dumper
except ImportError as error:
    raise TrackingError(
        f"a store in PostgreSQL needs psycopg, which cannot be imported: {error}",
        hint="Install it:  pip install 'bis[server]'",
    ) from error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from bis.tracking.dialect import Dialect

_ADVISORY_LOCK = 0x62697331
"""The number of the lock under which the tables are made and migrated: any number that nobody else uses."""

_DEFAULTS = {
    "connect_timeout": "10",
    "application_name": "bis",
    "client_encoding": "UTF8",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
_LOCK_TIMEOUT = "30s"
_SHORT_LOCK_TIMEOUT = "20ms"
"""How long a part of a transaction waits while other parts hold locks: it is undone and done again instead, and so
two transactions never wait for each other."""

_BEGIN, _READ = "BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_PART, _PATIENT_PART = "SAVEPOINT part", f"SET LOCAL lock_timeout = '{_SHORT_LOCK_TIMEOUT}'; SAVEPOINT part"


class PostgresDatabase:
    """A connection that is made anew when it was lost; for use by one thread at a time.

    ``prepares``: the tables are made or migrated first.
    """

    def __init__(
        self, uri: str, migrations: Path = MIGRATIONS, version: int = VERSION, *, prepares: bool = True
    ) -> None:
        self._uri = uri
        self._migrations, self._version = migrations, version
        self.undone: Callable[[], object] = _nothing
        self._lock = threading.RLock()
        self._depth = self._parts = 0
        self._connection = self._connect()
        try:
            if prepares:
                self._prepare_tables()
        except BaseException:
            self._connection.close()
            raise

    @property
    def dialect(self) -> Dialect:
        """The words of PostgreSQL."""
        from bis.tracking.dialect import POSTGRES  # for searches only

        return POSTGRES

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open; a lost connection has ended the one that was."""
        status = self._connection.info.transaction_status
        return status in (TransactionStatus.INTRANS, TransactionStatus.INERROR)

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        """All rows that a query answers."""
        return self._asked(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        """The first row that a query answers, or None."""
        return self._asked(sql, parameters).fetchone()

    @contextmanager
    def writing(self) -> Iterator[PostgresStatements]:
        """A transaction, or a part of the one that is open; undone when the block raises."""
        with self._lock:
            if self._depth:
                with self._part() as statements:
                    yield statements
                return
            with self._told(is_writing=True):
                self._execute_or_reconnect(_BEGIN)
                self._depth, self._parts = 1, 0
                try:
                    yield PostgresStatements(self._connection)
                    self._commit()
                except BaseException:
                    self._undo("ROLLBACK")
                    raise
                finally:
                    self._depth = 0

    @contextmanager
    def _part(self) -> Iterator[PostgresStatements]:
        if self._depth == 1:
            self._parts += 1
        is_impatient = self._depth == 1 and self._parts > 1
        with self._told(is_writing=True, is_impatient=is_impatient):
            self._connection.execute(_PATIENT_PART if is_impatient else _PART)
            self._depth += 1
            try:
                yield PostgresStatements(self._connection)
                self._connection.execute("RELEASE part")
            except BaseException:
                self._undo("ROLLBACK TO part; RELEASE part")
                raise
            finally:
                self._depth -= 1

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several queries that see one state of the database."""
        with self._lock:
            if self._depth:
                yield
                return
            with self._told():
                self._execute_or_reconnect(_READ)
                self._depth = 1
                try:
                    yield
                    self._connection.execute("COMMIT")
                except BaseException:
                    self._undo("ROLLBACK")
                    raise
                finally:
                    self._depth = 0

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._connection.close()

    def _asked(self, sql: str, parameters: Sequence[object]) -> psycopg.Cursor[Any]:
        with self._lock, self._told():
            if self._depth:
                return self._connection.execute(translated(sql), parameters)
            return self._execute_or_reconnect(translated(sql), parameters)

    def _execute_or_reconnect(self, sql: str, parameters: Sequence[object] = ()) -> psycopg.Cursor[Any]:
        """Outside of a transaction: once more with another connection when this one was lost."""
        try:
            return self._connection.execute(sql, parameters or None)
        except psycopg.Error:
            if not self._connection.closed:
                raise
        self._connection = self._connect()
        return self._connection.execute(sql, parameters or None)

    def _commit(self) -> None:
        try:
            self._connection.execute("COMMIT")
        except psycopg.Error as error:
            if self._connection.closed:
                raise UncertainError("the connection to PostgreSQL was lost while it committed") from error
            raise

    def _undo(self, statements: str) -> None:
        if self._connection.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            try:
                self._connection.execute(statements)
            except psycopg.Error:
                self._connection.close()  # what is undone with it
        self.undone()

    @contextmanager
    def _told(self, *, is_writing: bool = False, is_impatient: bool = False) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as error:
            if self._connection.closed and is_writing:
                raise AgainError(lost()) from error
            raise explained(error, is_impatient=is_impatient) from error
        except UnicodeEncodeError as error:
            raise explained(error) from error

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            known = {name: str(value) for name, value in conninfo_to_dict(self._uri).items()}
        except psycopg.Error:
            raise address_error(self._uri) from None
        try:
            connection = psycopg.connect(
                make_conninfo(**{**_DEFAULTS, **known}), autocommit=True, cursor_factory=psycopg.RawCursor
            )
        except psycopg.Error as error:
            raise connection_error(self._uri, error) from None  # its text may hold what was given
        connection.adapters.register_dumper(int, Int8Dumper)  # one prepared statement, whatever the size
        connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
        return connection

    def _prepare_tables(self) -> None:
        """Make or migrate the tables, one process at a time."""
        with self._told():
            if self.found_version() == self._version:
                return
            self._connection.execute("SELECT pg_advisory_lock($1)", (_ADVISORY_LOCK,))
            try:
                self._migrate(self.found_version())
            except (
                psycopg.ProgrammingError
            ) as error:  # tables that were changed by hand, or no right to make them
                raise _not_migrated(error, self._version) from error
            finally:
                self._connection.execute("SELECT pg_advisory_unlock($1)", (_ADVISORY_LOCK,))

    def found_version(self) -> int:
        """The version of the tables; 0 when there are none. Refused when they are another program's, or newer."""
        ours, others = self._connection.execute(
            "SELECT to_regclass('bis_store') IS NOT NULL, to_regclass('experiments') IS NOT NULL"
        ).fetchone() or (False, False)
        if not ours and others:
            raise TrackingError(
                "the database holds the tables of another program, such as MLflow",
                hint="Make a database for bis. `bis import mlflow` brings over what MLflow's has.",
            )
        if not ours:
            return 0
        row = self._connection.execute("SELECT version FROM bis_store").fetchone()
        found: int = row[0] if row else 0
        if found > self._version:
            raise TrackingError(
                f"the store was written by a newer bis (its format is {found}, this bis knows {self._version})",
                hint="Upgrade bis.",
            )
        return found

    def _migrate(self, found: int) -> None:
        if found == self._version:  # another process has done it meanwhile
            return
        with self._connection.transaction():
            if not found:
                self._connection.execute("CREATE TABLE bis_store (version INTEGER NOT NULL)")
                self._connection.execute("INSERT INTO bis_store VALUES (0)")
            else:
                self._back_up(found)
            for script in sorted(self._migrations.glob("*.sql")):
                if found < int(script.name[:4]) <= self._version:
                    self._connection.execute(migration(script.read_text(encoding="utf-8")))
            self._connection.execute("UPDATE bis_store SET version = $1", (self._version,))

    def _back_up(self, found: int) -> None:
        """Copy all tables into the schema ``bis_v<N>``, which a bis that knows that version can read."""
        backup = f"bis_v{found}"
        tables = [
            row[0]
            for row in self._connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            )
        ]
        # No other server may write between the copies. An earlier schema is of a time when the store was brought back.
        self._connection.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
        self._connection.execute(f"DROP SCHEMA IF EXISTS {backup} CASCADE")
        self._connection.execute(f"CREATE SCHEMA {backup}")
        for table in tables:
            self._connection.execute(f"CREATE TABLE {backup}.{table} (LIKE {table} INCLUDING ALL)")
            self._connection.execute(
                f"INSERT INTO {backup}.{table} OVERRIDING SYSTEM VALUE SELECT * FROM {table}"  # noqa: S608  our names
            )


def _not_migrated(error: psycopg.Error, version: int) -> TrackingError:
    said = error.diag.message_primary or "it was refused"
    return TrackingError(
        f"the store cannot be brought to format {version}, and stays as it is: {said}",
        hint="Look whether its tables were changed by hand, and whether the user owns the database.",
    )


def _nothing() -> None:
    pass
