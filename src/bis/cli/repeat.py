"""``bis rerun``, ``bis verify`` and ``bis diff``: a run executed again, and two runs held against each other."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli.comparisons import check_metrics, check_report, print_comparison
from bis.cli.parser import RUN_HELP, add_run, command, read_count, read_pairs, read_parameters, read_seconds

if TYPE_CHECKING:
    import argparse

    from bis.execution import Streams
    from bis.home import Home
    from bis.plans import Level
    from bis.repeat.comparison import Comparison, Tolerance
    from bis.repeat.recorded import RecordedRun
    from bis.repeat.rerun import RerunOptions
    from bis.tracking import Store

_CAPSULE_HELP = f"{RUN_HELP}, or the file of a capsule"

_RERUN = """\
Execute the plan of a past run again, in its source, its environment and with its
seed, and say whether the result is the same and, if not, why.
Exit status: 0 the same (or close within a tolerance you state), 1 it differs,
2 wrong use, 3 the run cannot be executed again."""

_VERIFY = """\
Execute a run again several times. What differs between the rounds is not
deterministic. The verdict is kept with the run.
Exit status: as for bis rerun, and 4 when the result is not deterministic."""

_DIFF = """\
What differs between two runs: the causes first (source, parameters, inputs,
packages, interpreter, host, seed), then the results. With one run: the uncommitted
changes with which it was made.
Exit status: 0 the same results, or no changes; 1 different ones, or changes."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``rerun``, ``verify`` and ``diff``."""
    again = command(
        commands,
        "rerun",
        rerun,
        help="execute a run again and compare",
        description=_RERUN,
        example="  bis rerun latest\n  bis rerun 3fa9 -P num_epochs=40",
    )
    add_run(again, _CAPSULE_HELP)
    again.add_argument(
        "-P",
        "--param-list",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="the same run with a change",
    )
    again.add_argument("--keep", action="store_true", help="keep the directory in which it runs")
    _add_common(again)
    verifying = command(
        commands,
        "verify",
        verify,
        help="execute a run again several times and keep the verdict",
        description=_VERIFY,
        example="  bis verify latest --rounds 5",
    )
    add_run(verifying, _CAPSULE_HELP)
    verifying.add_argument("--rounds", metavar="N", default="1", help="how many times (default: 1)")
    verifying.add_argument(
        "--strict", action="store_true", help="at the level 'strict', whatever the run had"
    )
    _add_common(verifying)
    differing = command(
        commands,
        "diff",
        diff,
        help="what differs between two runs, causes first",
        description=_DIFF,
        example="  bis diff 3fa9 latest\n  bis diff latest",
    )
    differing.add_argument("first", metavar="RUN", help=RUN_HELP)
    differing.add_argument(
        "second",
        metavar="RUN",
        nargs="?",
        help="another run; without it, how the first differs from its commit",
    )
    differing.add_argument(
        "--repeat",
        action="store_true",
        help="when nothing recorded differs, execute the second run again to tell why",
    )
    _add_comparison(differing)


def rerun(args: argparse.Namespace) -> int:
    """Execute a run again; the exit status says how the results compare."""
    from bis.cli.stores import open_store
    from bis.cli.style import Style, notifier
    from bis.cli.summary import print_opening
    from bis.repeat.families import compare_trees
    from bis.repeat.recorded import RecordedRun
    from bis.repeat.rerun import rerun as execute_again

    check_report(args)
    home, store = open_store()
    notify, style = notifier(quiet=args.quiet), Style(sys.stderr)
    with RecordedRun.load(store, _run_or_capsule(args, home, store)) as original:
        options = _read_options(args, read_parameters(args.param_list))
        check_metrics(options.tolerance, original)
        repetition = execute_again(
            original,
            options,
            store=store,
            home=home,
            notify=notify,
            streams=_streams(),
            show_progress=style.on and not args.quiet,
            announce=lambda prepared: None if args.quiet else print_opening(prepared, style),
        )
        if repetition.directory is not None:
            print(f"bis: it ran in {repetition.directory}", file=sys.stderr)  # asked for, quiet or not
        comparison, changed = repetition.comparison, list(repetition.changed_inputs)
        with repetition.repeated as repeated:
            again = None
            if not changed and _is_undecided(original, repeated, comparison):
                notify("the results differ and nothing recorded does: once more, to tell chance from change")
                once_more = execute_again(
                    original, options, store=store, home=home, notify=notify, streams=_silent()
                )
                rounds = [repeated, once_more.repeated]
                comparison = compare_trees(original, rounds, store, options.tolerance)
                again = compare_trees(repeated, rounds[1:], store, options.tolerance)
            print_comparison(args, original, repeated, comparison, changed, again=again)
    return comparison.exit_status


def _is_undecided(first: RecordedRun, second: RecordedRun, comparison: Comparison) -> bool:
    """Whether the results differ and no layer does: only another execution can say more."""
    from bis.repeat.causes import UNDECIDED, causes

    return any(cause.layer == UNDECIDED for cause in causes(first, second, comparison=comparison))


