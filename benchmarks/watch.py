"""What looking at a run costs: the audit hook, and the observer of every program.

    python benchmarks/watch.py [--rounds 15] [--python PYTHON] [--json FILE]

Prints the times of three scripts without a look, with the audit hook and with ``--trace full``: the least of
interleaved runs, and their ratios. The hook may add at most 3 % to the training script. scikit-learn and pandas are
installed from the package index into a cached environment unless --python names a Python that has them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from bis.execution.group import Command
from bis.execution.interruption import Interruption
from bis.execution.output import Streams
from bis.execution.supervision import supervise
from bis.execution.variables import PROBE
from bis.execution.watch.tracing import Tracer

TRAINING = """\
import copy, json
import numpy as np, pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split

frame = pd.read_csv("data.csv")
x, y = frame.drop(columns="label").to_numpy(), frame["label"].to_numpy()
train, test, train_y, test_y = train_test_split(x, y, random_state=0)
forest = RandomForestClassifier(n_estimators=40, random_state=0).fit(train, train_y)
print(forest.score(test, test_y), cross_val_score(LogisticRegression(max_iter=300), x, y).mean())
history = []
for epoch in range(200):  # what a training loop does in Python itself
    loss = float(np.mean((x @ np.ones(x.shape[1])) ** 2))
    history.append({"epoch": epoch, "loss": loss, "state": copy.deepcopy(forest.get_params())})
json.dump(history, open("history.json", "w"))
"""
OPENS = """\
import os
for number in range(20000):
    with open("data.csv", "rb") as file:
        file.read(10)
"""
PRINTS = "print('hello')\n"
SCRIPTS = {"training": TRAINING, "20,000 opens": OPENS, "prints": PRINTS}
LOOKS = ("none", "audit hook", "every program")


@dataclass
class Series:
    """Seconds of one script with one look, over the rounds."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--python", type=Path, help="a Python with scikit-learn and pandas")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), args.rounds, args.python or cached_python())
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(directory: Path, rounds: int, python: Path) -> dict[str, float]:
    write_data(directory / "data.csv")
    figures: dict[str, float] = {}
    print(f"{'':16}{'look':16}{'wall ms':>9}{'cpu ms':>9}{'wall x':>8}{'cpu x':>8}")
    for name, text in SCRIPTS.items():
        (directory / "script.py").write_text(text)
        series = {look: Series() for look in LOOKS}
        for number in range(rounds + 1):
            for look in LOOKS:
                run_once(directory, python, look, series[look] if number else Series())
        for look in LOOKS:
            figures |= report(name, look, series[look], series["none"])
    return figures


def report(name: str, look: str, series: Series, bare: Series) -> dict[str, float]:
    wall_ms, cpu_ms = min(series.wall_s) * 1000, min(series.cpu_s) * 1000  # what others did slowed no minimum
    wall, cpu = min(series.wall_s) / min(bare.wall_s), min(series.cpu_s) / min(bare.cpu_s)
    print(f"{name:16}{look:16}{wall_ms:9.0f}{cpu_ms:9.0f}{wall:8.3f}{cpu:8.3f}", flush=True)
    return {f"{name}, {look}: wall, times": wall, f"{name}, {look}: processor time, times": cpu}


def run_once(directory: Path, python: Path, look: str, series: Series) -> None:
    """The seeding part of the probe stays out, so that the difference is the look alone."""
    with tempfile.TemporaryDirectory() as place:
        reports = Path(place)
        env = {
            **os.environ,
            "PYTHONPATH": str(PROBE),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }
        if look != "none":
            env.update(BIS_REPORT=place, BIS_LINEAGE="0")
        tracer = (
            Tracer(reports, directory=directory, passed_over=[python.parent.parent])
            if look == LOOKS[2]
            else None
        )
        begun = time.perf_counter()
        ending = supervise(
            Command(
                f"exec {python} script.py",
                cwd=directory,
                env=env,
                words_before=tracer.words if tracer else (),
                descriptors=(tracer.descriptor,) if tracer else (),
            ),
            log=reports / "log",
            streams=Streams(None, None),
            interruption=Interruption(),
            on_start=lambda _session: tracer.started() if tracer else None,
        )
        series.wall_s.append(time.perf_counter() - begun)
        series.cpu_s.append(ending.usage.cpu_s)
        if tracer:
            tracer.finish()
        if ending.exit_code:
            sys.exit((reports / "log").read_text())


def write_data(file: Path) -> None:
    """A table of 3,000 rows and 20 columns, the same on every machine."""
    rows = [",".join([*(f"c{column}" for column in range(20)), "label"])]
    state = 1
    for _ in range(3000):
        values = []
        for _ in range(20):
            state = (state * 1103515245 + 12345) % (1 << 31)
            values.append(state / (1 << 31))
        rows.append(",".join([*(f"{value:.6f}" for value in values), str(int(values[0] + values[1] > 1))]))
    file.write_text("\n".join(rows) + "\n")


def cached_python() -> Path:
    """A Python with scikit-learn and pandas, in an environment that is made once."""
    directory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bis-benchmarks" / "sklearn"
    python = directory / "bin" / "python"
    if not (directory / "ready").exists():
        subprocess.run(
            ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, directory], check=True
        )
        packages = ["scikit-learn", "pandas"]
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", python, *packages], check=True)
        (directory / "ready").touch()
    return python


if __name__ == "__main__":
    main()
