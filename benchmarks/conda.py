"""How long bis takes to make a conda environment, and to run in it again, beside bare rattler and bare bash.

    python benchmarks/conda.py [--rounds 7] [--packages 60]

The channel is made here: a Python of pyenv's, pip, and packages of 100 files each; the cache of packages is warm.
Each round makes the environment from one lock with ``realize`` and with rattler's own ``install``, in turns and in
fresh processes, the import of rattler included in both, and runs ``python -c pass`` in the finished environment
with ``bis run`` and with ``bash -c`` in its activated prefix. Medians, their ratio and their difference are
printed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from bis import environments
from bis.environments import AsOf, Environment, Lock
from bis.home import Home
from environments.conda_channel import Channel, python_package, pythons

BY_BIS = """
import json, sys, time
from pathlib import Path
from bis import environments
from bis.environments import Lock
from bis.home import Home
lock = Lock.from_dict(json.loads(Path(sys.argv[1]).read_text()))
begun = time.perf_counter()
assert environments.realize(lock, home=Home(Path(sys.argv[2])), notify=lambda note: None).created
print(time.perf_counter() - begun)
"""

BY_RATTLER = """
import os, sys, time
from pathlib import Path
begun = time.perf_counter()
import asyncio
from rattler.install import install
from rattler.lock import LockFile
locked = LockFile.from_path(Path(sys.argv[1]))
records = locked.default_environment().conda_repodata_records_for_platform(locked.platforms()[0])
cache = Path(os.environ["RATTLER_CACHE_DIR"]) / "pkgs"
asyncio.run(install(records, Path(sys.argv[2]), cache_dir=cache, show_progress=False))
print(time.perf_counter() - begun)
"""


def main() -> None:
    """Measure and print."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--packages", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        work = Path(name)
        os.environ["RATTLER_CACHE_DIR"] = str(work / "cache")
        project, home = make_project(work, options.packages), Home(work / "home")
        lock, made = prepare(project, home)
        (work / "lock.json").write_text(json.dumps(lock.to_dict()))
        (work / "conda-lock.yml").write_text(lock.conda)
        built = [build_round(number, work) for number in range(options.rounds)]
        run = [run_round(number, project, home, made) for number in range(options.rounds)]
    report(lock, options.rounds, built, run)


def make_project(work: Path, packages: int) -> Path:
    """Return a project that needs so many packages, from a channel that is made for it."""
    channel = Channel(work / "channel")
    names = [f"package-{number:03}" for number in range(packages)]
    for name in names:
        module = name.replace("-", "_")
        more = {f"site-packages/{module}_more/part_{n}.py": f"X = {n}\n" * 50 for n in range(100)}
        files = python_package(name, "1.0") | more
        channel.add(name, "1.0", files=files, depends=("python",), noarch="python")
    project = work / "project"
    project.mkdir()
    lines = "".join(f"  - {name}\n" for name in ("python=3.13", *names))
    project.joinpath("conda.yaml").write_text(
        f"channels: [{pythons().url}, {channel.url}]\ndependencies:\n{lines}"
    )
    project.joinpath("MLproject").write_text(
        "conda_env: conda.yaml\nentry_points: {main: {command: 'python -c pass'}}\n"
    )
    return project


def prepare(project: Path, home: Home) -> tuple[Lock, Environment]:
    """Resolve the lock and build it once, which fills the cache."""
    spec = environments.detect(project, kind=None, file=None, manager=None)
    lock = environments.lock(spec, as_of=AsOf.first_run(), home=home, notify=_say)
    return lock, environments.realize(lock, home=home, notify=_say)


def build_round(number: int, work: Path) -> tuple[float, float]:
    """Return the seconds of bis and of rattler, each in a place that was never there before, in turns."""
    bis = [BY_BIS, str(work / "lock.json"), str(work / f"home-{number}")]
    rattler = [BY_RATTLER, str(work / "conda-lock.yml"), str(work / f"bare-{number}")]
    if number % 2:
        second = own_seconds_of(rattler)
        return own_seconds_of(bis), second
    return own_seconds_of(bis), own_seconds_of(rattler)


def own_seconds_of(program: list[str]) -> float:
    """Run a program in a fresh process and return the seconds that it took by its own clock, its imports included."""
    done = subprocess.run([sys.executable, "-c", *program], check=True, capture_output=True, text=True)
    return float(done.stdout)


def run_round(number: int, project: Path, home: Home, made: Environment) -> tuple[float, float]:
    """Return the seconds of ``bis run`` and of bash in the activated prefix, in turns."""
    variables = {**os.environ, "BIS_HOME": str(home.root)}
    command = [sys.executable, "-m", "bis", "run", "--quiet", str(project)]
    bare = ["bash", "-c", "python -c pass"]
    inside = made.variables(os.environ)
    if number % 2:
        second = seconds_of(bare, inside)
        return seconds_of(command, variables), second
    return seconds_of(command, variables), seconds_of(bare, inside)


def seconds_of(command: list[str], variables: dict[str, str] | None = None) -> float:
    """Run a command and return how long it took."""
    begun = time.perf_counter()
    subprocess.run(command, check=True, env=variables, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def report(lock: Lock, rounds: int, built: list[tuple[float, float]], run: list[tuple[float, float]]) -> None:
    """Print medians."""
    bis, rattler = (statistics.median(each) for each in zip(*built, strict=True))
    print(f"{len(lock.packages)} packages, medians of {rounds} interleaved rounds")
    print(f"bis realize                 {bis:6.3f} s")
    print(f"rattler install             {rattler:6.3f} s")
    print(f"ratio                       {bis / rattler:6.2f}   (at most 1.2)")
    inside, bare = (statistics.median(each) for each in zip(*run, strict=True))
    print(f"bis run, environment there  {inside:6.3f} s")
    print(f"bash -c in it               {bare:6.3f} s")
    print(f"added                       {inside - bare:6.3f} s (at most 0.2)")


def _say(note: str) -> None:
    print(f"  {note}", file=sys.stderr)


if __name__ == "__main__":
    main()
