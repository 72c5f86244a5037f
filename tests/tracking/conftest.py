"""Stores to test: the one in a home, and the same behind our own server."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.home import Home
from bis.server.loopback import LoopbackServer
from bis.tracking import Store, open_store
from bis.tracking.sql_store import SqlStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def local(home: Home) -> Iterator[SqlStore]:
    """The store in a home."""
    store = open_store(home)
    assert isinstance(store, SqlStore)
    yield store
    store.close()


@pytest.fixture
def server(home: Home) -> Iterator[LoopbackServer]:
    home.ensure()
    with LoopbackServer(home.database, home.artifacts) as server:
        yield server


@pytest.fixture(params=["in the home", "behind a server"])
def store(request: pytest.FixtureRequest, home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Each kind of store: what holds for one holds for the other."""
    if request.param == "in the home":
        yield request.getfixturevalue("local")
        return
    server = request.getfixturevalue("server")
    monkeypatch.delenv("MLFLOW_TRACKING_USERNAME", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token)
    yield open_store(home, server.url)


@pytest.fixture
def run_id(store: Store) -> str:
    """A run that has just begun."""
    return store.create_run("0").info.run_id
