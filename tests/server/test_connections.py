"""A client that sends too much, too slowly, or what no client sends: the connection ends, the server does not."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING

import pytest

from bis.server import connections
from bis.server.loopback import LoopbackServer
from raw_http import Wire

if TYPE_CHECKING:
    from pathlib import Path

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
MLFLOW = "/api/2.0/mlflow"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of a moment."""
    monkeypatch.setattr(connections, "WINDOW_S", 0.1)


def _is_closed(wire: Wire) -> bool:
    try:
        return wire.socket.recv(1) == b""
    except ConnectionResetError:
        return True


def _ends(wire: Wire, drip: bytes) -> None:
    """Send these bytes one after another, slowly, until the server ends the connection."""
    wire.socket.settimeout(0.03)
    for at in range(1000):
        try:
            wire.socket.sendall(drip[at % len(drip) : at % len(drip) + 1])
            if wire.socket.recv(10_000) == b"":
                return
        except TimeoutError:
            continue
        except OSError:
            return
    raise AssertionError("the connection is still open")


@pytest.mark.parametrize(
    "head",
    [
        HEALTH + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        HEALTH + b"X: y\r\n" * 200 + b"\r\n",
        HEALTH + b"X: " + b"y" * 400_000,
        b"GET /health?" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"x" * 400_000,
    ],
    ids=["long value", "many", "no end", "long query", "long path"],
)
def test_a_head_has_bounds(wire: Wire, head: bytes) -> None:
    reply = wire.send(head)
    assert (reply.status, reply.code) == (431, "BAD_REQUEST")
    assert _is_closed(wire)


def test_a_long_filter_fits_in_a_request_line(wire: Wire) -> None:
    query = "filter=name%20!=%20'" + "x" * 30_000 + "'"
    assert wire.ask("GET", f"{MLFLOW}/experiments/search?{query}").status == 200


@pytest.mark.parametrize(
    "request_line",
    [
        b"",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS handshake
        b"GET /health HTTP/9.9",
        b"GET /health\x00 HTTP/1.1",
        b"GET health HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET ftp://localhost/health HTTP/1.1",
        b"GET http://localhost@evil.com/health HTTP/1.1",
        b"CONNECT localhost:80 HTTP/1.1",
        b"NOTHING /health HTTP/1.1",
        "GET /ü HTTP/1.1".encode(),
    ],
)
def test_what_is_no_request_is_refused_in_json(wire: Wire, request_line: bytes) -> None:
    reply = wire.send(request_line + b" \r\nHost: localhost\r\n\r\n")
    assert (reply.status, reply.code) == (400, "BAD_REQUEST")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b"Content-Length: 4", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 4", b"Content-Length: 5"),
        (b"Content-Length: -4", b"X: y"),
        (b"Transfer-Encoding: x", b"X: y"),
        (b"X : y", b"X: y"),
    ],
)
def test_a_body_whose_end_can_be_read_in_two_ways_is_refused(
    wire: Wire, server: LoopbackServer, first: bytes, second: bytes
) -> None:
    head = (
        f"POST {MLFLOW}/runs/create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    )
    reply = wire.send(head.encode() + first + b"\r\n" + second + b"\r\n\r\n0\r\n\r\n")
    assert (reply.status, reply.code) == (400, "BAD_REQUEST")
    assert _is_closed(wire)


def test_the_host_of_a_whole_target_counts(wire: Wire) -> None:
    own = b"GET http://127.0.0.1:80/health HTTP/1.1\r\nHost: evil.com\r\n\r\n"
    assert wire.send(own).body == b"OK"
    foreign = b"GET http://evil.com/health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert wire.send(foreign).status == 403
    assert wire.send(b"GET http://[::1] HTTP/1.1\r\nHost: x\r\n\r\n").status == 401


def test_a_header_after_the_body_is_none(wire: Wire, server: LoopbackServer) -> None:
    head = f"POST {MLFLOW}/runs/create HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = f"Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    assert wire.send((head + body).encode()).status == 401


@pytest.mark.usefixtures("quick")
def test_a_head_that_drips_is_cut_off(wire: Wire) -> None:
    _ends(wire, HEALTH)


@pytest.mark.usefixtures("quick")
def test_an_empty_connection_is_cut_off(wire: Wire) -> None:
    _ends(wire, b"\r\n")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("path", ["mlflow/runs/create", "mlflow-artifacts/artifacts/0/x"])
def test_a_body_that_drips_is_cut_off_and_leaves_nothing(
    wire: Wire, server: LoopbackServer, tmp_path: Path, path: str
) -> None:
    method = "POST" if path.startswith("mlflow/") else "PUT"
    wire.socket.sendall(
        f"{method} /api/2.0/{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n".encode()
    )
    _ends(wire, b"{")
    again = Wire(server)
    assert again.ask("POST", f"{MLFLOW}/runs/search", {"experiment_ids": ["0"]}).json == {}
    again.close()
    assert [path.name for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("quick")
def test_an_answer_that_nobody_reads_is_cut_off(wire: Wire, server: LoopbackServer, tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    with (tmp_path / "artifacts" / "big").open("wb") as file:
        file.truncate(2**28)
    wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    wire.socket.sendall(
        f"GET /api/2.0/mlflow-artifacts/artifacts/big HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {server.token}\r\n\r\n".encode()
    )
    other = Wire(server)  # asks until the slow one is gone
    while server._serving is None or len(server._serving._state.connections) > 1:
        assert other.ask("GET", "/health").body == b"OK"
    other.close()


def test_one_connection_too_many_is_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 3)
    monkeypatch.setattr(connections, "SURPLUS", 1)
    with LoopbackServer(tmp_path / "tracking.db", tmp_path / "artifacts") as server:
        first = [Wire(server) for _ in range(3)]
        assert [wire.ask("GET", "/health").status for wire in first] == [200] * 3
        asking, unheard = Wire(server), Wire(server)
        assert _is_closed(unheard)
        reply = asking.ask("GET", "/health")
        assert (reply.status, reply.code) == (503, "TEMPORARILY_UNAVAILABLE")
        monkeypatch.setattr(connections, "SURPLUS_S", 0.05)
        silent = Wire(server)
        assert _is_closed(silent)
        first.pop().close()
        assert _answers_again(server)
        for wire in (*first, asking, unheard, silent):
            wire.close()


def _answers_again(server: LoopbackServer) -> bool:
    """Whether a new connection is answered, once the server has seen that another one ended."""
    for _ in range(100):
        wire = Wire(server)
        status = wire.ask("GET", "/health").status
        wire.close()
        if status == 200:
            return True
        time.sleep(0.02)
    return False


def test_the_server_goes_on_when_clients_leave(wire: Wire, server: LoopbackServer) -> None:
    for sent in (
        b"",
        b"GET",
        HEALTH,
        HEALTH + b"\r\n",
        b"PUT /api/2.0/mlflow-artifacts/artifacts/x HTTP/1.1",
    ):
        gone = Wire(server)
        gone.socket.sendall(sent)
        gone.close()
    assert wire.ask("GET", "/health").body == b"OK"
