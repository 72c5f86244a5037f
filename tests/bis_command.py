"""The ``bis`` command as a user has it: a process of its own, a home of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass
class Result:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, read as the one JSON value that it has to be."""
        return json.loads(self.out)


@dataclass
class Bis:
    """Runs ``bis`` with one home."""

    home: Path
    cwd: Path
    variables: dict[str, str] = field(default_factory=dict)

    def environ(self, **more: str) -> dict[str, str]:
        """The test's own environment without what would steer bis, and with this home."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MLFLOW_", "BIS_RUN", "BIS_TRACKING"))
            and name != "PYTHONDONTWRITEBYTECODE"
        }
        return {**kept, "BIS_HOME": str(self.home), "NO_COLOR": "1", **self.variables, **more}

    def start(self, *words: str | Path, **variables: str) -> subprocess.Popen[str]:
        """Start ``bis WORDS`` and give back the process."""
        return subprocess.Popen(
            [sys.executable, "-m", "bis", *map(str, words)],
            cwd=self.cwd,
            env=self.environ(**variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )

    def __call__(self, *words: str | Path, **variables: str) -> Result:
        """Run ``bis WORDS`` to its end. A traceback is never right."""
        process = self.start(*words, **variables)
        result = finish(process)
        assert not _OUR_FRAME.search(result.err), result.err
        return result

    def run_json(self, *words: str | Path, **variables: str) -> Any:
        """The document of a ``bis run --json`` that ends well."""
        result = self("run", *words, "--json", **variables)
        assert result.status == 0, result.err
        return result.json

    def statuses(self) -> list[str]:
        """The status of each run, newest first."""
        return [run["status"] for run in self("list", "--json", "-n", "1000").json]


def finish(process: subprocess.Popen[str], timeout_s: float = 300) -> Result:
    """Wait for a process and take what it printed."""
    with process:
        out, err = process.communicate(timeout=timeout_s)
    return Result(process.returncode, out, err)


def await_file(path: Path, timeout_s: float = 60) -> str:
    """The text of a file that another process is about to write."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if path.exists() and path.read_text().strip():
            return path.read_text().strip()
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written in {timeout_s} s")


def write_project(directory: Path, mlproject: str, files: Mapping[str, str] | None = None) -> Path:
    """A project directory with an MLproject file and others."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "MLproject").write_text(mlproject)
    for name, text in (files or {}).items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def git(directory: Path, *words: str) -> str:
    """Run git in a directory, as somebody, at a fixed time."""
    moment = "2024-05-01T12:00:00+00:00"
    who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in _WHO}
    environ = {**os.environ, **who, "GIT_AUTHOR_DATE": moment, "GIT_COMMITTER_DATE": moment}
    return subprocess.run(
        ["git", *words], cwd=directory, env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()


_WHO: Sequence[tuple[str, str]] = (("NAME", "Tester"), ("EMAIL", "tester@example.org"))

_OUR_FRAME = re.compile(r'^  File "[^"]*/bis/[^"]*\.py", line', re.MULTILINE)
"""A line of a traceback that goes through bis: never right, whereas one of the user's script may be."""
