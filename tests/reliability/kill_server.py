"""Kills the server at random moments under many writers, starts it again, and counts.

    python -m reliability.kill_server [--kills 200] [--writers 16] [--seed 0]

Not one acknowledged point may be lost, not one may be there twice (a writer repeats a request whose answer it has not
seen), and the database has to be sound after each kill.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

from reliability.harness import Server, Writer, check_database, check_writers, new_run

_LONGEST_S = 0.6
"""Between the start of the server and its end."""


def kill_often(directory: Path, *, kills: int, writers: int, seed: int = 0) -> int:
    """Returns how many points were acknowledged, all of which are there. Raises DamagedError."""
    chance = random.Random(seed)
    server = Server(directory / "home")
    server.start()
    runs = [new_run(server.port) for _ in range(max(1, writers // 4))]
    pool = [
        Writer(server.port, runs[number % len(runs)], f"metric_{number}", random.Random(f"{seed}-{number}"))
        for number in range(writers)
    ]
    for writer in pool:
        writer.start()
    for _ in range(kills):
        time.sleep(chance.uniform(0, _LONGEST_S))
        server.kill()
        check_database(server.home / "tracking.db")
        server.start()
    for writer in pool:
        writer.end()
    total = check_writers(server.port, pool)
    server.stop()
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--writers", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        total = kill_often(Path(name), kills=args.kills, writers=args.writers, seed=args.seed)
    print(
        f"{args.kills} kills under {args.writers} writers: {total} points acknowledged, all there, none twice"
    )


if __name__ == "__main__":
    main()
