"""``bis run``."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command, read_count, read_pairs, read_parameters, read_seconds

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from bis.backends.project_run import ProjectRun
    from bis.cli.style import Style
    from bis.execution import Record
    from bis.pipelines import PipelineOptions
    from bis.pipelines.submitted import PipelineRun
    from bis.projects import EntryPoint
    from bis.runs import RunOptions

_DESCRIPTION = """\
Run an entry point of a project, in the environment that the project declares, and
record it: source, environment, parameters, metrics, artifacts, output.

URI is a folder, a Git URI, or a zip or tar archive; #subdirectory and @version may follow.
Takes every option of `mlflow run`, with the same letters and the same meaning."""

_EXAMPLE = """\
  bis run examples/iris -P learning_rate=0.05 -P num_epochs=20
  bis run https://host/user/repo#sub/project -v v1.2 -e train"""

FINISHED, FAILED, INTERRUPTED = 0, 1, 130


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``run``."""
    parser = command(commands, "run", run, help="run a project", description=_DESCRIPTION, example=_EXAMPLE)
    add = parser.add_argument
    add("uri", metavar="URI", help="folder, Git URI or archive")
    what = parser.add_argument_group("what to run")
    what.add_argument(
        "-e", "--entry-point", metavar="NAME", default="main", help="entry point, or a script (default: main)"
    )
    what.add_argument("-v", "--version", metavar="VERSION", help="branch, tag or commit, for a Git URI")
    what.add_argument(
        "-P",
        "--param-list",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter; repeat for more",
    )
    what.add_argument(
        "--reuse",
        nargs="?",
        const="yes",
        choices=["yes", "no", "always"],
        metavar="HOW",
        help="take a finished run of the same instead of executing it again: yes (--reuse alone), no,"
        " or always (also when it used the network)",
    )
    what.add_argument("--no-reuse", dest="reuse", action="store_const", const="no", help="execute each step")
    what.add_argument(
        "-j", "--jobs", metavar="N", help="steps of a pipeline that run at the same time (default: cores)"
    )
    what.add_argument(
        "--env-file", metavar="FILE", help="set the variables of this dotenv file for the command"
    )
    add_place_options(parser)
    add_level_options(parser)
    where = parser.add_argument_group("environment and backend")
    where.add_argument(
        "--env-manager",
        metavar="NAME",
        help="uv, virtualenv, conda or local (default: by the project's files)",
    )
    where.add_argument("--as-of", metavar="DATE", help="resolve unpinned packages as of a date, or 'latest'")
    where.add_argument("--upgrade", action="store_true", help="resolve unpinned packages anew, as of now")
    where.add_argument(
        "--locked",
        action="store_true",
        help="take the project's own lock (bis lock), and fail when it is stale",
    )
    where.add_argument(
        "-b", "--backend", metavar="NAME", default="local", help="where to run (default: local)"
    )
    where.add_argument(
        "-c", "--backend-config", metavar="FILE|JSON", help="a .json file, or JSON, for the backend"
    )
    where.add_argument(
        "--storage-dir", metavar="DIR", help="where path parameters are downloaded to (MLFLOW_TMP_DIR)"
    )
    where.add_argument(
        "--timeout", metavar="SECONDS", help="end the run after this time; 90, 30m and 2h are understood"
    )
    where.add_argument(
        "-A",
        "--docker-args",
        metavar="NAME[=VALUE]",
        action="append",
        default=[],
        help="an option of the container engine: -A memory=2g, -A gpus=all, -A env=NAME",
    )
    parser.value_hints["-A"] = "Write the engine's option without dashes: -A memory=2g."
    where.add_argument(
        "--build-image",
        action="store_true",
        help="run in an image of its own that the project is copied into",
    )
    where.add_argument(
        "--container-engine",
        metavar="docker|podman",
        help="which engine runs containers (default: BIS_CONTAINER_ENGINE, else the first that is there)",
    )
    where.add_argument(
        "--system-metrics",
        action="store_true",
        help="log how busy processors, memory, disk, network and GPUs are",
    )
    where.add_argument(
        "--system-metrics-interval", metavar="SECONDS", help="the same, each so many seconds (default: 10)"
    )
    show = parser.add_argument_group("what is shown")
    show.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    show.add_argument(
        "--explain",
        action="store_true",
        help="say why an earlier run could be taken (--reuse) or not; alone, stop there",
    )
    add_output_options(show)


def add_output_options(show: argparse._ArgumentGroup) -> None:
    """Add the options that say how the result of an execution is shown."""
    show.add_argument(
        "--json",
        action="store_true",
        help="print the result as JSON; the script's output goes to standard error",
    )
    show.add_argument("-q", "--quiet", action="store_true", help="show the script's output alone")


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a run is recorded, and under which name."""
    place = parser.add_argument_group("how it is recorded")
    place.add_argument(
        "--experiment-name", metavar="NAME", help="experiment, made when absent (MLFLOW_EXPERIMENT_NAME)"
    )
    place.add_argument("--experiment-id", metavar="ID", help="experiment by id (MLFLOW_EXPERIMENT_ID)")
    place.add_argument("--run-name", metavar="NAME", help="the run's name (default: a random one)")
    place.add_argument("--run-id", metavar="ID", help="go on with this run instead of a new one")
    place.add_argument(
        "--set-tag",
        metavar="KEY=VALUE",
        action="append",
        default=[],
        help="a tag on the run; repeat for more",
    )


