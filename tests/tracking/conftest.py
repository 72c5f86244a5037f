"""Stores to test: over each kind of database, in the process and behind our own server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.home import Home
from bis.server.loopback import LoopbackServer
from bis.tracking import Store, open_store
from bis.tracking.database_postgres import PostgresDatabase
from bis.tracking.sql_store import SqlStore, open_sql_store
from postgres_server import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_store(postgres: PostgresServer) -> str:
    """A store in PostgreSQL, as other tests left it."""
    return postgres.new_database()


@pytest.fixture
def postgres_uri(postgres: PostgresServer, postgres_store: str) -> str:
    """A store in PostgreSQL that is as good as new."""
    PostgresDatabase(postgres_store).close()
    postgres.empty(postgres_store)
    return postgres_store


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def address(request: pytest.FixtureRequest, home: Home) -> str | Path:
    """Where an empty store is, of each kind."""
    if request.param == "SQLite":
        home.ensure()
        return home.database
    uri: str = request.getfixturevalue("postgres_uri")
    return uri


@pytest.fixture
def local(address: str | Path, home: Home) -> Iterator[SqlStore]:
    """A store over a database of each kind."""
    store = open_sql_store(address, home.artifacts)
    yield store
    store.close()


@pytest.fixture
def server(home: Home) -> Iterator[LoopbackServer]:
    home.ensure()
    with LoopbackServer(home.database, home.artifacts) as server:
        yield server


@pytest.fixture(params=["in the process", "behind a server"])
def store(
    request: pytest.FixtureRequest,
    local: SqlStore,
    address: str | Path,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Store]:
    """Each kind of store: what holds for one holds for the other."""
    if request.param == "in the process":
        yield local
        return
    with LoopbackServer(address, home.artifacts) as server:
        monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token)
        yield open_store(home, server.url)


@pytest.fixture
def run_id(store: Store) -> str:
    """A run that has just begun."""
    return store.create_run("0").info.run_id
