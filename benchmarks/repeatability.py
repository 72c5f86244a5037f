"""How many of five runs of one script give the same result: under `mlflow run`, under bis at `seed` and at `strict`.

    python benchmarks/repeatability.py [--rounds 5] [--only NAME]... [--python PYTHON] [--json FILE]

One small project for each source of variation: those that bis can hold from outside, and those that it cannot or will
not (time, security entropy), which are listed as what they are. No script is changed for bis. The packages come from
the package index into a cached environment, unless --python names an interpreter that has them.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("mlflow", "numpy", "scikit-learn", "joblib", "xgboost", "lightgbm")


@dataclass(frozen=True)
class Case:
    """A script whose last printed line is its result. ``held_at`` is the level from which on it must repeat."""

    name: str
    script: str
    held_at: str | None = "seed"
    threads: str | None = None
    """OMP_NUM_THREADS of the caller."""


CASES = (
    Case("random", "import random; print(random.random())"),
    Case(
        "random in a new process",
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import random; print(random.random())'])",
    ),
    Case("numpy, global generator", "import numpy; print(numpy.random.rand())"),
    Case("numpy, default_rng()", "import numpy; print(numpy.random.default_rng().random())"),
    Case(
        "scikit-learn, split and forest",
        "from sklearn.datasets import load_iris\n"
        "from sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.model_selection import train_test_split\n"
        "a, b, c, d = train_test_split(*load_iris(return_X_y=True))\n"
        "print(RandomForestClassifier(5).fit(a, c).predict_proba(b).tolist())",
    ),
    Case("order of a set of strings", "print(list({str(i) for i in range(50)}))"),
    Case(
        "order of a set of objects",
        "class A: pass\nnames = {A(): i for i in range(50)}\nprint([names[a] for a in set(names)])",
        "strict",
    ),
    Case(
        "joblib workers",
        "import random\nfrom joblib import Parallel, delayed\n"
        "print(Parallel(n_jobs=2)(delayed(random.random)() for _ in range(1)))",
    ),
    Case(
        "multiprocessing, spawn",
        "import multiprocessing, random\n"
        "def draw(queue): queue.put(random.random())\n"
        "if __name__ == '__main__':\n"
        "    context = multiprocessing.get_context('spawn')\n"
        "    results = []\n"
        "    for _ in range(3):\n"
        "        queue = context.Queue()\n"
        "        process = context.Process(target=draw, args=(queue,))\n"
        "        process.start(); results.append(queue.get()); process.join()\n"
        "    assert len(set(results)) == 3\n"
        "    print(results)",
    ),
    Case(
        "xgboost, subsampled",
        "import numpy, xgboost\nx = numpy.random.rand(200, 4); y = (x[:, 0] > .5).astype(int)\n"
        "model = xgboost.XGBClassifier(n_estimators=5, subsample=.5).fit(x, y)\n"
        "print(model.predict_proba(x).ravel().tolist())",
    ),
    Case(
        "lightgbm, bagged",
        "import numpy, lightgbm\nx = numpy.random.rand(400, 4); y = (x[:, 0] > .5).astype(int)\n"
        "model = lightgbm.LGBMClassifier(n_estimators=5, subsample=.5, subsample_freq=1, verbose=-1).fit(x, y)\n"
        "print(model.predict_proba(x).ravel().tolist())",
    ),
    Case(
        "KMeans on 8 threads",
        "import numpy\nfrom sklearn.cluster import KMeans\n"
        "x = numpy.random.RandomState(0).rand(20000, 8)\n"
        "print(KMeans(8, n_init=1, random_state=0, max_iter=20).fit(x).cluster_centers_.ravel().tolist())",
        "strict",
        threads="8",
    ),
    Case(
        "locale and time zone", "import time, locale; print(time.tzname, locale.setlocale(locale.LC_ALL, ''))"
    ),
    Case("the clock", "import time; print(time.time())", None),
    Case("uuid4", "import uuid; print(uuid.uuid4())", None),
    Case("os.urandom", "import os; print(os.urandom(8).hex())", None),
)

RUNNERS = ("mlflow", "seed", "strict")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", action="append", help="a part of a case's name")
    parser.add_argument("--python", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = args.python or cached_python()
    cases = [case for case in CASES if not args.only or any(part in case.name for part in args.only)]
    table: dict[str, dict[str, int]] = {}
    broken = []
    print(
        f"{'identical results of ' + str(args.rounds):38}{'mlflow':>8}{'seed':>8}{'strict':>8}   bis holds it"
    )
    with tempfile.TemporaryDirectory() as directory:
        for index, case in enumerate(cases):
            project = write_project(Path(directory) / str(index), case)
            table[case.name] = {
                runner: most_common(project, case, runner, python, Path(directory), args.rounds)
                for runner in RUNNERS
            }
            counts = table[case.name]
            held = f"from {case.held_at} on" if case.held_at else "no, and says so"
            print(
                f"{case.name:38}{counts['mlflow']:8}{counts['seed']:8}{counts['strict']:8}   {held}",
                flush=True,
            )
            broken += [case.name for runner in must_hold(case) if counts[runner] != args.rounds]
    if args.json:
        args.json.write_text(json.dumps(table, indent=2) + "\n")
    if broken:
        sys.exit(f"not held: {', '.join(dict.fromkeys(broken))}")


def must_hold(case: Case) -> tuple[str, ...]:
    """The levels at which every run has to give the same."""
    return {"seed": ("seed", "strict"), "strict": ("strict",), None: ()}[case.held_at]


def most_common(project: Path, case: Case, runner: str, python: Path, directory: Path, rounds: int) -> int:
    """How many of the rounds gave the most frequent result."""
    results = [run(project, case, runner, python, directory) for _ in range(rounds)]
    return collections.Counter(results).most_common(1)[0][1]


def run(project: Path, case: Case, runner: str, python: Path, directory: Path) -> str:
    """One run; the last line that the script printed."""
    environ = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "TQDM_DISABLE": "1"}
    if case.threads:
        environ["OMP_NUM_THREADS"] = case.threads
    if runner == "mlflow":
        argv = [str(python.parent / "mlflow"), "run", str(project), "--env-manager", "local"]
        environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{directory}/mlflow.db"
    else:
        argv = [
            sys.executable,
            "-m",
            "bis",
            "run",
            str(project),
            "--env-manager",
            "local",
            "-q",
            "--level",
            runner,
        ]
        environ["BIS_HOME"] = str(directory / "home")
    answer = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    if answer.returncode:
        sys.exit(f"{' '.join(argv)} ended with {answer.returncode}:\n{answer.stderr}")
    return answer.stdout.splitlines()[-1]


def write_project(directory: Path, case: Case) -> Path:
    directory.mkdir()
    (directory / "MLproject").write_text("entry_points: {main: {command: python main.py}}\n")
    (directory / "main.py").write_text(case.script + "\n")
    return directory


def cached_python() -> Path:
    """A Python with the packages, in an environment that is made once."""
    directory = (
        Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bis-benchmarks" / "repeatability"
    )
    python = directory / "bin" / "python"
    if not (directory / "ready").exists():
        subprocess.run(
            ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(directory)], check=True
        )
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), *PACKAGES], check=True)
        (directory / "ready").touch()
    return python


if __name__ == "__main__":
    main()
