"""What a workflow of many steps costs: again with one step changed, and for each run that a script starts.

    python benchmarks/workflow.py [--steps 30] [--calls 3] [--mlflow PYTHON] [--json FILE]

A chain of steps with `bis run`, the first time, again, and again with the code of one step changed; the step changes
nothing of what it makes, or all. Then a script with `mlflow.run`, executed by `bis run` and by `mlflow run`: the
seconds of each call, less those of the command itself; with synchronous=False MLflow starts itself once more for each.
MLflow is installed from the package index into a cached environment unless --mlflow names a Python that has it.
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

from run_overhead import cached_mlflow

STEP = """\
import os, sys, urllib.request
value = sys.argv[1]
place = "{MLFLOW_EXPERIMENT_ID}/{MLFLOW_RUN_ID}/artifacts/made.txt".format(**os.environ)
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow-artifacts/artifacts/" + place
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
before = open(sys.argv[2] + "/made.txt").read() if sys.argv[2:] else ""
urllib.request.urlopen(urllib.request.Request(url, (before + value).encode(), headers, method="PUT"))
"""
NESTED = """\
import mlflow, sys, time
for word in ("call", "async"):
    for _ in range(int(sys.argv[1])):
        begun = time.monotonic()
        parameters = {"n": 1}  # MLflow's asynchronous run fails without any
        mlflow.run(".", "child", parameters=parameters, env_manager="local", synchronous=word == "call").wait()
        print(word, time.monotonic() - begun, flush=True)
"""
NESTED_PROJECT = """\
name: nested
entry_points:
  main:
    parameters: {calls: int}
    command: "python nested.py {calls}"
  child:
    parameters: {n: int}
    command: "python -c pass {n}"
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--calls", type=int, default=3)
    parser.add_argument(
        "--mlflow", type=Path, help="a Python with mlflow; default: one in a cached environment"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as directory:
        figures = {
            **measure_chain(Path(directory), args.steps),
            **measure_calls(Path(directory), args.calls, args.mlflow or cached_mlflow()),
        }
    print()
    for name, value in figures.items():
        print(f"{name:58}{value:9.2f}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure_chain(directory: Path, steps: int) -> dict[str, float]:
    """Seconds of the whole command."""
    project = directory / "chain"
    project.mkdir()
    lines = ["name: chain", "entry_points:"]
    for index in range(steps):
        after = f"\n    after: [step{index - 1}]" if index else ""
        before = f" {{steps.step{index - 1}.artifact_uri}}" if index else ""
        lines.append(f'  step{index}:{after}\n    command: "python step{index}.py {index}{before}"')
        (project / f"step{index}.py").write_text(STEP)
    (project / "MLproject").write_text("\n".join(lines) + "\n")
    last, middle = f"step{steps - 1}", project / f"step{steps // 2}.py"
    env = {**os.environ, "BIS_HOME": str(directory / "home")}
    bis = [str(Path(sys.executable).parent / "bis"), "run", str(project), "-e", last, "--json"]
    once = [*bis[:3], "-e", "step0", "--quiet", "--reuse=no"]
    timed(once, env)  # the environment is there

    figures = {"one step alone, s": timed(once, env)[0]}
    figures[f"{steps} steps, the first time, s"] = timed(bis, env)[0]
    figures[f"{steps} steps, nothing changed, s"] = checked(bis, env, reused=steps)
    middle.write_text(STEP + "# another comment\n")
    figures["one changed, which makes the same, s"] = checked(bis, env, reused=steps - 1)
    (project / f"{last}.py").write_text(STEP.replace("before + value", "before + value + '!'"))
    figures["the last changed, s"] = checked(bis, env, reused=steps - 1)
    return figures


def checked(command: list[str], env: dict[str, str], *, reused: int) -> float:
    """Seconds of a pipeline of which so many steps have to be reused."""
    seconds, output = timed(command, env)
    states = [step["state"] for step in json.loads(output)["steps"].values()]
    if states.count("reused") != reused:
        sys.exit(f"{states.count('reused')} steps were reused, and not {reused}")
    return seconds


def measure_calls(directory: Path, calls: int, mlflow: Path) -> dict[str, float]:
    """Seconds that each nested run adds to its command."""
    project = directory / "nested"
    project.mkdir()
    (project / "MLproject").write_text(NESTED_PROJECT)
    (project / "nested.py").write_text(NESTED)
    path = f"{mlflow.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "BIS_HOME": str(directory / "home")}
    peer_env = {**env, "MLFLOW_TRACKING_URI": f"sqlite:///{directory}/mlflow.db"}
    words = ["run", str(project), "--env-manager", "local", "-P", f"calls={calls}"]
    bare = statistics.median(timed([str(mlflow), "-c", "pass"], env)[0] for _ in range(5))
    figures = {}
    for name, command, variables in (
        ("bis run", str(Path(sys.executable).parent / "bis"), env),
        ("mlflow run", str(mlflow.parent / "mlflow"), peer_env),
    ):
        timed([command, *words[:-1], "calls=1"], variables)
        seconds, output = timed([command, *words], variables)
        for word, how in (("call", ""), ("async", " (synchronous=False)")):
            taken = [float(line.split()[1]) for line in output.splitlines() if line.startswith(f"{word} ")]
            figures[f"added by each mlflow.run{how}, {name}, s"] = statistics.median(taken) - bare
        figures[f"the script with 2 x {calls} calls, {name}, s"] = seconds
    return figures


def timed(command: list[str], env: dict[str, str]) -> tuple[float, str]:
    """Wall seconds of a command, and what it printed."""
    begun = time.monotonic()
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return time.monotonic() - begun, done.stdout


if __name__ == "__main__":
    main()
