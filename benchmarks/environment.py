"""How long bis takes to make an environment, and to find it again, beside bare uv with the same lock.

    python benchmarks/environment.py [--rounds 5] [--as-of 2024-05-01]

The lock is that of the tutorial (Python 3.8, scikit-learn, pandas, mlflow), resolved once; uv's cache is warm.
Each round makes the environment with bis and with ``uv venv`` + ``uv pip sync --require-hashes --offline``, in
turns, and takes the warm path (detect, lock, realize in a fresh process). Medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bis import environments
from bis.environments import AsOf, Lock, interpreters
from bis.environments.uv_command import uv_environment, uv_executable
from bis.home import Home

EXAMPLE = Path(__file__).parent.parent / "examples" / "iris"

WARM = """
import sys, time
from pathlib import Path
import json, yaml
begun = time.process_time()
from bis import environments
from bis.home import Home
directory, home = Path(sys.argv[1]), Home(Path(sys.argv[2]))
spec = environments.detect(directory, kind=None, file=None, manager=None)
lock = environments.lock(spec, as_of=environments.AsOf.option(sys.argv[3]), home=home, notify=print)
assert not environments.realize(lock, home=home, notify=print, directory=directory).created
print(time.process_time() - begun)
"""


def main() -> None:
    """Measure and print."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--as-of", default="2024-05-01")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        home = Home(Path(name) / "home")
        spec = environments.detect(EXAMPLE, kind=None, file=None, manager=None)
        lock = environments.lock(spec, as_of=AsOf.option(options.as_of), home=home, notify=_say)
        made_by_bis(lock, home)  # warms the cache of uv and the list of interpreters
        taken = [one_round(number, lock, home, Path(name)) for number in range(options.rounds)]
        warm = [warm_path(home, options.as_of) for _ in range(options.rounds)]
    bis, uv = (statistics.median(each) for each in zip(*taken, strict=True))
    print(
        f"{len(lock.packages)} packages, Python {lock.python}, medians of {options.rounds} interleaved rounds"
    )
    print(f"bis realize                 {bis:6.2f} s")
    print(f"uv venv + uv pip sync       {uv:6.2f} s")
    print(f"ratio                       {bis / uv:6.2f}   (at most 1.15)")
    print(f"detect + lock + realize, environment there: {statistics.median(warm) * 1000:.1f} ms of CPU")


def one_round(number: int, lock: Lock, home: Home, work: Path) -> tuple[float, float]:
    """Return the seconds of bis and of uv, each in a directory that was never there before.

    They take turns at going first, since each leaves writes behind. Nothing is removed in between: a name that is
    made again after it was removed costs the file system several times as much.
    """
    fresh, goal = Home(work / f"home-{number}"), work / f"bare-{number}"
    shutil.copytree(home.cache, fresh.cache)
    if number % 2:
        uv = made_by_uv(lock, home, goal)
        return made_by_bis(lock, fresh), uv
    return made_by_bis(lock, fresh), made_by_uv(lock, home, goal)


def made_by_bis(lock: Lock, home: Home) -> float:
    """Return the seconds that bis takes."""
    begun = time.perf_counter()
    assert environments.realize(lock, home=home, notify=_say).created
    return time.perf_counter() - begun


def made_by_uv(lock: Lock, home: Home, goal: Path) -> float:
    """Return the seconds that uv takes by hand."""
    python = interpreters.find(lock.python, None, home=home, notify=_say).interpreter.path
    requirements = goal.with_suffix(".txt")
    requirements.write_text(lock.requirements)
    sync = [
        "pip",
        "sync",
        "--require-hashes",
        "--offline",
        "-q",
        "--python",
        goal / "bin/python",
        requirements,
    ]
    begun = time.perf_counter()
    made: list[str | Path] = ["venv", "-q", "--python", python, goal]
    for command in (made, sync):
        subprocess.run([uv_executable(), *command], env=uv_environment(os.environ), check=True)
    return time.perf_counter() - begun


def warm_path(home: Home, as_of: str) -> float:
    """Return the CPU seconds of the warm path in a fresh process, the imports of this room included."""
    command = [sys.executable, "-c", WARM, str(EXAMPLE), str(home.root), as_of]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _say(note: str) -> None:
    print(f"  {note}", file=sys.stderr)


if __name__ == "__main__":
    main()