def _run_or_capsule(args: argparse.Namespace, home: Home, store: Store) -> str:
    """The id of the run that the word names; a capsule's run is taken in first, and its code waits for a yes."""
    from pathlib import Path

    from bis.cli.stores import find_run
    from bis.repeat.capsule import consent, import_capsule

    if args.run.endswith(".zip"):
        return import_capsule(home, Path(args.run), trusted=args.yes or _says_yes(args.run)).run_id
    run = find_run(store, args.run)
    if args.yes:
        consent(store, run)
    return run.info.run_id


def _says_yes(file: str) -> bool:
    """Ask on a terminal whether the code of a capsule may be executed; elsewhere nobody says yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(
        f"{file} brings code that bis will execute here. Go on? [y/N] ", end="", file=sys.stderr, flush=True
    )
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def verify(args: argparse.Namespace) -> int:
    """Execute a run again, several times."""
    from bis.cli.stores import open_store
    from bis.cli.style import notifier
    from bis.repeat.recorded import RecordedRun
    from bis.repeat.verify import verify as execute_rounds

    rounds = read_count(args.rounds, "--rounds", "rounds")
    check_report(args)
    home, store = open_store()
    notify = notifier(quiet=args.quiet)
    with RecordedRun.load(store, _run_or_capsule(args, home, store)) as original:
        options = _read_options(args, {}, level="strict" if args.strict else None)
        check_metrics(options.tolerance, original)
        verification = execute_rounds(
            original,
            rounds,
            options,
            store=store,
            home=home,
            notify=notify,
            streams=_silent(),
            on_round=lambda number, run: notify(f"round {number} of {rounds}: {_round_words(run)}"),
        )
        last = verification.rounds[-1]
        print_comparison(
            args,
            verification.reference,
            last,
            verification.comparison,
            list(verification.changed_inputs),
            rounds=rounds,
            again=verification.among_rounds,
        )
        for each in verification.rounds:
            each.close()
    return verification.verdict.exit_status


def diff(args: argparse.Namespace) -> int:
    """Hold two runs against each other, or one against its commit."""
    from bis.cli.changes import print_changes
    from bis.cli.stores import find_run, open_store
    from bis.cli.style import notifier
    from bis.repeat.families import compare_trees
    from bis.repeat.recorded import RecordedRun
    from bis.repeat.rerun import RerunOptions
    from bis.repeat.rerun import rerun as execute_again

    check_report(args)
    home, store = open_store()
    if args.second is None:
        return print_changes(args, home, store)
    with (
        RecordedRun.load(store, find_run(store, args.first).info.run_id) as first,
        RecordedRun.load(store, find_run(store, args.second).info.run_id) as second,
    ):
        tolerance = _tolerance(args)
        check_metrics(tolerance, first, second)
        comparison, again = compare_trees(first, [second], store, tolerance), None
        if args.repeat and _is_undecided(first, second, comparison):
            again = execute_again(
                second,
                RerunOptions(tolerance=tolerance),
                store=store,
                home=home,
                notify=notifier(),
                streams=_silent(),
            ).comparison
        print_comparison(args, first, second, comparison, [], again=again)
    return comparison.exit_status


def _add_common(parser: Any) -> None:
    parser.add_argument(
        "--yes", action="store_true", help="execute code that came in a capsule from elsewhere"
    )
    parser.add_argument(
        "--input",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="where an input lies now; repeat for more",
    )
    parser.add_argument(
        "--allow-changed-inputs", action="store_true", help="run although an input has changed"
    )
    parser.add_argument("--env-file", metavar="FILE", help="the secrets that the run had from its --env-file")
    parser.add_argument("--timeout", metavar="SECONDS", help="end the run after this time")
    parser.add_argument("-q", "--quiet", action="store_true", help="no notes on the way")
    _add_comparison(parser)


def _add_comparison(parser: Any) -> None:
    for name, what in (("--rtol", "relative"), ("--atol", "absolute")):
        parser.add_argument(
            name,
            metavar="[METRIC=]X",
            action="append",
            default=[],
            help=f"largest {what} error that is close enough",
        )
    parser.add_argument("--report", metavar="FILE", help="write an HTML page that explains it")
    parser.add_argument("--json", action="store_true", help="print JSON")


def _read_options(
    args: argparse.Namespace, parameters: dict[str, str], level: Level | None = None
) -> RerunOptions:
    from bis.repeat.rerun import RerunOptions

    return RerunOptions(
        parameters=parameters,
        inputs=read_pairs("--input", args.input),
        allow_changed_inputs=args.allow_changed_inputs,
        keep=getattr(args, "keep", False),
        env_file=args.env_file,
        timeout_s=None if args.timeout is None else read_seconds(args.timeout),
        tolerance=_tolerance(args),
        level=level,
        quiet=args.quiet,
    )


def _tolerance(args: argparse.Namespace) -> Tolerance:
    from bis.repeat.comparison import Tolerance

    return Tolerance.read(args.rtol, args.atol)


def _streams() -> Streams:
    """The script's output goes to standard error: standard output is for the verdict."""
    from bis.execution import Streams

    return Streams.on_stderr()


def _silent() -> Streams:
    from bis.execution import Streams

    return Streams(None, None)


def _round_words(run: RecordedRun) -> str:
    from bis.cli.show import metric_words

    metrics = metric_words(run.run)
    return run.run.info.status.value.lower() + (f", {metrics}" if metrics else "")
