"""What `bis run` and `mlflow run` add to a command, on the same project, side by side.

    python benchmarks/run_overhead.py [--rounds 9] [--mlflow PYTHON] [--json FILE]

Prints medians of interleaved runs and their ratios. A warm environment, a script that only prints; both tools with
bytecode caches. MLflow is installed from the package index into a cached environment unless --mlflow names a Python
that has it.
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
from dataclasses import dataclass, field
from pathlib import Path

MLPROJECT = """\
name: overhead
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
    command: "python hello.py {alpha}"
"""
HELLO = """\
import time, sys
print("started", time.clock_gettime(time.CLOCK_MONOTONIC))
"""


@dataclass
class Series:
    """Seconds of one command, over the rounds."""

    name: str
    argv: list[str]
    wall_s: list[float] = field(default_factory=list)
    started_s: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def median_s(self) -> float:
        return statistics.median(self.wall_s)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--mlflow", type=Path, help="a Python with mlflow; default: one in a cached environment"
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    args = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as directory:
        figures = measure(Path(directory), args.rounds, args.mlflow or cached_mlflow())
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n")


def measure(directory: Path, rounds: int, mlflow: Path) -> dict[str, float]:
    project = directory / "project"
    project.mkdir()
    (project / "MLproject").write_text(MLPROJECT)
    (project / "python_env.yaml").write_text("dependencies: []\n")
    (project / "hello.py").write_text(HELLO)
    bin_directory = Path(sys.executable).parent
    env = {
        **os.environ,
        "PATH": f"{bin_directory}:{os.environ['PATH']}",
        "BIS_HOME": str(directory / "home"),
    }
    mlflow_env = {
        **os.environ,
        "PATH": f"{mlflow.parent}:{bin_directory}:{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": f"sqlite:///{directory}/mlflow.db",
    }
    bis = str(bin_directory / "bis")
    bare = Series("bare bash -c", ["bash", "-c", "python hello.py 0.5"])
    local = Series("bis run --env-manager local", [bis, "run", str(project), "--env-manager", "local", "-q"])
    own = Series("bis run (its own environment)", [bis, "run", str(project), "-q"])
    peer = Series(
        "mlflow run --env-manager local",
        [str(mlflow.parent / "mlflow"), "run", str(project), "--env-manager", "local"],
    )
    python = Series("python -c pass", [sys.executable, "-c", "pass"])
    imports = Series("python -c 'import bis'", [sys.executable, "-c", "import bis"])
    helped = Series("bis --help", [bis, "--help"])
    listed = Series("bis list", [bis, "list"])
    everything = [bare, local, own, peer, python, imports, helped, listed]
    for series in everything:
        run_once(series, project, mlflow_env if series is peer else env, keep=False)
    for _ in range(rounds):
        for series in everything:
            run_once(series, project, mlflow_env if series is peer else env, keep=True)
    return report(bare, local, own, peer, python, imports, helped, listed)


def run_once(series: Series, cwd: Path, env: dict[str, str], *, keep: bool) -> None:
    begun = time.clock_gettime(time.CLOCK_MONOTONIC)
    process = subprocess.Popen(
        series.argv, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.clock_gettime(time.CLOCK_MONOTONIC) - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(series.argv)} ended with {process.returncode}:\n{output}")
    if not keep:
        return
    series.wall_s.append(wall_s)
    series.peak_mb = max(series.peak_mb, usage.ru_maxrss / 1024)
    series.started_s += [
        float(line.split()[1]) - begun for line in output.splitlines() if line.startswith("started ")
    ]


def report(
    bare: Series,
    local: Series,
    own: Series,
    peer: Series,
    python: Series,
    imports: Series,
    helped: Series,
    listed: Series,
) -> dict[str, float]:
    print(f"{'':34}{'wall ms':>9}{'script starts ms':>18}{'peak MB':>9}")
    for series in (bare, local, own, peer, python, imports, helped, listed):
        begun = f"{statistics.median(series.started_s) * 1000:.0f}" if series.started_s else ""
        print(f"{series.name:34}{series.median_s * 1000:9.0f}{begun:>18}{series.peak_mb:9.0f}")
    peer_added = peer.median_s - bare.median_s
    figures = {
        "added by mlflow run, ms": peer_added * 1000,
        "added by bis run, ms (local)": (local.median_s - bare.median_s) * 1000,
        "added by bis run, ms (own environment)": (own.median_s - bare.median_s) * 1000,
        "mlflow / bis (local)": peer_added / (local.median_s - bare.median_s),
        "mlflow / bis (own environment)": peer_added / (own.median_s - bare.median_s),
        "import bis, ms": (imports.median_s - python.median_s) * 1000,
        "bis --help over python, ms": (helped.median_s - python.median_s) * 1000,
        "bis list over python, ms": (listed.median_s - python.median_s) * 1000,
        "script starts after, ms (local)": statistics.median(local.started_s) * 1000,
        "peak memory of bis run, MB": max(local.peak_mb, own.peak_mb),
    }
    print()
    for name, value in figures.items():
        print(f"{name:42}{value:9.1f}")
    return figures


def cached_mlflow() -> Path:
    """A Python with the latest mlflow, in an environment that is made once."""
    directory = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bis-benchmarks" / "mlflow"
    python = directory / "bin" / "python"
    if not (directory / "ready").exists():
        subprocess.run(
            ["uv", "venv", "--quiet", "--clear", "--python", sys.executable, str(directory)], check=True
        )
        subprocess.run(["uv", "pip", "install", "--quiet", "--python", str(python), "mlflow"], check=True)
        (directory / "ready").touch()
    return python


if __name__ == "__main__":
    main()
