"""A light HTTP client for the benchmarks: keep-alive connections, requests made beforehand, one thread.

The client shares the machine with the servers that it measures, so it does as little as it can.
"""

from __future__ import annotations

import json
import selectors
import socket
import statistics
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

API = "/api/2.0/mlflow/"


@dataclass
class Load:
    """What a server did with a number of requests."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: int) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000

    @property
    def median_ms(self) -> float:
        return statistics.median(self.latencies_s) * 1000

    def add(self, other: Load) -> None:
        self.seconds += other.seconds
        self.latencies_s += other.latencies_s


class Connection:
    """One keep-alive connection to 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=600)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = f"127.0.0.1:{port}"
        self._buffer = bytearray()
        self._expected = -1
        self.begun = 0.0

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode() + body

    def send(self, request: bytes) -> None:
        self.begun = time.perf_counter()
        self.socket.sendall(request)

    def received(self) -> tuple[int, bytes] | None:
        """Take what has come; the status and the body when the answer is whole."""
        part = self.socket.recv(1 << 20)
        if not part:
            raise ConnectionError("the server closed the connection")
        self._buffer += part
        if self._expected < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return None
            head = bytes(self._buffer[:end]).lower()
            start = head.index(b"content-length:") + len(b"content-length:")
            self._expected = end + 4 + int(head[start:].split(b"\r\n", 1)[0])
        if len(self._buffer) < self._expected:
            return None
        status = int(self._buffer[9:12])
        body = bytes(self._buffer[self._buffer.index(b"\r\n\r\n") + 4 : self._expected])
        del self._buffer[: self._expected]
        self._expected = -1
        return status, body

    def call(self, method: str, path: str, fields: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request of the API; its answer."""
        self.send(self.request(method, path, b"" if fields is None else json.dumps(fields).encode()))
        while (answer := self.received()) is None:
            pass
        status, body = answer
        if status != 200:
            raise RuntimeError(f"{method} {path}: {status} {body[:300]!r}")
        return json.loads(body) if body[:1] == b"{" else {}

    def close(self) -> None:
        self.socket.close()


def drive(port: int, connections: int, requests: Iterator[tuple[str, str, dict[str, Any]]]) -> Load:
    """Send the requests over that many connections, each with one under way; measure every answer."""
    opened = [Connection(port) for _ in range(connections)]
    made = [opened[0].request(method, path, json.dumps(fields).encode()) for method, path, fields in requests]
    waiting = iter(made)
    load, selector = Load(), selectors.DefaultSelector()
    begun = time.perf_counter()
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(next(waiting))
    while len(load.latencies_s) < len(made):
        for key, _ in selector.select(600):
            _step(key.data, waiting, load)
    load.seconds = time.perf_counter() - begun
    selector.close()
    for connection in opened:
        connection.close()
    return load


def _step(connection: Connection, waiting: Iterator[bytes], load: Load) -> None:
    answer = connection.received()
    if answer is None:
        return
    load.latencies_s.append(time.perf_counter() - connection.begun)
    if answer[0] != 200:
        raise RuntimeError(f"{answer[0]}: {answer[1][:300]!r}")
    following = next(waiting, None)
    if following is not None:
        connection.send(following)


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun
