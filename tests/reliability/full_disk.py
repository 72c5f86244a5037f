"""Fills the disk under the server, and frees it again. Needs the right to mount a small file system (root, on Linux).

    python -m reliability.full_disk [--megabytes 24]

While the disk is full every write is refused in words, reads go on, and what was acknowledged stays; with room again
the same server goes on.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reliability.harness import (
    Client,
    DamagedError,
    Server,
    Writer,
    check_database,
    check_writers,
    history,
    new_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def small_disk(place: Path, megabytes: int) -> Iterator[Path]:
    """A file system of that size. Raises OSError where none can be mounted."""
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode != 0:
        raise OSError("a file system cannot be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)


def fill_and_free(place: Path) -> tuple[int, int]:
    """Returns the points acknowledged before and after the disk was full. Raises DamagedError."""
    server = Server(place / "home")
    server.start()
    run_id = new_run(server.port)
    before = Writer(server.port, run_id, "before", random.Random(0))
    ballast = place / "ballast"
    _fill(ballast)
    refused = _write_until_refused(server.port, run_id, before)
    if "disk is full" not in refused:
        raise DamagedError(f"a full disk is told as {refused!r}")
    history(server.port, run_id, "before")
    _refused_artifact(server.port, run_id)
    ballast.unlink()
    after = Writer(server.port, run_id, "after", random.Random(1))
    after.start()
    while len(after.acknowledged) < 1000 and after.error is None:
        pass
    after.end()
    check_writers(server.port, [before, after])
    server.stop()
    check_database(server.home / "tracking.db")
    return len(before.acknowledged), len(after.acknowledged)


def _fill(ballast: Path) -> None:
    """Take all but a megabyte."""
    free = os.statvfs(ballast.parent)
    with ballast.open("wb") as file:
        file.write(b"\0" * (free.f_bavail * free.f_frsize - (1 << 20)))


def _write_until_refused(port: int, run_id: str, writer: Writer) -> str:
    """Log batches, by the writer's own account of what was acknowledged; returns why one was not."""
    client, step = Client(port), 0
    while step < 10_000_000:
        points = [(step + number, writer.chance.random()) for number in range(1000)]
        fields = [{"key": writer.key, "value": v, "timestamp": s, "step": s} for s, v in points]
        try:
            client.call("runs/log-batch", {"run_id": run_id, "metrics": fields}, patience_s=0)
        except OSError as error:
            client.close()
            return str(error)
        writer.acknowledged += points
        step += 1000
    raise DamagedError("the disk does not become full")


def _refused_artifact(port: int, run_id: str) -> None:
    """An upload that does not fit leaves nothing, and no part of it."""
    import http.client

    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/large.bin"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("PUT", path, b"\0" * (8 << 20))
        status = connection.getresponse().status
    except (BrokenPipeError, ConnectionResetError):  # refused before all was sent
        status = 507
    finally:
        connection.close()
    if status != 507:
        raise DamagedError(f"an artifact on a full disk is answered with {status}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=int, default=24)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, small_disk(Path(name) / "disk", args.megabytes) as place:
        before, after = fill_and_free(place)
    print(f"{before} points before the disk was full, {after} after: all acknowledged ones are there")


if __name__ == "__main__":
    main()
