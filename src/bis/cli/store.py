"""``bis store``: back-ups of a store, and a store made from one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.cli.parser import Parser, command
from bis.cli.served import add_store, located, private_files
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from bis.tracking.backup import BackUp


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``store backup`` and ``store restore``."""
    parser = command(
        commands,
        "store",
        _help,
        help="back up a store, or restore one",
        description="Back-ups of a tracking store. SQLite and PostgreSQL have the same back-up, so a store can\n"
        "move from one to the other.",
        example="  bis store backup backups/monday\n  bis store restore backups/monday --store new/tracking.db",
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions", parser_class=Parser)
    backing = command(
        actions,
        "backup",
        backup,
        help="write all of it to a folder, also while a server runs",
        description="Write the store and its artifacts to a folder, which is there whole or not at all. Servers and\n"
        "runs may go on meanwhile: it has what was acknowledged when it began.",
        example="  bis store backup backups/monday\n  bis store backup backups/monday --without-artifacts",
    )
    backing.add_argument("directory", metavar="DIR", help="a folder that is not there yet")
    backing.add_argument(
        "--without-artifacts",
        action="store_true",
        help="leave the files out, as when a bucket keeps them safe",
    )
    restoring = command(
        actions,
        "restore",
        restore,
        help="make a store from such a folder",
        description="Make a store what a back-up has. The store has to be new: nothing is put over the runs of\n"
        "another one.",
        example="  bis store restore backups/monday --store postgresql://db.example.org/bis",
    )
    restoring.add_argument("directory", metavar="DIR", help="a folder that bis store backup has made")
    for one in (backing, restoring):
        add_store(one)
        one.add_argument("--json", action="store_true", help="print JSON")


def _help(_: argparse.Namespace) -> int:
    raise UsageError("bis store needs an action", hint="There are: backup, restore.")


def backup(args: argparse.Namespace) -> int:
    """Write a back-up."""
    from bis.tracking.backup import back_up

    private_files()
    address = located(args)
    made = back_up(
        address.uri,
        address.artifacts,
        Path(args.directory).expanduser().absolute(),
        with_artifacts=not args.without_artifacts,
    )
    return _show(made, f"Backed up {address.shown} to {args.directory}", args.json)


def restore(args: argparse.Namespace) -> int:
    """Make a store from a back-up."""
    from bis.tracking.backup import restore

    private_files()
    address = located(args)
    made = restore(Path(args.directory).expanduser().absolute(), address.uri, address.artifacts)
    return _show(made, f"Restored {args.directory} to {address.shown}", args.json)


def _show(made: BackUp, said: str, as_json: bool) -> int:
    from bis.cli.style import counted, print_json, size

    if as_json:
        print_json(
            {
                "directory": str(made.directory),
                "runs": made.runs,
                "artifacts": made.artifacts,
                "size_bytes": made.size_bytes,
            }
        )
        return 0
    files = "no files" if made.artifacts is None else counted(made.artifacts, "file")
    print(f"{said}: {counted(made.runs, 'run')}, {files}, {size(made.size_bytes)}")
    return 0
