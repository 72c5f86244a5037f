"""What `bis run` adds to a container that only prints: against `podman run` of the same image, side by side.

    python benchmarks/container.py [--rounds 9]

Needs podman, runc and busybox; the image is built from this Python, without a registry.
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

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from containers import build_python, make_podman, remove_podman

MLPROJECT = """\
docker_env: {image: "python:1"}
entry_points:
  main:
    command: "python -c pass"
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    place = Path(tempfile.mkdtemp(prefix="bis-podman-"))
    try:
        podman = make_podman(place)
        build_python(podman, Path(sys.executable), compiled=True)
        project = place / "project"
        project.mkdir()
        (project / "MLproject").write_text(MLPROJECT)
        environ = {**os.environ, **podman.environ, "BIS_HOME": str(place / "home")}
        bare = ["podman", "run", "--rm", "python:1", "python", "-c", "pass"]
        ours = [str(Path(sys.executable).with_name("bis")), "run", "-q", str(project)]
        report(measure([bare, ours], rounds, environ))
    finally:
        remove_podman(place)


def measure(commands: list[list[str]], rounds: int, environ: dict[str, str]) -> list[list[float]]:
    """Seconds of each command, by command, in interleaved rounds after one that warms."""
    taken: list[list[float]] = [[] for _ in commands]
    for turn in range(rounds + 1):
        for command, seconds in zip(commands, taken, strict=True):
            begun = time.perf_counter()
            subprocess.run(command, env=environ, check=True, capture_output=True)
            if turn:
                seconds.append(time.perf_counter() - begun)
    return taken


def report(taken: list[list[float]]) -> None:
    bare, ours = map(statistics.median, taken)
    print(f"podman run   {bare * 1000:7.0f} ms")
    print(f"bis run      {ours * 1000:7.0f} ms")
    print(f"bis adds     {(ours - bare) * 1000:7.0f} ms")


if __name__ == "__main__":
    main()
