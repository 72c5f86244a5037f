"""``bis experiments``: listed, made, renamed, deleted, restored."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import Parser, command
from bis.cli.runs_search import VIEWS, experiment_id, view_named
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from bis.tracking import Experiment, Store


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``experiments`` and its actions; without one, they are listed."""
    parser = command(
        commands,
        "experiments",
        list_experiments,
        help="list, make, rename, delete and restore experiments",
        description="The experiments of bis's store, or of the server in MLFLOW_TRACKING_URI.",
        example="  bis experiments\n  bis experiments create forests --tag team=blue",
    )
    _add_list_options(parser)
    actions = parser.add_subparsers(metavar="ACTION", title="actions", parser_class=Parser)
    listing = command(
        actions,
        "list",
        list_experiments,
        help="list them, newest first",
        description="List experiments.",
        example="  bis experiments list \"name LIKE 'forest%'\" --order-by name",
    )
    listing.add_argument(
        "filter", metavar="FILTER", nargs="?", default="", help="what must hold (docs/search.md)"
    )
    _add_list_options(listing)
    creating = command(
        actions,
        "create",
        create,
        help="make one",
        description="Make an experiment.",
        example="  bis experiments create forests --tag team=blue",
    )
    creating.add_argument("name", metavar="NAME")
    creating.add_argument(
        "--artifact-location", metavar="URI", default="", help="where its runs keep their files"
    )
    creating.add_argument("--tag", metavar="KEY=VALUE", action="append", default=[], help="can be repeated")
    creating.add_argument("--json", action="store_true", help="print JSON")
    renaming = command(
        actions,
        "rename",
        rename,
        help="give one another name",
        description="Give an experiment another name.",
        example="  bis experiments rename forests woods",
    )
    renaming.add_argument("experiment", metavar="EXPERIMENT", help="its name or id")
    renaming.add_argument("name", metavar="NAME", help="its new name")
    renaming.add_argument("--json", action="store_true", help="print JSON")
    for name, run, help in (
        ("delete", delete, "mark some as deleted, with their runs"),
        ("restore", restore, "take deleted ones back, with their runs"),
    ):
        action = command(
            actions,
            name,
            run,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.",
            example=f"  bis experiments {name} forests",
        )
        action.add_argument("experiments", metavar="EXPERIMENT", nargs="+", help="its name or id")
        action.add_argument("--json", action="store_true", help="print JSON")


def _add_list_options(parser: Parser) -> None:
    parser.set_defaults(filter="")
    parser.add_argument("--view", choices=VIEWS, default="active", help="deleted ones too, or alone")
    parser.add_argument(
        "--order-by", metavar="KEY [ASC|DESC]", action="append", default=[], help="can be repeated"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def list_experiments(args: argparse.Namespace) -> int:
    """Print one line an experiment."""
    from bis.cli.search_mistakes import shown_mistakes
    from bis.cli.stores import open_store
    from bis.cli.style import Style, print_json, table, when

    _, store = open_store()
    with shown_mistakes(args.filter, *args.order_by):
        found = _all(store, args)
    if args.json:
        print_json([vars(experiment) for experiment in found])
    elif not found:
        print("no experiments found", file=sys.stderr)
    else:
        rows = [
            [one.experiment_id, one.name, one.lifecycle_stage, when(one.creation_time), one.artifact_location]
            for one in found
        ]
        header = ["ID", "NAME", "STAGE", "MADE", "ARTIFACTS"]
        print(table(header, rows, Style(sys.stdout), flexible=("NAME", "ARTIFACTS")))
    return 0


def _all(store: Store, args: argparse.Namespace) -> list[Experiment]:
    from bis.tracking.model import all_items

    view = view_named(args.view)
    return list(
        all_items(
            lambda token: store.search_experiments(
                filter=args.filter, order_by=args.order_by, page_token=token, view=view
            )
        )
    )


def create(args: argparse.Namespace) -> int:
    """Make an experiment."""
    from bis.cli.stores import open_store
    from bis.tracking import Tag

    wrong = next((word for word in args.tag if "=" not in word), None)
    if wrong is not None:
        raise UsageError(f"--tag {wrong!r} is not KEY=VALUE")
    _, store = open_store()
    tags = [Tag(*word.split("=", 1)) for word in args.tag]
    made = store.create_experiment(args.name, artifact_location=args.artifact_location, tags=tags)
    return _say(args, {"experiment_id": made, "name": args.name}, f"experiment {made}: {args.name}")


def rename(args: argparse.Namespace) -> int:
    """Give an experiment another name."""
    from bis.cli.stores import open_store

    _, store = open_store()
    found = experiment_id(store, args.experiment)
    store.rename_experiment(found, args.name)
    return _say(args, {"experiment_id": found, "name": args.name}, f"experiment {found}: {args.name}")


def delete(args: argparse.Namespace) -> int:
    """Mark experiments as deleted."""
    from bis.cli.stores import open_store

    _, store = open_store()
    ids = list(dict.fromkeys(experiment_id(store, word) for word in args.experiments))
    for one in ids:
        store.delete_experiment(one)
    return _say(args, {"deleted": ids}, f"deleted, with their runs: {', '.join(args.experiments)}")


def restore(args: argparse.Namespace) -> int:
    """Take deleted experiments back."""
    from bis.cli.stores import open_store

    _, store = open_store()
    ids = list(dict.fromkeys(experiment_id(store, word) for word in args.experiments))
    for one in ids:
        store.restore_experiment(one)
    return _say(args, {"restored": ids}, f"restored, with their runs: {', '.join(args.experiments)}")


def _say(args: argparse.Namespace, document: dict[str, Any], line: str) -> int:
    from bis.cli.style import print_json

    if args.json:
        print_json(document)
    else:
        print(line)
    return 0
