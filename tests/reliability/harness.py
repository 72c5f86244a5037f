"""A server that can be killed and started again, writers that remember what was acknowledged, and the check of both.

Each script of this directory runs by itself, in the directory `tests` (`python -m reliability.kill_server --help`), and
as a slow test with fewer rounds.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from pathlib import Path

API = "/api/2.0/mlflow/"
_AGAIN_S = 0.05
_READY_S = 30.0


class DamagedError(Exception):
    """The server broke a promise."""


@dataclass
class Server:
    """``bis server`` over a home, always at the same port."""

    home: Path
    words: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.port = self.port or free_port()
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "BIS_"))
        }
        environ["BIS_HOME"] = str(self.home)
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home.parent / f"server-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bis", "server", "--port", str(self.port), *self.words],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise DamagedError(f"the server ended with {self.process.returncode}; see {log.name}")
            try:
                with Client(self.port) as client:
                    if client.get("/health") == "OK":
                        return
            except OSError:
                time.sleep(0.02)
        raise DamagedError(f"the server is not ready after {_READY_S} s")

    def kill(self) -> None:
        """End it as a power cut would: at once, in the middle of whatever it does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it in the ordinary way."""
        assert self.process is not None
        self.process.terminate()
        if self.process.wait(60) != 0:
            raise DamagedError(f"the server ended with {self.process.returncode} when it was asked to end")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Client:
    """The least of an MLflow client: one connection, JSON, and the same request again when the answer does not come."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def get(self, path: str) -> str:
        """The text of one answer, without repetition."""
        status, body = self._once("GET", path, None)
        if status != 200:
            raise OSError(f"{path}: {status}")
        return body.decode()

    def call(self, path: str, fields: dict[str, Any], *, patience_s: float = 60.0) -> dict[str, Any]:
        """POST until there is an answer, as clients do; raises OSError with any but 200 that is final."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                status, body = self._once("POST", API + path, fields)
            except (OSError, http.client.HTTPException):
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_S)
                continue
            if status == 200:
                found: dict[str, Any] = json.loads(body)
                return found
            if status not in (429, 500, 502, 503, 504) or time.monotonic() > deadline:
                raise OSError(f"{path}: {status} {body[:300]!r}")
            time.sleep(_AGAIN_S)

    def _once(self, method: str, path: str, fields: dict[str, Any] | None) -> tuple[int, bytes]:
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
            body = None if fields is None else json.dumps(fields)
            self._connection.request(method, path, body, {"Content-Type": "application/json"})
            reply = self._connection.getresponse()
            return reply.status, reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


@dataclass
class Writer:
    """Logs points to a run, one request after the other, and remembers each that was acknowledged."""

    port: int
    run_id: str
    key: str
    chance: random.Random
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Let it finish its request, and raise what it met."""
        self._ended.set()
        self._thread.join(120)
        if self._thread.is_alive():
            raise DamagedError(f"the writer of {self.key} waits for an answer that does not come")
        if self.error is not None:
            raise DamagedError(f"the writer of {self.key}: {self.error}") from self.error

    def _write(self) -> None:
        client, step = Client(self.port), 0
        try:
            while not self._ended.is_set():
                count = self.chance.choice((1, 1, 1, 10, 100))
                points = [(step + number, self.chance.random()) for number in range(count)]
                self._send(client, points)
                self.acknowledged += points
                step += count
        except BaseException as error:  # noqa: BLE001 (raised by end)
            self.error = error
        finally:
            client.close()

    def _send(self, client: Client, points: list[tuple[int, float]]) -> None:
        fields = [
            {"key": self.key, "value": value, "timestamp": step, "step": step} for step, value in points
        ]
        if len(fields) == 1:
            client.call("runs/log-metric", {"run_id": self.run_id, **fields[0]})
        else:
            client.call("runs/log-batch", {"run_id": self.run_id, "metrics": fields})


def new_run(port: int) -> str:
    """Make a run; returns its id."""
    with Client(port) as client:
        made = client.call("runs/create", {"experiment_id": "0", "start_time": 1})
    return str(made["run"]["info"]["run_id"])


def history(port: int, run_id: str, key: str) -> list[tuple[int, float]]:
    """All points of a metric as the server tells them: step and value."""
    found: list[tuple[int, float]] = []
    token = ""
    while True:
        query = f"run_id={run_id}&metric_key={key}&max_results=25000" + (
            f"&page_token={token}" if token else ""
        )
        with Client(port) as client:
            page = json.loads(client.get(f"{API}metrics/get-history?{query}"))
        found += [(int(each["step"]), float(each["value"])) for each in page.get("metrics", ())]
        token = page.get("next_page_token", "").replace("=", "%3D").replace("+", "%2B").replace("/", "%2F")
        if not token:
            return found


def check_writers(port: int, writers: list[Writer]) -> int:
    """Every acknowledged point is there, and none twice; returns how many there are. Raises DamagedError."""
    total = 0
    for writer in writers:
        there = Counter(history(port, writer.run_id, writer.key))
        lost = [point for point in writer.acknowledged if point not in there]
        if lost:
            raise DamagedError(
                f"{writer.key}: {len(lost)} acknowledged points are lost, {lost[0]} among them"
            )
        doubled = [point for point, count in there.items() if count > 1]
        if doubled:
            raise DamagedError(
                f"{writer.key}: {len(doubled)} points are there twice, {doubled[0]} among them"
            )
        total += len(writer.acknowledged)
    return total


def check_database(file: Path) -> None:
    """SQLite finds nothing wrong with the file. Raises DamagedError."""
    connection = sqlite3.connect(f"{file.as_uri()}?mode=rw", uri=True, timeout=60)
    try:
        found = connection.execute("PRAGMA integrity_check").fetchall()
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
    finally:
        connection.close()
    if found != [("ok",)] or broken:
        raise DamagedError(f"{file}: {found[:3]} {broken[:3]}")
