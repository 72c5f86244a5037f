"""``bis execute``."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command, read_pairs, read_seconds
from bis.cli.run import add_output_options, add_place_options, report
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from bis.home import Home
    from bis.plans import Plan
    from bis.runs import ExecutionOptions

_DESCRIPTION = """\
Execute a plan, as `bis run --dry-run --json` prints it and each run keeps it (bis/plan.json): the same source,
command, parameters, environment, seed and variables. The source is the snapshot in BIS_HOME, else the
commit of the plan's repository, else what --directory names.
A plan is a program: execute those of people whom you trust."""

_EXAMPLE = """\
  bis run examples/iris --dry-run --json > plan.json
  bis execute plan.json"""

_LARGEST_BYTES = 64 << 20


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``execute``."""
    parser = command(
        commands, "execute", execute, help="execute a plan", description=_DESCRIPTION, example=_EXAMPLE
    )
    parser.add_argument("plan", metavar="PLAN", help="a plan as JSON; - reads standard input")
    parser.add_argument(
        "--directory", metavar="DIR", help="execute it in DIR, which has the source as it was"
    )
    parser.add_argument(
        "--input",
        metavar="NAME=PATH",
        action="append",
        default=[],
        help="where the file of a path parameter lies now; repeat for more",
    )
    parser.add_argument("--env-file", metavar="FILE", help="the variables that the plan has by name only")
    parser.add_argument(
        "--timeout", metavar="SECONDS", help="end the run after this time; 90, 30m and 2h are understood"
    )
    add_place_options(parser)
    add_output_options(parser.add_argument_group("what is shown"))


def execute(args: argparse.Namespace) -> int:
    """Execute the plan; the exit status is that of ``bis run``, and 3 when its source or environment is gone."""
    from bis.cli.style import Style, notifier
    from bis.cli.summary import print_opening
    from bis.execution import Streams
    from bis.home import Home
    from bis.plans import Plan
    from bis.plans.gone import said_when_gone
    from bis.runs import execute_plan

    plan = Plan.from_json(_read(args.plan))
    options = _options(args)
    inputs = read_pairs("--input", args.input)
    style, notify, shown = Style(sys.stderr), notifier(quiet=args.quiet), not args.quiet
    home = Home.locate()
    home.ensure()
    with _source(plan, args.directory, home, notify) as root, said_when_gone("this plan"):
        finished = execute_plan(
            plan,
            root,
            options=options,
            inputs=inputs,
            notify=notify,
            streams=Streams.on_stderr() if args.json else Streams.of_process(),
            show_progress=shown and style.on,
            announce=lambda prepared: print_opening(prepared, style) if shown else None,
        )
    return report(finished, args, style)


def _options(args: argparse.Namespace) -> ExecutionOptions:
    from bis.runs import ExecutionOptions

    return ExecutionOptions(
        experiment_name=args.experiment_name,
        experiment_id=args.experiment_id,
        run_name=args.run_name,
        run_id=args.run_id,
        tags=read_pairs("--set-tag", args.set_tag),
        env_file=args.env_file,
        timeout_s=None if args.timeout is None else read_seconds(args.timeout),
    )


def _source(
    plan: Plan, directory: str | None, home: Home, notify: Callable[[str], None]
) -> contextlib.AbstractContextManager[Path]:
    from bis.plans.checkout import checked_out, in_directory

    if directory is None:
        return checked_out(plan, home=home, notify=notify)
    return contextlib.nullcontext(in_directory(plan, directory, home=home, notify=notify))


def _read(name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read(_LARGEST_BYTES)
        with Path(name).open(encoding="utf-8") as file:
            return file.read(_LARGEST_BYTES)
    except OSError as error:
        raise UsageError(
            f"cannot read the plan {name}: {error.strerror}",
            hint="Write one with: bis run PROJECT --dry-run --json > plan.json",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the plan {name} is not UTF-8 text") from error
