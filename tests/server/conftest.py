"""A server of a run, and a connection to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.server.loopback import LoopbackServer
from raw_http import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
