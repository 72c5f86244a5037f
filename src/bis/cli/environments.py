"""``bis env``: the environments that bis has made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import Parser, command
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from bis.environments.store import StoredEnvironment


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``env list``, ``env show`` and ``env prune``."""
    parser = command(
        commands,
        "env",
        list_environments,
        help="list, show and prune environments",
        description="The environments that bis has made, kept by the digest of their lock.",
        example="  bis env list\n  bis env prune --older-than 30",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    actions = parser.add_subparsers(metavar="ACTION", title="actions", parser_class=Parser)
    listing = command(
        actions,
        "list",
        list_environments,
        help="list them",
        description="List the environments, last used first.",
        example="  bis env list",
    )
    listing.add_argument("--json", action="store_true", help="print JSON")
    showing = command(
        actions,
        "show",
        show_environment,
        help="show one, with its packages",
        description="Show an environment: where it is, its interpreter, what it was made from, its packages.",
        example="  bis env show 3fa9",
    )
    showing.add_argument(
        "environment", metavar="ENV", help="the beginning of its digest, as `bis env list` shows it"
    )
    showing.add_argument("--json", action="store_true", help="print JSON")
    pruning = command(
        actions,
        "prune",
        prune,
        help="delete those not used for a while",
        description="Delete environments that no run is using and that were not used for a number of days.",
        example="  bis env prune --older-than 30",
    )
    pruning.add_argument(
        "--older-than",
        metavar="DAYS",
        default="30",
        help="not used for this many days (default: 30; 0 for all)",
    )
    pruning.add_argument("--dry-run", action="store_true", help="say what would be deleted")
    pruning.add_argument("--json", action="store_true", help="print JSON")


def list_environments(args: argparse.Namespace) -> int:
    """Print one line an environment."""
    from bis.cli.style import Style, print_json, short_digest, size, table
    from bis.environments import store
    from bis.home import Home

    found = store.list_environments(Home.locate())
    if args.json:
        print_json([_document(info) for info in found])
    elif not found:
        print("No environments yet: the first run of a project makes one.", file=sys.stderr)
    else:
        style = Style(sys.stdout)
        rows = [
            [
                short_digest(info.digest),
                info.python,
                str(info.packages),
                size(info.size_bytes),
                _minute(info.created),
                _minute(info.last_used),
            ]
            for info in found
        ]
        print(table(["ENV", "PYTHON", "PACKAGES", "SIZE", "MADE", "USED"], rows, style))
    return 0


def show_environment(args: argparse.Namespace) -> int:
    """Print one environment."""
    from bis.cli.style import Style, fields, print_json, size
    from bis.environments import store
    from bis.home import Home

    info, lock = store.show_environment(Home.locate(), args.environment)
    edited = [str(path.relative_to(info.prefix)) for path in store.changed_files(info.prefix)]
    if args.json:
        print_json({**_document(info), "edited": edited, "lock": lock.to_dict()})
        return 0
    pairs = [
        ("digest", info.digest),
        ("directory", str(info.prefix)),
        ("python", info.python),
        ("as of", lock.as_of or ""),
        ("size", f"{size(info.size_bytes)}, of which {size(info.own_bytes)} of its own"),
        ("made", _minute(info.created)),
        ("used", _minute(info.last_used)),
        ("edited", "\n".join(edited[:10])),
        ("notes", "\n".join(lock.notes)),
        ("packages", "\n".join(f"{name} {version}" for name, version in lock.packages.items())),
    ]
    print(fields([pair for pair in pairs if pair[1]], Style(sys.stdout)))
    return 0


def prune(args: argparse.Namespace) -> int:
    """Delete old environments."""
    from bis.cli.style import counted, print_json, short_digest, size
    from bis.environments import store
    from bis.home import Home

    try:
        days = float(args.older_than)
    except ValueError:
        days = -1.0
    if not days >= 0:  # nan is older than nothing, and would delete all
        raise UsageError(f"--older-than {args.older_than!r} is not a number of days")
    pruned = store.prune_environments(Home.locate(), older_than_days=days, dry_run=args.dry_run)
    if args.json:
        print_json([_document(info) for info in pruned])
        return 0
    verb = "Would delete" if args.dry_run else "Deleted"
    for info in pruned:
        print(
            f"{verb} {short_digest(info.digest)}, Python {info.python}, last used {_minute(info.last_used)}"
        )
    freed = sum(info.own_bytes for info in pruned)
    print(f"{verb} {counted(len(pruned), 'environment')}, {size(freed)}")
    return 0


def _document(info: StoredEnvironment) -> dict[str, Any]:
    return {
        "digest": info.digest,
        "directory": str(info.prefix),
        "python": info.python,
        "packages": info.packages,
        "size_bytes": info.size_bytes,
        "own_bytes": info.own_bytes,
        "created": info.created.isoformat(),
        "last_used": info.last_used.isoformat(),
    }


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
