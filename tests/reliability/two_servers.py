"""Two servers on one PostgreSQL: writers on both, some on the same run, and one of the servers killed again and again.

    python -m reliability.two_servers --store postgresql://user@host/database [--kills 20] [--writers 16]

Both see all that either has acknowledged; nothing is lost, doubled or stuck.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from reliability.harness import DamagedError, Server, Writer, check_writers, history, new_run


def share_a_store(directory: Path, store: str, *, kills: int, writers: int) -> int:
    """Returns how many points were acknowledged, all of which both servers have. Raises DamagedError."""
    chance = random.Random(0)
    words = ("--store", store, "--artifacts", str(directory / "artifacts"))
    steady, killed = (Server(directory / name / "home", words) for name in ("steady", "killed"))
    for server in (steady, killed):
        server.home.parent.mkdir()
        server.start()
    shared = new_run(steady.port)
    pool = []
    for number in range(writers):
        port = (steady, killed)[number % 2].port
        run_id = shared if number % 4 < 2 else new_run(port)
        pool.append(Writer(port, run_id, f"metric_{number}", random.Random(number)))
    for writer in pool:
        writer.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0, 0.6))
        killed.kill()
        killed.start()
    for writer in pool:
        writer.end()
    total = check_writers(steady.port, pool)
    for writer in pool:
        if history(killed.port, writer.run_id, writer.key) != history(steady.port, writer.run_id, writer.key):
            raise DamagedError(f"the two servers differ about {writer.key}")
    steady.stop()
    killed.stop()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", required=True)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--writers", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        total = share_a_store(Path(name), args.store, kills=args.kills, writers=args.writers)
    print(f"two servers, one killed {args.kills} times: {total} points acknowledged, all there, none twice")


if __name__ == "__main__":
    main()
