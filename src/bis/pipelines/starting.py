"""Starts an entry point: alone, or as the last step of a pipeline."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bis import projects, runs, sources
from bis.home import Home
from bis.projects.steps import needed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.backends.project_run import ProjectRun
    from bis.backends.submitted import SubmittedRun
    from bis.execution import Streams
    from bis.pipelines.states import Step
    from bis.pipelines.submitted import PipelineRun
    from bis.plans import Prepared
    from bis.runs import RunOptions


def show_line(step: str, line: str, descriptor: int = 1) -> None:
    """Write a line of a step, with its name, to a descriptor: standard output, where its command would write alone."""
    with contextlib.suppress(OSError):  # nobody reads any more
        os.write(descriptor, f"[{step}] {line}\n".encode())


@dataclass(frozen=True, kw_only=True)
class PipelineOptions:
    """How a pipeline is run and shown."""

    jobs: int | None = None
    """How many steps may run at the same time; None: as many as there are cores."""
    on_begin: Callable[[str, Mapping[str, Step]], None] = lambda _run_id, _steps: None
    on_change: Callable[[Step], None] = lambda _: None
    on_line: Callable[[str, str], None] = show_line
    """A line that a step has written; called from the thread of that step."""
    on_note: Callable[[str, str], None] | None = None
    """What bis has to say of a step; None: said as what it says of the whole."""


def start(
    options: RunOptions,
    *,
    notify: Callable[[str], None],
    synchronous: bool = True,
    streams: Streams | None = None,
    show_progress: bool = False,
    announce: Callable[[Prepared], None] = lambda _: None,
    begun: Callable[[SubmittedRun | PipelineRun], None] = lambda _: None,
    pipeline: Callable[[], PipelineOptions] = PipelineOptions,
) -> ProjectRun | PipelineRun:
    """Run an entry point with all that it comes after; ``pipeline`` is asked only where there is something.

    Raises a BisError for every mistake in the project, the steps or the parameters, before anything is run.
    """
    home = Home.locate()
    home.ensure()
    source = options.source or sources.fetch(options.uri, options.version, home=home, notify=notify)
    try:
        project = options.project or projects.load(source.directory, root=source.root)
        entries = needed(project, options.entry_point)
        known = replace(options, source=source, project=project)
        if len(entries) > 1 or entries[0].after:
            from bis.pipelines.running import PlannedPipeline  # most projects have one entry point at a time

            planned = PlannedPipeline(known, project, source, entries, home, notify)
            return planned.start(pipeline(), synchronous=synchronous, begun=begun)
        return runs.start(
            known,
            notify=notify,
            synchronous=synchronous,
            streams=streams,
            show_progress=show_progress,
            announce=announce,
            begun=begun,
        )
    except BaseException:
        source.close()
        raise
