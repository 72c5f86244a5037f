"""``bis list``, ``bis show`` and ``bis logs``: the runs that there are."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

from bis.cli.parser import add_run, command, read_count
from bis.cli.stores import find_run, open_store
from bis.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import argparse

    from bis.cli.style import Style
    from bis.home import Home
    from bis.tracking import Run, RunSummary, Store


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``list``, ``show`` and ``logs``."""
    listing = command(
        commands,
        "list",
        list_runs,
        help="list runs, newest first",
        description="List the runs of bis's store (or of the server in MLFLOW_TRACKING_URI), newest first.",
        example="  bis list --experiment-name forests -n 50",
    )
    listing.add_argument("-n", "--max", metavar="N", default="20", help="how many (default: 20)")
    listing.add_argument("--experiment-name", metavar="NAME", help="only of this experiment")
    listing.add_argument("--json", action="store_true", help="print JSON")
    showing = command(
        commands,
        "show",
        show,
        help="show one run",
        description="Show one run: status, source, environment, parameters, metrics, tags, artifacts.",
        example="  bis show latest",
    )
    add_run(showing)
    showing.add_argument("--json", action="store_true", help="print JSON")
    logs = command(
        commands,
        "logs",
        show_log,
        help="print what a run wrote",
        description="Print what a run wrote on its standard output and standard error, in the order it came.",
        example="  bis logs latest",
    )
    add_run(logs)
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")
    logs.add_argument("--json", action="store_true", help="print JSON")


def list_runs(args: argparse.Namespace) -> int:
    """Print one line a run."""
    from bis.cli.style import Style, print_json, table

    _, store = open_store()
    count = read_count(args.max, "--max", "runs")
    summaries = store.recent_runs(count, experiment_id=_experiment_id(store, args.experiment_name))
    if args.json:
        print_json([_summary_document(summary) for summary in summaries])
        return 0
    if not summaries:
        print("No runs yet. Make one:  bis run URI", file=sys.stderr)
        return 0
    style = Style(sys.stdout)
    rows = [_row(summary, style) for summary in summaries]
    header = ["RUN", "NAME", "STATUS", "STARTED", "TIME", "EXPERIMENT", "PROJECT"]
    print(table(header, rows, style, flexible=("NAME", "EXPERIMENT", "PROJECT")))
    return 0


def show(args: argparse.Namespace) -> int:
    """Print one run."""
    from bis.cli.show import run_document, run_page
    from bis.cli.style import Style, print_json

    _, store = open_store()
    run = find_run(store, args.run)
    if args.json:
        print_json(run_document(store, run))
    else:
        print(run_page(store, run, Style(sys.stdout)))
    return 0


def show_log(args: argparse.Namespace) -> int:
    """Print a run's output: the live log of one that runs, else the one among its artifacts."""
    from bis.liveness import LOG, live_directory
    from bis.tracking.artifact_reading import artifact_bytes

    home, store = open_store()
    run = find_run(store, args.run)
    data: bytes | None
    if live_directory(home, run.info.run_id) is not None:
        data = _read_live(home, run.info.run_id, follow=args.follow and not args.json)
    else:
        data = artifact_bytes(store, run.info.run_id, f"bis/{LOG}")
    if args.json:
        from bis.cli.style import print_json

        print_json({"run_id": run.info.run_id, "output": (data or b"").decode("utf-8", "replace")})
    elif data is None:
        print(f"run {run.info.run_id[:8]} has no log: it was not made by bis run", file=sys.stderr)
        return 1
    else:
        sys.stdout.buffer.write(data)
    return 0


def _read_live(home: Home, run_id: str, *, follow: bool) -> bytes:
    """What a run has written so far; when following, print until it ends and give back nothing."""
    from bis.liveness import LOG, live_directory

    directory = live_directory(home, run_id)
    if directory is None:
        return b""
    try:
        with (directory / LOG).open("rb") as log:
            if not follow:
                return log.read()
            while True:
                ended = live_directory(home, run_id) is None
                data = log.read()
                sys.stdout.buffer.write(data)
                sys.stdout.buffer.flush()
                if ended:
                    return b""
                if not data:
                    time.sleep(0.2)
    except FileNotFoundError:  # it has not started to write
        return b""


def _experiment_id(store: Store, name: str | None) -> str | None:
    if name is None:
        return None
    experiment = store.experiment_named(name)
    if experiment is None:
        known = [known.name for known in store.search_experiments().items]
        raise UsageError(
            f"there is no experiment {name!r}",
            hint=did_you_mean(name, known) or f"There are: {', '.join(known)}.",
        )
    return experiment.experiment_id


def _row(summary: RunSummary, style: Style) -> list[str]:
    from bis.cli.style import short_place, when

    info = summary.info
    source = summary.tags.get("mlflow.source.name", "")
    entry_point = summary.tags.get("mlflow.project.entryPoint", "")
    return [
        info.run_id[:8],
        info.name,
        _status(summary, style),
        when(info.start_time),
        time_taken(summary),
        summary.experiment_name,
        f"{short_place(source)} {entry_point}".strip(),
    ]


def _status(summary: RunSummary, style: Style) -> str:
    """The status, and the verdict of a run that was verified."""
    from bis.tracking import tags

    status, verdict = style.status(summary.info.status.value), summary.tags.get(tags.VERDICT)
    return f"{status}, {verdict}" if verdict else status


def time_taken(run: Run | RunSummary) -> str:
    """How long the command ran, else the time between the run's beginning and end; empty for one that goes on."""
    from bis.cli.style import duration
    from bis.tracking import tags

    seconds = run.tags.get(tags.DURATION)
    if seconds is not None:
        return duration(float(seconds))
    end = run.info.end_time
    return "" if end is None else duration((end - run.info.start_time) / 1000)


def _summary_document(summary: RunSummary) -> dict[str, Any]:
    info = summary.info
    return {
        "run_id": info.run_id,
        "run_name": info.name,
        "experiment_id": info.experiment_id,
        "experiment_name": summary.experiment_name,
        "status": info.status.value,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "tags": summary.tags,
    }
