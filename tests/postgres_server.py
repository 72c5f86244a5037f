"""A PostgreSQL server for tests: Debian's, in a directory of its own, on loopback; databases of their own in it."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
_SETTINGS = "fsync=off,synchronous_commit=off,full_page_writes=off,max_connections=200,shared_buffers=32MB"
PASSWORD = "s3cr3t/@ü"
QUOTED_PASSWORD = "s3cr3t%2F%40%C3%BC"

_EMPTY = """
SET session_replication_role = replica;
DO $do$ DECLARE name text; BEGIN
  FOR name IN SELECT tablename FROM pg_tables
    WHERE schemaname = 'public' AND tablename NOT IN ('bis_store', 'experiments')
  LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
  FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'
  LOOP EXECUTE format('ALTER SEQUENCE %I RESTART', name); END LOOP;
END $do$;
DELETE FROM experiments WHERE experiment_id <> 0;
UPDATE experiments SET name = 'Default', lifecycle_stage = 'active';
"""


def _missing() -> str | None:
    """Why no server can be started here."""
    if not _PLACES:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0 and not (_has_user("postgres") and shutil.which("setpriv")):
        return "PostgreSQL does not run as root, and there is no user postgres"
    return None


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


class PostgresServer:
    """A server on loopback that asks for a password; its data go with it."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="bis-postgres-"))
        self.port = _free_port()
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.directory, "postgres", "postgres")
        password = self.directory / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        self._run(
            *("initdb", "--no-sync", "--auth=scram-sha-256", "--username=bis", "--encoding=UTF8"),
            *("--locale=C.UTF-8", f"--pwfile={password}", "-D", str(self.directory / "data")),
        )

    def start(self) -> None:
        """Start it, and wait until it answers."""
        settings = [word for setting in _SETTINGS.split(",") for word in ("-c", setting)]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_command("postgres"),
                    *("-D", str(self.directory / "data"), "-p", str(self.port)),
                    *("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.directory}"),
                    *settings,
                ],
                stdout=log,
                stderr=log,
                cwd="/",
            )
        for _ in range(300):
            if self._answers():
                return
            time.sleep(0.1)
        raise RuntimeError((self.directory / "log").read_text())

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.uri("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it at once; connections are cut (SIGINT), or as by a crash (SIGQUIT)."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """End it, and remove its data."""
        self.stop()
        shutil.rmtree(self.directory)

    def uri(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://bis:{QUOTED_PASSWORD}@127.0.0.1:{self.port}/{database}"

    def execute(self, sql: str, database: str = "postgres") -> list[Any]:
        """Carry out one statement; its rows."""
        import psycopg

        with psycopg.connect(self.uri(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            rows = cursor.fetchall() if cursor.description else []
        connection.close()
        return rows

    def new_database(self) -> str:
        """The address of a new, empty database."""
        self._count += 1
        name = f"test_{os.getpid()}_{self._count}"
        self.execute(f"CREATE DATABASE {name}")
        return self.uri(name)

    def drop(self, uri: str) -> None:
        """Remove a database, and cut its connections."""
        self.execute(f"DROP DATABASE {uri.rpartition('/')[2]} WITH (FORCE)")

    def empty(self, uri: str) -> None:
        """Make a store as it was when it was new: much quicker than to make one."""
        database = uri.rpartition("/")[2]
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{database}' AND pid <> pg_backend_pid()"
        )
        self.execute(_EMPTY, database)

    def _run(self, *command: str) -> None:
        subprocess.run(
            [*_command(command[0]), *command[1:]], check=True, capture_output=True, cwd="/", timeout=120
        )


def _command(name: str) -> list[str]:
    program = str(_PLACES[-1] / name)
    if os.geteuid() != 0:
        return [program]
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", program]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that has started. Skips where none can."""
    why = _missing()
    if why is not None:
        pytest.skip(why)
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()
