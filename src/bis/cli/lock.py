"""``bis lock``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.cli.parser import command
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from bis.environments.committing import Written

_DESCRIPTION = """\
Write bis.lock into a project: every package of its environment with version and hashes, and the interpreter. Commit
it, and every run of the project, by anyone, takes its packages from there. A lock that is up to date is left as it
is; when the declaration has changed, only what follows from that changes.
`bis run --locked` fails when the lock is missing or stale."""

_EXAMPLE = """\
  bis lock examples/iris
  bis lock examples/iris --as-of 2024-05-01"""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``lock``."""
    parser = command(
        commands,
        "lock",
        lock,
        help="write the lock that a project carries",
        description=_DESCRIPTION,
        example=_EXAMPLE,
    )
    parser.add_argument(
        "uri", metavar="URI", nargs="?", default=".", help="the folder of the project (default: .)"
    )
    parser.add_argument("--upgrade", action="store_true", help="resolve every package anew, as of now")
    parser.add_argument("--as-of", metavar="DATE", help="resolve packages as of a date, or 'latest'")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def lock(args: argparse.Namespace) -> int:
    """Write or refresh the lock file."""
    from bis import environments, projects, sources
    from bis.cli.style import notifier, print_json
    from bis.home import Home
    from bis.plans import as_of_source, detect_environment

    if args.upgrade and args.as_of:
        raise UsageError("--upgrade is as of now: give it or --as-of, not both")
    home = Home.locate()
    home.ensure()
    notify = notifier(quiet=args.quiet)
    with sources.fetch(args.uri, None, home=home, notify=notify) as source:
        if source.kind != "directory":
            raise UsageError(
                f"{args.uri} is no folder of yours, so that its lock could not be kept",
                hint="Clone the project, lock it there, and commit bis.lock.",
            )
        project = projects.load(source.directory, root=source.root)
        written = environments.write_lock_file(
            detect_environment(project, None),
            as_of=environments.AsOf.option(args.as_of) if args.as_of else as_of_source(source),
            home=home,
            notify=notify,
            upgrade=args.upgrade,
        )
    if args.json:
        print_json(_document(written))
    elif not args.quiet:
        print(_words(written))
    return 0


def _document(written: Written) -> dict[str, Any]:
    lock = written.lock
    return {
        "file": str(written.path),
        "changed": written.changed,
        "digest": lock.digest,
        "python": lock.python,
        "platform": lock.platform,
        "as_of": lock.as_of,
        "packages": lock.packages,
        "differences": [
            {"package": name, "before": before, "after": after}
            for name, before, after in _differences(written)
        ],
    }


def _words(written: Written) -> str:
    from bis.cli.style import counted

    lock = written.lock
    state = "written" if written.changed else "up to date"
    day = f" as of {lock.as_of[:10]}" if lock.as_of else ""
    python = f"Python {lock.python}, " if lock.python else ""
    lines = [f"{written.path} is {state}: {python}{counted(len(lock.packages), 'package')}{day}"]
    for name, before, after in _differences(written) if written.before else ():
        lines.append(
            f"  {name} {before or 'added:'} {f'-> {after}' if before and after else after or 'removed'}"
        )
    return "\n".join(lines)


def _differences(written: Written) -> list[tuple[str, str | None, str | None]]:
    from bis.environments.committing import differences

    return differences(written.before.packages if written.before else {}, written.lock.packages)
