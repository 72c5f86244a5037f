"""A pipeline as it is shown: its steps with their states while it runs, and what came of them."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from bis.cli.style import Style, counted, duration, fields, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.pipelines.states import Step
    from bis.pipelines.submitted import PipelineRun

_SIGNS = {
    "waiting": "·",
    "running": "▸",
    "finished": "✓",
    "reused": "=",
    "failed": "✗",
    "killed": "✗",
    "skipped": "-",
}
_REDRAWN_EVERY_S = 1.0


class Board:
    """The steps on standard error: redrawn in place on a terminal, a line for each change elsewhere.

    What the steps write goes to standard output (``to_stderr``: to standard error), each line with the name of its
    step. Calls come from several threads.
    """

    def __init__(self, style: Style, *, quiet: bool, to_stderr: bool) -> None:
        self._style = style
        self._quiet = quiet
        self._output = sys.stderr if to_stderr else sys.stdout
        self._live = style.on and not quiet
        self._steps: dict[str, Step] = {}
        self._began: dict[str, float] = {}
        self._drawn = 0
        self._lock = threading.RLock()
        self._over = threading.Event()

    def begin(self, run_id: str, steps: Mapping[str, Step]) -> None:
        """Show all steps, before the first is run."""
        self._steps = dict(steps)
        if self._quiet:
            return
        title = f"pipeline {run_id[:8]}: {counted(len(steps), 'step')}"
        print(self._style.strong(title), file=sys.stderr, flush=True)
        if self._live:
            self._draw()
            threading.Thread(target=self._tick, daemon=True).start()

    def change(self, step: Step) -> None:
        """Show what has become of a step."""
        with self._lock:
            before = self._steps.get(step.name)
            self._steps[step.name] = step
            if step.state == "running":
                self._began.setdefault(step.name, time.monotonic())
            if self._live:
                self._draw()
            elif not self._quiet and (before is None or before.state != step.state):
                print(f"bis: {step.name} {step_words(step)}", file=sys.stderr, flush=True)

    def line(self, step: str, text: str) -> None:
        """Show a line that a step has written, above the steps."""
        with self._lock:
            self._erase()
            name = f"{self._style.faint(f'[{step}]')} " if not self._quiet else ""
            print(f"{name}{text}", file=self._output, flush=True)
            if self._live:
                self._draw()

    def note(self, step: str, text: str) -> None:
        """Show what bis has to say of a step, above the steps."""
        if self._quiet:
            return
        with self._lock:
            self._erase()
            print(f"{self._style.faint('bis:')} {step}: {text}", file=sys.stderr, flush=True)
            if self._live:
                self._draw()

    def close(self) -> None:
        """Take the steps from the terminal: the summary has them."""
        self._over.set()
        with self._lock:
            self._erase()
            self._live = False

    def _tick(self) -> None:
        while not self._over.wait(_REDRAWN_EVERY_S):
            with self._lock:
                if self._live:
                    self._draw()

    def _erase(self) -> None:
        if self._drawn:
            sys.stderr.write(f"\x1b[{self._drawn}A\x1b[J")
            sys.stderr.flush()
            self._drawn = 0

    def _draw(self) -> None:
        size = shutil.get_terminal_size()
        self._erase()
        lines = [self._row(step, size.columns) for step in self._shown(max(3, size.lines - 3))]
        ended = sum(step.state not in ("waiting", "running") for step in self._steps.values())
        lines.append(f"  {ended} of {len(self._steps)}")
        sys.stderr.write("".join(f"{line}\n" for line in lines))
        sys.stderr.flush()
        self._drawn = len(lines)

    def _shown(self, most: int) -> list[Step]:
        """The steps that fit: those that run first, in the order in which they are needed."""
        steps = list(self._steps.values())
        if len(steps) <= most:
            return steps
        rank = {"running": 0, "failed": 1, "killed": 1, "waiting": 2}
        chosen = sorted(steps, key=lambda step: rank.get(step.state, 3))[:most]
        return [step for step in steps if step in chosen]

    def _row(self, step: Step, columns: int) -> str:
        words = step_words(step)
        if step.state == "running":
            words += f" {time.monotonic() - self._began[step.name]:.0f} s"
        text = f"  {_SIGNS[step.state]} {step.name}  {words}"
        return _coloured(text[: max(10, columns - 1)], step, self._style)


def _coloured(text: str, step: Step, style: Style) -> str:
    if step.state in ("failed", "killed"):
        return style.bad(text)
    return style.faint(text) if step.state in ("waiting", "skipped") else text


def step_words(step: Step) -> str:
    """The state of a step in a few words."""
    words: str = step.state
    if step.state == "finished" and step.seconds is not None:
        words += f" in {duration(step.seconds)}"
    if step.state == "reused" and step.run_id:
        words += f" run {step.run_id[:8]}"
    if step.reason:
        words += f": {step.reason}"
    return words


def print_pipeline_summary(finished: PipelineRun, style: Style) -> None:
    """What became of each step, on standard error."""
    steps = finished.steps.values()
    counts = {state: sum(step.state == state for step in steps) for state in _SIGNS}
    said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    lines = [
        f"{_SIGNS[step.state]} {step.name}  {step_words(step)}"
        + (f"  {style.faint(step.run_id[:8])}" if step.run_id and step.state != "reused" else "")
        for step in steps
    ]
    metrics = "\n".join(f"{key} = {number(value)}" for key, value in sorted(finished.metrics.items())[:20])
    pairs = [
        ("run", finished.run_id[:8]),
        ("steps", "\n".join(lines)),
        ("metrics", metrics),
        ("more", f"bis show {finished.run_id[:8]}"),
    ]
    shown = fields([pair for pair in pairs if pair[1]], style)
    print(f"\n{style.status(finished.status)}: {said}\n{shown}", file=sys.stderr)


def print_faults(finished: PipelineRun) -> None:
    """What kept steps from being run: all that is said with ``--quiet``, for a command that fails says so itself."""
    for step in finished.steps.values():
        if step.state == "failed" and step.run_id is None:
            print(f"error: step {step.name!r}: {step.reason}", file=sys.stderr)


def pipeline_document(finished: PipelineRun) -> dict[str, Any]:
    """The object that ``bis run --json`` prints for a pipeline."""
    run = finished.run
    if run is None:
        raise AssertionError("it has ended")
    return {
        "run_id": finished.run_id,
        "run_name": run.info.name,
        "experiment_id": run.info.experiment_id,
        "status": finished.status,
        "reused": False,
        "exit_code": finished.exit_code,
        "parameters": finished.parameters,
        "metrics": finished.metrics,
        "tags": run.tags,
        "artifact_uri": finished.artifact_uri,
        "steps": {step.name: step.to_dict() for step in finished.steps.values()},
    }
