"""A server of a run, ``bis server`` over a store of each kind, and connections to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.server.loopback import LoopbackServer
from bis_command import Bis
from bis_server import serving
from postgres_server import PostgresServer, running_postgres
from raw_http import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis_server import Served


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LoopbackServer]:
    with LoopbackServer(tmp_path / "tracking.db", tmp_path / "artifacts") as server:
        yield server


@pytest.fixture
def wire(server: LoopbackServer) -> Iterator[Wire]:
    wire = Wire(server)
    yield wire
    wire.close()


@pytest.fixture
def run_id(wire: Wire) -> str:
    """A run that has just begun."""
    reply = wire.ask("POST", "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})
    return str(reply.json["run"]["info"]["run_id"])


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module", params=["SQLite", "PostgreSQL"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """``bis server`` over a store of each kind."""
    directory, words = tmp_path_factory.mktemp("served"), list[str]()
    if request.param == "PostgreSQL":
        words = ["--store", request.getfixturevalue("postgres").new_database()]
    with serving(Bis(home=directory / "home", cwd=directory), *words) as server:
        yield server
