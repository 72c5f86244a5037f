"""``bis server`` over PostgreSQL: several servers on one store, and what happens when the database goes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from bis_server import serving
from postgres_server import PASSWORD, QUOTED_PASSWORD, PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis_command import Bis
    from bis_server import Served

API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def uri(postgres: PostgresServer) -> Iterator[str]:
    uri = postgres.new_database()
    yield uri
    postgres.drop(uri)


def test_two_servers_share_a_store_and_its_tokens(bis: Bis, uri: str) -> None:
    with serving(bis, "--auth", BIS_STORE=uri) as first, serving(bis, "--auth", BIS_STORE=uri) as second:
        made = bis("tokens", "create", "--role", "write", "--json", BIS_STORE=uri).json
        wires = [one.wire(made["token"]) for one in (first, second)]
        reply = wires[0].ask("POST", f"{API}/runs/create", {"experiment_id": "0"})
        run_id = reply.json["run"]["info"]["run_id"]
        assert wires[1].ask("GET", f"{API}/runs/get?run_id={run_id}").status == 200
        assert b"bis_runs_active 1\n" in wires[1].ask("GET", "/metrics").body
        assert bis("tokens", "revoke", made["id"], BIS_STORE=uri).status == 0
        until = threading.Event()
        for wire in wires:
            while wire.ask("GET", "/metrics").status == 200:
                until.wait(0.1)
        assert (first.end(), second.end()) == (0, 0)
        assert first.token or second.token
        _shows_no_password(first.log + second.log)


def test_check_says_what_is_wrong_with_the_database(bis: Bis, uri: str) -> None:
    fresh = bis("server", "--check", "--json", BIS_STORE=uri)
    assert fresh.status == 0, fresh.out
    assert "will be made at the first start" in fresh.json[0]["detail"]
    with serving(bis, BIS_STORE=uri):
        pass
    assert bis("server", "--check", BIS_STORE=uri).status == 0
    for wrong in (uri.replace(QUOTED_PASSWORD, "wrong"), f"{uri}_none", "postgresql://127.0.0.1:1/none"):
        result = bis("server", "--check", "--json", BIS_STORE=wrong)
        assert result.status == 1
        assert result.json[0]["ok"] is False
        _shows_no_password(result.out + result.err)


def test_a_database_that_cannot_be_reached_is_said_without_the_password(bis: Bis, uri: str) -> None:
    for wrong in (uri.replace(QUOTED_PASSWORD, "wrong"), f"{uri}?password={QUOTED_PASSWORD}&port=1"):
        result = bis("server", "--port", "0", BIS_STORE=wrong)
        assert result.status == 2
        assert "PostgreSQL" in result.err
        assert "wrong" not in result.err
        _shows_no_password(result.out + result.err)


def test_a_server_outlives_its_database(bis: Bis) -> None:
    with running_postgres() as postgres, serving(bis, BIS_STORE=postgres.uri("postgres")) as one:
        assert _status(one, "/ready") == 200
        postgres.stop()
        assert _status(one, "/ready") == 503
        assert _status(one, "/health") == 200
        assert _status(one, f"{API}/experiments/get?experiment_id=0") == 503
        assert b"bis_store_up 0\n" in one.wire().ask("GET", "/metrics").body
        postgres.start()
        until = threading.Event()
        while _status(one, "/ready") != 200:
            until.wait(0.1)
        assert _status(one, f"{API}/experiments/get?experiment_id=0") == 200
        assert one.end() == 0


def _status(served: Served, path: str) -> int:
    return served.wire().ask("GET", path).status


def _shows_no_password(text: str) -> None:
    assert PASSWORD not in text
    assert QUOTED_PASSWORD not in text