def add_level_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how much of a run is held."""
    held = parser.add_argument_group("what is held")
    held.add_argument(
        "--seed", metavar="N|random", help="what random numbers begin with (default: 0; BIS_SEED)"
    )
    held.add_argument("--level", metavar="LEVEL", help="observe, seed or strict (default: seed; BIS_LEVEL)")
    held.add_argument(
        "--trace",
        choices=["audit", "full"],
        metavar="HOW",
        help="who looks at what is read: audit (Python alone; default) or full (every program, slower;"
        " default with --reuse)",
    )
    held.add_argument(
        "--keep-env",
        metavar="NAME",
        action="append",
        default=[],
        help="an environment variable that decides the result: record its value; repeat for more",
    )


def run(args: argparse.Namespace) -> int:
    """Run the project; 0 when it finished, 1 when it failed, 130 when it was interrupted."""
    options = read_options(args)
    if args.dry_run:
        return _print_plan(options, args)
    if args.explain:
        _explain(options, args)
        if options.reuse is None:
            return FINISHED
    from bis.backends.project_run import ProjectRun
    from bis.cli.style import Style, notifier
    from bis.cli.summary import print_opening, repeat_command
    from bis.execution import Streams
    from bis.pipelines import start

    style = Style(sys.stderr)
    shown = not args.quiet
    jobs = None if args.jobs is None else read_count(args.jobs, "--jobs", "steps")
    with contextlib.ExitStack() as board:
        finished = start(
            options,
            notify=notifier(quiet=args.quiet),
            streams=Streams.on_stderr() if args.json else Streams.of_process(),
            show_progress=shown and style.on,
            announce=lambda prepared: print_opening(prepared, style) if shown else None,
            pipeline=lambda: _on_board(board, jobs, args, style),
        )
    if not isinstance(finished, ProjectRun):
        return report_pipeline(finished, args, style)
    return report(finished, args, style, again=repeat_command(options, finished.prepared))


def report(finished: ProjectRun, args: argparse.Namespace, style: Style, *, again: str = "") -> int:
    """Show the result of an execution as the output options ask for it; returns the exit status."""
    from bis.cli.style import print_json
    from bis.cli.summary import print_summary, result_document

    if args.json:
        print_json(result_document(finished))
    elif not args.quiet:
        print_summary(finished, style, again=again)
    return _exit_status(finished.result.record)


def _on_board(
    closing: contextlib.ExitStack, jobs: int | None, args: argparse.Namespace, style: Style
) -> PipelineOptions:
    """A pipeline that shows its steps on standard error."""
    from bis.cli.pipeline import Board
    from bis.pipelines import PipelineOptions

    board = Board(style, quiet=args.quiet, to_stderr=args.json)
    closing.callback(board.close)
    return PipelineOptions(
        jobs=jobs,
        on_begin=board.begin,
        on_change=board.change,
        on_line=board.line,
        on_note=board.note,
    )


def report_pipeline(finished: PipelineRun, args: argparse.Namespace, style: Style) -> int:
    """Show what came of a pipeline as the output options ask for it; returns the exit status."""
    from bis.cli.pipeline import pipeline_document, print_faults, print_pipeline_summary
    from bis.cli.style import print_json

    if args.json:
        print_json(pipeline_document(finished))
    elif not args.quiet:
        print_pipeline_summary(finished, style)
    else:
        print_faults(finished)
    if finished.stopped_by is not None:
        return INTERRUPTED
    return FINISHED if finished.status == "FINISHED" else FAILED


def read_options(args: argparse.Namespace) -> RunOptions:
    """The arguments as options of a run; raises UsageError or ParameterError for what cannot be read."""
    from bis.plans import ContainerOptions, choose_engine, read_level, read_seed
    from bis.runs import RunOptions, read_backend_config

    choose_engine(args.container_engine)
    read_backend_config(args.backend_config)
    return RunOptions(
        uri=args.uri,
        entry_point=args.entry_point,
        version=args.version,
        parameters=read_parameters(args.param_list),
        experiment_name=args.experiment_name,
        experiment_id=args.experiment_id,
        backend=args.backend,
        env_manager=args.env_manager or None,
        storage_dir=args.storage_dir,
        run_id=args.run_id,
        run_name=args.run_name,
        tags=read_pairs("--set-tag", args.set_tag),
        env_file=args.env_file,
        container=ContainerOptions.read(args.docker_args, build_image=args.build_image),
        timeout_s=None if args.timeout is None else read_seconds(args.timeout),
        as_of=args.as_of,
        upgrade=args.upgrade,
        seed=None if args.seed is None else read_seed(args.seed),
        level=None if args.level is None else read_level(args.level),
        trace=args.trace,
        reuse=args.reuse,
        quiet=args.quiet,
        system_metrics_s=_system_metrics_s(args),
        keep_env=tuple(dict.fromkeys(args.keep_env)),
        locked=args.locked,
    )


def _system_metrics_s(args: argparse.Namespace) -> float | None:
    """Seconds between two samples of the machine; None when none is asked for."""
    if args.system_metrics_interval is not None:
        return max(0.1, read_seconds(args.system_metrics_interval, "--system-metrics-interval"))
    if not args.system_metrics:
        return None
    from bis.client.system_metrics import default_interval_s

    return default_interval_s()


def _print_plan(options: RunOptions, args: argparse.Namespace) -> int:
    from dataclasses import replace

    from bis import projects, sources
    from bis.cli.style import Style, notifier, print_json
    from bis.cli.summary import plan_fields
    from bis.home import Home
    from bis.projects.steps import needed
    from bis.runs import prepare_run

    home = Home.locate()
    home.ensure()
    notify = notifier(quiet=args.quiet)
    with sources.fetch(options.uri, options.version, home=home, notify=notify) as source:
        project = projects.load(source.directory, root=source.root)
        steps = needed(project, options.entry_point)
        if len(steps) > 1:
            _print_steps(steps, args)
            return 0
        prepared = prepare_run(replace(options, source=source, project=project), home=home, notify=notify)
        if args.json:
            print_json({**prepared.plan.to_dict(), "digest": prepared.plan.digest})
        else:
            print(plan_fields(prepared, Style(sys.stdout)))
    return 0


def _print_steps(steps: Iterable[EntryPoint], args: argparse.Namespace) -> None:
    """A pipeline in the order in which it would be run: the plan of a step is known when those before it have ended."""
    from bis.cli.style import Style, fields, print_json

    if args.json:
        found = [{"name": each.name, "after": each.after, "command": each.preview()} for each in steps]
        print_json({"steps": found})
        return
    pairs = []
    for step in steps:
        after = f"after {', '.join(step.after)}: " if step.after else ""
        pairs.append((step.name, f"{after}{step.preview()}"))
    print(fields(pairs, Style(sys.stdout)))


def _explain(options: RunOptions, args: argparse.Namespace) -> None:
    """Say of each step whether a run can be taken for it, and why: the result, where nothing else is asked for."""
    from bis.cli.style import Style, notifier, print_json
    from bis.pipelines.explaining import explain_run

    steps = explain_run(options, notify=notifier(quiet=args.quiet))
    is_result = options.reuse is None
    if args.json and is_result:
        found = {step.name: step.explanation for step in steps}
        print_json({name: {"reusable": each.run_id, "reasons": each.lines} for name, each in found.items()})
        return
    stream = sys.stdout if is_result else sys.stderr
    style = Style(stream)
    for step in steps:
        verb = "would be reused" if step.explanation.run_id else "would be executed"
        print(f"{style.strong(step.name)} {verb}", file=stream)
        for line in step.explanation.lines:
            print(f"  {line}", file=stream)


def _exit_status(record: Record) -> int:
    """0 when the command ended well, 1 when it did not, 130 when it was interrupted."""
    if record.stopped_by not in (None, "timeout"):
        return INTERRUPTED
    return FINISHED if record.exit_code == 0 and record.stopped_by is None else FAILED
