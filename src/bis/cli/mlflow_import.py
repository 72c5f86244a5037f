"""``bis import mlflow``: what an MLflow directory, database or server has, taken into a store."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError

if TYPE_CHECKING:
    from bis.tracking.mlflow_import import Imported, Problem, Progress
    from bis.tracking.sql_store import SqlStore

DESCRIPTION = """\
With mlflow for FILE, copy what MLflow has kept: an mlruns directory, the database
of a server (sqlite:///FILE, postgresql://...) or a server (http://HOST:PORT), of any
version. The source is only read. Runs keep their ids. A second call copies what is
new or has changed, and goes on where one was cut short."""

_SHOWN = 10
"""Problems of one kind that are printed; --json has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only ``bis import mlflow`` takes."""
    group = parser.add_argument_group("for bis import mlflow")
    group.add_argument(
        "source",
        metavar="SOURCE",
        nargs="?",
        help="an mlruns directory, sqlite:///FILE, postgresql://HOST/NAME or http(s)://HOST",
    )
    group.add_argument(
        "--experiment",
        metavar="NAME",
        action="append",
        default=[],
        help="only the experiment of this name; can be repeated",
    )
    group.add_argument(
        "--prefix",
        metavar="TEXT",
        default="",
        help="put before the names of experiments and registered models, so that none is merged with one that is here",
    )
    group.add_argument(
        "--artifacts",
        metavar="DIR",
        help="where the old server kept what it calls mlflow-artifacts: (its --artifacts-destination)",
    )
    group.add_argument("--no-artifacts", action="store_true", help="leave artifacts out")
    group.add_argument("--dry-run", action="store_true", help="say what would be copied, and write nothing")
    group.add_argument(
        "--store", metavar="URL", help="the store to copy into (default: BIS_STORE, else the one in BIS_HOME)"
    )
    group.add_argument(
        "--store-artifacts",
        metavar="URL",
        help="where that store keeps files (default: BIS_ARTIFACTS, else beside it)",
    )


def refuse_arguments(args: argparse.Namespace) -> None:
    """Refuse, for a capsule, what only ``bis import mlflow`` takes: its options, a directory, an address."""
    if "://" in args.file or Path(args.file).is_dir():
        raise UsageError(
            "a capsule is a file, and this is a directory or an address",
            hint="To import from MLflow: bis import mlflow SOURCE",
        )
    given = (args.experiment, args.prefix, args.artifacts, args.no_artifacts, args.dry_run)
    if args.source is not None or any(given) or args.store or args.store_artifacts:
        raise UsageError(
            f"{args.file!r} is taken for a capsule, which has no such argument",
            hint="To import from MLflow: bis import mlflow SOURCE",
        )


def import_from_mlflow(args: argparse.Namespace) -> int:
    """Copy, and print what was; the exit status is 1 when a run that was found is not in the store afterwards."""
    from bis.cli.style import print_json
    from bis.tracking.mlflow_import import ImportOptions, import_mlflow

    if args.source is None:
        raise UsageError(
            "bis import mlflow needs a SOURCE",
            hint="It is like mlruns, sqlite:///mlflow.db or http://HOST:PORT",
        )
    options = ImportOptions(
        tuple(args.experiment), args.prefix, args.artifacts, not args.no_artifacts, args.dry_run
    )
    store, line = _open(args), _ProgressLine()
    try:
        imported = import_mlflow(args.source, store, options, progress=line.show)
    finally:
        line.clear()
        store.close()
    if args.json:
        print_json({**asdict(imported), "dry_run": args.dry_run, "is_whole": imported.is_whole})
    else:
        _print(imported, dry_run=args.dry_run)
    return 0 if args.dry_run or imported.is_whole else 1


def _open(args: argparse.Namespace) -> SqlStore:
    from bis.cli.served import located, private_files
    from bis.tracking.sql_store import open_sql_store

    address = located(argparse.Namespace(store=args.store, artifacts=args.store_artifacts))
    if not address.is_home:
        private_files()
    return open_sql_store(address.uri, address.artifacts)


class _ProgressLine:
    """One line on a terminal, drawn again at most five times a second; nothing elsewhere."""

    def __init__(self) -> None:
        self._is_on = sys.stderr.isatty()
        self._drawn = 0.0

    def show(self, progress: Progress) -> None:
        """Say how far it is."""
        now = time.monotonic()
        if not self._is_on or now - self._drawn < 0.2:
            return
        self._drawn = now
        of = "" if progress.total_runs is None else f" of {progress.total_runs}"
        text = f"{progress.experiment[:40]}: {progress.runs}{of} runs, {progress.points} points"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._is_on:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _print(imported: Imported, *, dry_run: bool) -> None:
    from bis.cli.style import Style, counted, size, table

    style, found, copied = Style(sys.stdout), asdict(imported.found), asdict(imported.copied)
    rows = [
        [name.replace("_", " "), str(found[name]), str(copied[name])]
        for name in found
        if found[name] and name != "artifact_bytes"
    ]
    print(table(["", "IN THE SOURCE", "TO COPY" if dry_run else "COPIED"], rows, style))
    if not dry_run and imported.copied.artifact_bytes:
        print(f"{size(imported.copied.artifact_bytes)} of artifacts were copied")
    if imported.unchanged_runs:
        print(f"here already, as in the source: {counted(imported.unchanged_runs, 'run')}")
    if imported.repeated_points:
        print(f"twice in the source, and kept once: {counted(imported.repeated_points, 'point')}")
    _print_problems("passed over:", imported.problems)
    _print_problems("artifacts that cannot be reached:", imported.unreachable)
    _print_problems("not as many points as were read:", imported.mismatches)
    for what in imported.left_out:
        print(f"not imported: {what}", file=sys.stderr)
    if not dry_run and imported.is_whole:
        print(style.good("All runs of the source are here."))


def _print_problems(what: str, problems: list[Problem]) -> None:
    if not problems:
        return
    print(what, file=sys.stderr)
    for problem in problems[:_SHOWN]:
        print(f"  {problem.where}: {problem.what}", file=sys.stderr)
    if len(problems) > _SHOWN:
        print(f"  and {len(problems) - _SHOWN} more; --json shows all", file=sys.stderr)
