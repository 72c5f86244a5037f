"""``bis gc``: deletes what no run needs any more."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command

if TYPE_CHECKING:
    import argparse

_DESCRIPTION = """\
Delete the source snapshots that no run refers to, and pack the others. Snapshots
of the last two weeks stay, so that their next one is quick. Environments are
another matter: bis env prune."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``gc``."""
    parser = command(
        commands,
        "gc",
        collect_garbage,
        help="delete the snapshots that no run refers to",
        description=_DESCRIPTION,
        example="  bis gc --dry-run\n  bis gc",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be deleted")
    parser.add_argument("--json", action="store_true", help="print JSON")


def collect_garbage(args: argparse.Namespace) -> int:
    """Delete, and print what went."""
    from bis.cli.style import counted, notifier, print_json, size
    from bis.home import Home
    from bis.repeat.gc import collect

    home = Home.locate()
    home.ensure()
    pruned = collect(home, dry_run=args.dry_run)
    if args.json:
        print_json({**asdict(pruned), "dry_run": args.dry_run})
        return 0
    for tree in pruned.missing:
        notifier()(
            f"the snapshot {tree} of a run is not here, or not whole: a capsule of the run brings it back"
        )
    verb = "Would delete" if args.dry_run else "Deleted"
    count, kept = counted(pruned.deleted, "object"), counted(pruned.kept, "snapshot")
    print(f"{verb} {count} that no run refers to, {size(pruned.freed_bytes)}; {kept} kept")
    return 0
