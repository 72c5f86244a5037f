"""Measures the snapshot of an unchanged tree against ``git status`` on the same tree.

    python benchmarks/snapshot.py [--files 20000] [--rounds 15]

Both are run in turn, so that a busy machine slows both; what is printed are medians, of wall time. ``fetch``
is all that ``bis run DIRECTORY`` asks of Git: status, tracked files, branch, remote, commit date and the
snapshot.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bis.home import Home
from bis.sources import fetch

if TYPE_CHECKING:
    from collections.abc import Callable

_FILES_IN_A_DIRECTORY = 100


def main() -> None:
    parser = argparse.ArgumentParser(description="snapshot of an unchanged tree against git status")
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        _measure(Path(directory), options.files, options.rounds)


def _measure(directory: Path, files: int, rounds: int) -> None:
    tree = _make_tree(directory / "tree", files)
    home = Home(directory / "home")

    def snapshot() -> None:
        fetch(str(tree), None, home=home, notify=print).close()

    def status() -> None:
        subprocess.run(["git", "status", "--porcelain"], cwd=tree, check=True, capture_output=True)

    first = _seconds(snapshot)
    time.sleep(1.1)  # Git reads files again that are as young as its index
    snapshot()
    status()
    pairs = [(_seconds(status), _seconds(snapshot)) for _ in range(rounds)]
    git_s = statistics.median(pair[0] for pair in pairs)
    bis_s = statistics.median(pair[1] for pair in pairs)
    (tree / "0" / "0.txt").write_text("changed\n")
    changed = _seconds(snapshot)
    print(f"{files} files, {rounds} rounds")
    print(f"git status            {git_s * 1000:8.1f} ms")
    print(f"fetch, unchanged      {bis_s * 1000:8.1f} ms   {bis_s / git_s:.2f} times git status")
    print(f"fetch, one changed    {changed * 1000:8.1f} ms")
    print(f"fetch, the first time {first * 1000:8.1f} ms")


def _make_tree(tree: Path, files: int) -> Path:
    for number in range(files):
        file = tree / str(number // _FILES_IN_A_DIRECTORY) / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{number}\n" * 20)
    identity = ("-c", "user.name=bis", "-c", "user.email=bis@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "files")):
        subprocess.run(["git", *identity, *command], cwd=tree, check=True)
    return tree


def _seconds(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


if __name__ == "__main__":
    main()
