"""Many clients write one run at once: points, parameters and tags, the same ones and their own.

python -m reliability.one_run [--clients 64] [--seconds 10]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from pathlib import Path

from reliability.harness import (
    API,
    Client,
    DamagedError,
    Server,
    Writer,
    check_database,
    check_writers,
    new_run,
)


def write_one_run(directory: Path, *, clients: int, seconds: float) -> int:
    """Returns how many points were acknowledged, all of which are there. Raises DamagedError."""
    server = Server(directory / "home")
    server.start()
    run_id = new_run(server.port)
    pool = [Writer(server.port, run_id, f"metric_{n}", random.Random(n)) for n in range(clients)]
    pool += [Writer(server.port, run_id, "shared", random.Random("shared")) for _ in range(2)]
    describing = [threading.Thread(target=_describe, args=(server.port, run_id, n)) for n in range(clients)]
    for writer in pool:
        writer.start()
    for thread in describing:
        thread.start()
    time.sleep(seconds)
    for writer in pool:
        writer.end()
    for thread in describing:
        thread.join()
    total = check_writers(server.port, pool)
    _check_description(server.port, run_id, clients)
    server.stop()
    check_database(server.home / "tracking.db")
    return total


def _describe(port: int, run_id: str, number: int) -> None:
    """One parameter that all log alike, one of its own, and a tag that all set."""
    client = Client(port)
    client.call("runs/log-parameter", {"run_id": run_id, "key": "same", "value": "for all"})
    client.call("runs/log-parameter", {"run_id": run_id, "key": f"own_{number}", "value": str(number)})
    client.call("runs/set-tag", {"run_id": run_id, "key": "last", "value": str(number)})
    client.close()


def _check_description(port: int, run_id: str, clients: int) -> None:
    with Client(port) as client:
        run = json.loads(client.get(f"{API}runs/get?run_id={run_id}"))["run"]
    params = {each["key"]: each["value"] for each in run["data"]["params"]}
    expected = {"same": "for all", **{f"own_{n}": str(n) for n in range(clients)}}
    if params != expected:
        raise DamagedError(f"the parameters are {params}")
    latest = {each["key"]: each for each in run["data"]["metrics"]}
    if len(latest) != clients + 1:
        raise DamagedError(f"{len(latest)} latest metrics for {clients + 1} keys")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        total = write_one_run(Path(name), clients=args.clients, seconds=args.seconds)
    print(f"{args.clients} clients on one run: {total} points acknowledged, all there, none twice")


if __name__ == "__main__":
    main()
