"""The life of a run's server: it listens at once, answers what it accepted, and ends quickly."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from bis.server.loopback import LoopbackServer
from bis.tracking.sql_store import open_sql_store
from raw_http import Wire

if TYPE_CHECKING:
    from pathlib import Path

METRIC = "/api/2.0/mlflow/runs/log-metric"


def _address(server: LoopbackServer) -> tuple[str, int]:
    name, _, port = server.url.removeprefix("http://").partition(":")
    return name, int(port)


def test_it_listens_before_it_serves(tmp_path: Path) -> None:
    server = LoopbackServer(tmp_path / "t.db", tmp_path / "a")
    wire = Wire(server)
    wire.socket.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    server.start()
    assert wire.reply().body == b"OK"
    wire.close()
    server.stop()


def test_it_binds_loopback_only_with_a_token_of_its_own(tmp_path: Path) -> None:
    one, other = (LoopbackServer(tmp_path / "t.db", tmp_path / "a") for _ in range(2))
    assert _address(one)[0] == "127.0.0.1"
    assert one.token != other.token
    assert len(one.token) == 64
    one.stop()
    other.stop()


@pytest.mark.parametrize("started", [False, True])
def test_it_ends_when_nobody_spoke(tmp_path: Path, started: bool) -> None:
    server = LoopbackServer(tmp_path / "t.db", tmp_path / "a")
    if started:
        server.start()
    server.stop()
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(_address(server), timeout=5)
    assert not (tmp_path / "t.db").exists()


def test_a_script_that_ends_at_once_pays_for_no_import(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from bis.server.loopback import LoopbackServer\n"
        "server = LoopbackServer(Path(sys.argv[1]), Path(sys.argv[2])); server.start(); server.stop()\n"
        "print([name for name in ('uvicorn', 'asyncio', 'sqlite3', 'json') if name in sys.modules])\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "t.db"), str(tmp_path / "a")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_request_that_was_sent_before_the_end_is_carried_out(tmp_path: Path) -> None:
    store = open_sql_store(tmp_path / "t.db", tmp_path / "a")
    run_id = store.create_run("0").info.run_id
    server = LoopbackServer(tmp_path / "t.db", tmp_path / "a")
    wire = Wire(server)
    body = json.dumps({"run_id": run_id, "key": "m", "value": 1, "timestamp": 1}).encode()
    head = f"POST {METRIC} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    wire.socket.sendall(
        f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )
    server.start()
    server.stop()
    assert wire.reply().status == 200
    assert len(store.metric_history(run_id, "m").items) == 1
    wire.close()
    store.close()


def test_it_serves_many_connections_at_once(server: LoopbackServer, run_id: str, tmp_path: Path) -> None:
    def log(number: int) -> None:
        wire = Wire(server)
        for step in range(20):
            body = {
                "run_id": run_id,
                "key": "m",
                "value": number,
                "timestamp": 1,
                "step": number * 100 + step,
            }
            assert wire.ask("POST", METRIC, body).status == 200
        wire.close()

    threads = [threading.Thread(target=log, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = open_sql_store(tmp_path / "tracking.db", tmp_path / "artifacts")
    assert len(store.metric_history(run_id, "m").items) == 320
    assert store.run(run_id).metrics[0].step == 1519
    store.close()


def test_a_client_that_breaks_off_leaves_nothing_and_harms_nobody(
    server: LoopbackServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    head = "PUT /api/2.0/mlflow-artifacts/artifacts/a/b HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {server.token}\r\n"
    for rest in (
        b"Content-Length: 1000\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"",
        b"\r",
    ):
        wire = Wire(server)
        wire.socket.sendall(head.encode() + rest)
        wire.close()
    for garbage in (
        b"\x16\x03\x01\x00",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"A" * 100_000,
    ):
        wire = Wire(server)
        wire.socket.sendall(garbage)
        wire.close()
    wire = Wire(server)
    assert wire.ask("GET", "/health").body == b"OK"
    wire.close()
    server.stop()
    assert [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()] == []
    assert capfd.readouterr() == ("", "")


def test_a_forked_child_does_not_keep_the_port(server: LoopbackServer) -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    try:
        wire = Wire(server)
        assert wire.ask("GET", "/health").body == b"OK"
        wire.close()
        server.stop()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(_address(server), timeout=5)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_database_that_cannot_be_opened_refuses_instead_of_hanging(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_text("no database" * 1000)

    def ask(server: LoopbackServer) -> None:
        wire = Wire(server)
        try:
            wire.ask("GET", "/health")
        finally:
            wire.close()

    with (
        LoopbackServer(tmp_path / "t.db", tmp_path / "a") as server,
        pytest.raises((ConnectionError, IndexError)),
    ):
        ask(server)
