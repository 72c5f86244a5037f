"""``bis env``: the environments that bis has made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import Parser, command, read_days

if TYPE_CHECKING:
    import argparse

    from bis.environments.store import StoredEnvironment
    from bis.home import Home


_PRUNING = """\
Delete environments that no run is using now and that were not used for a number of days. With --keep-size, the ones
used last stay as long as they fit. The options narrow each other down. Nothing is lost: an environment is built again
from its lock."""


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
        description=_PRUNING,
        example="  bis env prune --older-than 30\n  bis env prune --keep-size 10G --unused",
    )
    pruning.add_argument(
        "--older-than",
        metavar="DAYS",
        help="not used for this many days (default: 30 without the other two; 0 for all)",
    )
    pruning.add_argument(
        "--keep-size",
        metavar="SIZE",
        help="keep those used last that fit into this size, as 800M or 10G",
    )
    pruning.add_argument(
        "--unused", action="store_true", help="only those that no recorded run was made with"
    )
    pruning.add_argument("--dry-run", action="store_true", help="say what would be deleted")
    pruning.add_argument("--json", action="store_true", help="print JSON")


def list_environments(args: argparse.Namespace) -> int:
    """Print one line an environment."""
    from bis.cli.style import Style, print_json, short_digest, size, table, when
    from bis.environments import store
    from bis.home import Home

    home = Home.locate()
    found, runs = store.list_environments(home), _runs_by_lock(home)
    if args.json:
        print_json([_document(info, runs) for info in found])
    elif not found:
        print("No environments yet: the first run of a project makes one.", file=sys.stderr)
    else:
        style = Style(sys.stdout)
        rows = [
            [
                short_digest(info.digest),
                info.manager,
                info.python or "-",
                str(info.packages),
                size(info.size_bytes),
                when(info.created.timestamp() * 1000),
                when(info.last_used.timestamp() * 1000),
                str(len(runs.get(info.digest, ()))),
            ]
            for info in found
        ]
        print(table(["ENV", "MANAGER", "PYTHON", "PACKAGES", "SIZE", "MADE", "USED", "RUNS"], rows, style))
    return 0


def show_environment(args: argparse.Namespace) -> int:
    """Print one environment."""
    from bis.cli.style import Style, fields, print_json, size, when
    from bis.environments import store
    from bis.home import Home

    home = Home.locate()
    info, lock = store.show_environment(home, args.environment)
    runs = _runs_by_lock(home)
    edited = [str(path.relative_to(info.prefix)) for path in store.changed_files(info.prefix)]
    if args.json:
        print_json({**_document(info, runs), "edited": edited, "lock": lock.to_dict()})
        return 0
    pairs = [
        ("digest", info.digest),
        ("manager", info.manager),
        ("directory", str(info.prefix)),
        ("python", info.python),
        ("as of", lock.as_of or ""),
        ("size", f"{size(info.size_bytes)}, of which {size(info.own_bytes)} of its own"),
        ("made", when(info.created.timestamp() * 1000)),
        ("used", when(info.last_used.timestamp() * 1000)),
        ("runs", _run_words(runs.get(info.digest, []))),
        ("edited", "\n".join(edited[:10])),
        ("notes", "\n".join(lock.notes)),
        ("packages", "\n".join(f"{name} {version}" for name, version in lock.packages.items())),
    ]
    print(fields([pair for pair in pairs if pair[1]], Style(sys.stdout)))
    return 0


def prune(args: argparse.Namespace) -> int:
    """Delete old environments."""
    from bis.cli.style import counted, print_json, short_digest, size, when
    from bis.environments import store
    from bis.home import Home
    from bis.sources.large_files import read_size

    home = Home.locate()
    runs = _runs_by_lock(home)
    limited = args.unused or args.keep_size is not None
    pruned = store.prune_environments(
        home,
        older_than_days=read_days("0" if limited and args.older_than is None else args.older_than or "30"),
        needed=runs if args.unused else (),
        keep_bytes=None if args.keep_size is None else read_size("--keep-size", args.keep_size),
        dry_run=args.dry_run,
    )
    if args.json:
        print_json([_document(info, runs) for info in pruned])
        return 0
    verb = "Would delete" if args.dry_run else "Deleted"
    for info in pruned:
        python = f", Python {info.python}" if info.python else ""
        print(
            f"{verb} {short_digest(info.digest)}{python}, last used {when(info.last_used.timestamp() * 1000)}"
        )
    freed = sum(info.own_bytes for info in pruned)
    print(f"{verb} {counted(len(pruned), 'environment')}, {size(freed)}")
    return 0


def _runs_by_lock(home: Home) -> dict[str, list[str]]:
    """The runs of the home by the digest of their lock, the newest first."""
    if not home.database.exists():
        return {}
    from bis.tracking import tags
    from bis.tracking.sql_store import open_sql_store

    return open_sql_store(home.database, home.artifacts).runs_by_tag(tags.LOCK_DIGEST)


def _run_words(run_ids: list[str]) -> str:
    """How many, and the newest."""
    newest = ", ".join(run_id[:8] for run_id in run_ids[:5])
    return f"{len(run_ids)}: {newest}{', ...' if len(run_ids) > 5 else ''}" if run_ids else "none"


def _document(info: StoredEnvironment, runs: dict[str, list[str]]) -> dict[str, Any]:
    return {
        "digest": info.digest,
        "manager": info.manager,
        "directory": str(info.prefix),
        "python": info.python,
        "packages": info.packages,
        "size_bytes": info.size_bytes,
        "own_bytes": info.own_bytes,
        "created": info.created.isoformat(),
        "last_used": info.last_used.isoformat(),
        "runs": runs.get(info.digest, []),
    }
