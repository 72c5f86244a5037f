"""Runs a script as a run of bis would: with the probe, at a seed and a level."""

from __future__ import annotations

import os
import subprocess
import textwrap
from typing import TYPE_CHECKING

from bis.execution.variables import PROBE
from bis.plans.levels import variables_of
from bis.plans.variables import decides

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.plans import Level


def run_script(
    python: str,
    code: str,
    directory: Path,
    *,
    level: Level | None = "seed",
    seed: int = 0,
    caller: Mapping[str, str] | None = None,
    command: str = 'exec "$PYTHON" script.py',
) -> str:
    """What the script writes to standard output. ``level=None`` is without bis; ``caller`` sets variables before."""
    (directory / "script.py").write_text(textwrap.dedent(code))
    environ = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    environ.update(PYTHON=python, **(caller or {}))
    if level is not None:
        held = variables_of(level, seed, cores=2)
        environ = {**environ, **held} if level == "strict" else {**held, **environ}
        report = directory / f"report {len(list(directory.iterdir()))}"
        report.mkdir()
        environ.update(
            PYTHONPATH=str(PROBE),
            BIS_SEED=str(seed),
            BIS_LEVEL=level,
            BIS_LINEAGE="0",
            BIS_REPORT=str(report),
        )
    answer = subprocess.run(
        ["bash", "-c", command], cwd=directory, env=environ, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def _is_ours(name: str) -> bool:
    return decides(name) or name.startswith(("BIS_", "MLFLOW_", "PYTHON"))
