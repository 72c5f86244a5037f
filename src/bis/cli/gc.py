"""``bis gc``: deletes what no run needs any more, and for good what was deleted long ago."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command, read_days
from bis.cli.served import add_store, existing
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from bis.sources.pruning import Pruned
    from bis.tracking.deletion import Removed

_DESCRIPTION = """\
Delete the source snapshots that no run refers to, and pack the others. Snapshots
of the last two weeks stay, so that their next one is quick. Environments are
another matter: bis env prune. Parts of uploads go too, a day after a server was
killed in the middle of one.

Runs, logged models and experiments that were deleted can be restored, and keep
their place. --older-than removes those that were deleted that many days ago for
good, with their files, from the store in BIS_HOME or the one that --store names.
Its server may go on meanwhile."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``gc``."""
    parser = command(
        commands,
        "gc",
        collect_garbage,
        help="delete what no run needs any more, and runs that were deleted long ago",
        description=_DESCRIPTION,
        example="  bis gc --dry-run\n  bis gc --older-than 30\n"
        "  bis gc --older-than 30 --store postgresql://db.example.org/bis",
    )
    parser.add_argument(
        "--older-than", metavar="DAYS", help="also remove what was deleted more than that many days ago"
    )
    add_store(parser)
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted")
    parser.add_argument("--json", action="store_true", help="print JSON")


def collect_garbage(args: argparse.Namespace) -> int:
    """Delete, and print what went; snapshots only where the store is the one of the home."""
    from bis.cli.style import counted, print_json
    from bis.home import Home
    from bis.repeat.gc import collect, remove_runs, remove_unfinished
    from bis.tracking.artifact_store import open_artifacts
    from bis.tracking.sql_store import open_sql_store

    days = None if args.older_than is None else read_days(args.older_than)
    home, address = Home.locate(), existing(args)
    removed = None
    if days is not None:
        store = open_sql_store(address.uri, address.artifacts)
        try:
            removed = remove_runs(store, days, dry_run=args.dry_run)
        finally:
            store.close()
    elif not address.is_home:
        raise UsageError("only runs are removed from a store", hint="Say from when on: --older-than 30")
    pruned = collect(home, dry_run=args.dry_run) if address.is_home else None
    unfinished = remove_unfinished(open_artifacts(address.artifacts), dry_run=args.dry_run)
    if args.json:
        found = {**(asdict(pruned) if pruned else {}), **({"removed": asdict(removed)} if removed else {})}
        print_json({**found, "unfinished_uploads": unfinished, "dry_run": args.dry_run})
        return 0
    if removed is not None:
        _print_removed(removed, dry_run=args.dry_run)
    if pruned is not None:
        _print_pruned(pruned, dry_run=args.dry_run)
    if unfinished:
        verb = "Would delete" if args.dry_run else "Deleted"
        print(f"{verb} {counted(unfinished, 'part')} of uploads that were broken off")
    return 0


def _print_removed(removed: Removed, *, dry_run: bool) -> None:
    from bis.cli.style import counted

    if dry_run:
        print(f"Would remove {counted(removed.runs, 'deleted run')} for good")
        return
    print(
        f"Removed {counted(removed.runs, 'run')}, {counted(removed.models, 'model')} and"
        f" {counted(removed.experiments, 'experiment')} for good: {counted(removed.rows, 'row')} of the store"
    )


def _print_pruned(pruned: Pruned, *, dry_run: bool) -> None:
    from bis.cli.style import counted, notifier, size

    for tree in pruned.missing:
        notifier()(
            f"the snapshot {tree} of a run is not here, or not whole: a capsule of the run brings it back"
        )
    verb = "Would delete" if dry_run else "Deleted"
    count, kept = counted(pruned.deleted, "object"), counted(pruned.kept, "snapshot")
    print(f"{verb} {count} that no run refers to, {size(pruned.freed_bytes)}; {kept} kept")
