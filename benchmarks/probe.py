"""What bis's probe adds to the start of a Python, in each one that is here.

    python benchmarks/probe.py [--rounds 30] [--limit-ms 30]

Prints the least of interleaved starts, which other work on the machine disturbs least, and fails above the limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
sys.path[:0] = [str(REPOSITORY / "src"), str(REPOSITORY / "tests")]

from bis.execution.variables import PROBE  # noqa: E402
from execution.interpreters import interpreters  # noqa: E402

PROGRAMS = {"nothing": "pass", "what is amended": "import random, tempfile, subprocess, multiprocessing.pool"}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--limit-ms", type=float, default=30.0)
    options = parser.parse_args()
    worst = 0.0
    for python in interpreters():
        for name, code in PROGRAMS.items():
            bare, probed = least_ms(python, code, options.rounds)
            worst = max(worst, probed - bare)
            print(
                f"{python}: {name}: {bare:.1f} ms bare, {probed:.1f} ms with the probe (+{probed - bare:.1f})"
            )
    return 0 if worst <= options.limit_ms else 1


def least_ms(python: str, code: str, rounds: int) -> tuple[float, float]:
    """The quickest start without and with the probe, seeding and watching."""
    bare = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    }
    with tempfile.TemporaryDirectory() as report:
        probed = {
            **bare,
            "PYTHONPATH": str(PROBE),
            "BIS_SEED": "0",
            "BIS_LEVEL": "seed",
            "BIS_LINEAGE": "0",
            "BIS_REPORT": report,
            "BIS_RUN_ID": "f" * 32,
            "BIS_TRACKING_URI": "http://127.0.0.1:9",
        }
        times = [(start_ms(python, code, bare), start_ms(python, code, probed)) for _ in range(rounds)]
    return min(time for time, _ in times), min(time for _, time in times)


def start_ms(python: str, code: str, environ: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run([python, "-c", code], env=environ, check=True)
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    sys.exit(main())
