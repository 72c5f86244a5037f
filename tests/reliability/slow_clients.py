"""Clients that are slow, silent or hostile, and one that only wants to log.

    python -m reliability.slow_clients [--each 100] [--seconds 10]

Half-sent heads, bodies that come a byte at a time, readers that never read, requests that are no HTTP: the honest
client goes on, the server's memory stays bounded, and it ends when it is asked to.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import tempfile
import threading
import time
from pathlib import Path

from reliability.harness import API, DamagedError, Server, Writer, check_writers, new_run

_MOST_MB = 250


def endure(directory: Path, *, each: int, seconds: float) -> tuple[int, float]:
    """Returns the points that the honest client logged and the memory of the server in MB. Raises DamagedError."""
    server = Server(directory / "home")
    server.start()
    run_id = new_run(server.port)
    honest = Writer(server.port, run_id, "honest", random.Random(0))
    ended = threading.Event()
    others = [
        threading.Thread(target=_misbehave, args=(kind, server.port, run_id, ended), daemon=True)
        for kind in (_half_head, _drop_by_drop, _never_reading, _nonsense)
        for _ in range(each)
    ]
    honest.start()
    for thread in others:
        thread.start()
    time.sleep(seconds)
    memory_mb = _memory_mb(server)
    honest.end()
    ended.set()
    for thread in others:
        thread.join(30)
    total = check_writers(server.port, [honest])
    server.stop()
    if not total:
        raise DamagedError("the honest client could log nothing")
    if memory_mb > _MOST_MB:
        raise DamagedError(f"the server has grown to {memory_mb:.0f} MB")
    return total, memory_mb


def _memory_mb(server: Server) -> float:
    assert server.process is not None
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def _misbehave(kind: object, port: int, run_id: str, ended: threading.Event) -> None:
    while not ended.is_set():
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=5) as connection,
        ):
            kind(connection, run_id, ended)  # type: ignore[operator]


def _half_head(connection: socket.socket, run_id: str, ended: threading.Event) -> None:
    connection.sendall(f"POST {API}runs/log-metric HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Run: {run_id}".encode())
    while not ended.wait(0.5):
        connection.sendall(b"x")


def _drop_by_drop(connection: socket.socket, run_id: str, ended: threading.Event) -> None:
    head = f"POST {API}runs/log-metric HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: 1000000\r\n\r\n".encode())
    while not ended.wait(0.2):
        connection.sendall(run_id[:1].encode())


def _never_reading(connection: socket.socket, run_id: str, ended: threading.Event) -> None:
    request = f"GET {API}runs/get?run_id={run_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    for _ in range(200):
        connection.sendall(request)
    ended.wait(5)


def _nonsense(connection: socket.socket, run_id: str, ended: threading.Event) -> None:
    chance = random.Random()
    connection.sendall(run_id.encode() + chance.randbytes(4096))
    connection.recv(1000)
    ended.wait(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--each", type=int, default=100, help="clients of each of the four kinds")
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        total, memory_mb = endure(Path(name), each=args.each, seconds=args.seconds)
    print(
        f"among {4 * args.each} bad clients one good one logged {total} points; the server has {memory_mb:.0f} MB"
    )


if __name__ == "__main__":
    main()
