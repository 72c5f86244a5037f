"""What `bis rerun` costs beside `bis run`, warm, on the tutorial project and on one that only prints.

    python benchmarks/rerun.py [--rounds 9]

Prints medians of interleaved commands and their ratio.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HELLO = "entry_points: {main: {command: 'echo hello'}}\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        environ = {**os.environ, "BIS_HOME": str(directory / "home")}
        bis([sys.executable, "-m", "bis", "init", str(directory / "tutorial")], environ)
        (directory / "hello").mkdir()
        (directory / "hello" / "MLproject").write_text(HELLO)
        for project in ("hello", "tutorial"):
            run = [sys.executable, "-m", "bis", "run", str(directory / project), "-q"]
            bis(run, environ)
            again = [sys.executable, "-m", "bis", "rerun", "latest", "-q"]
            bis(again, environ)
            taken = [(bis(run, environ), bis(again, environ)) for _ in range(args.rounds)]
            first, second = (statistics.median(each) for each in zip(*taken, strict=True))
            print(
                f"{project:10} run {first * 1000:6.0f} ms   rerun {second * 1000:6.0f} ms   ratio {second / first:.2f}"
            )


def bis(argv: list[str], environ: dict[str, str]) -> float:
    """Seconds of one command, which has to end well."""
    begun = time.perf_counter()
    answer = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{' '.join(argv)} ended with {answer.returncode}:\n{answer.stdout}{answer.stderr}")
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
