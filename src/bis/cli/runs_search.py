"""``bis runs``: runs found, deleted, restored and tagged."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import RUN_HELP, Parser, command, print_help, read_count
from bis.errors import RunNotFoundError, UsageError

if TYPE_CHECKING:
    import argparse

    from bis.tracking import Run, Store, View

VIEWS = ("active", "deleted", "all")


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``runs search``, ``runs delete``, ``runs restore`` and ``runs tag``."""
    parser = command(
        commands,
        "runs",
        print_help,
        help="search, delete, restore and tag runs",
        description="Search, delete, restore and tag runs of bis's store, or of the server in MLFLOW_TRACKING_URI.",
        example="  bis runs search \"metrics.accuracy > 0.9 and params.depth = '3'\"\n  bis runs delete 1f2e3d4c",
    )
    actions = parser.add_subparsers(metavar="ACTION", title="actions", parser_class=Parser)
    _add_search(actions)
    for name, run, help in (
        ("delete", delete, "mark runs as deleted"),
        ("restore", restore, "take deleted runs back"),
    ):
        action = command(
            actions,
            name,
            run,
            help=help,
            description=f"{help[0].upper()}{help[1:]}.",
            example=f"  bis runs {name} 1f2e3d4c 5a6b7c8d",
        )
        action.add_argument("runs", metavar="RUN", nargs="+", help=RUN_HELP)
        action.add_argument("--json", action="store_true", help="print JSON")
    tagging = command(
        actions,
        "tag",
        tag,
        help="set and remove tags of runs",
        description="Set tags of runs, or remove them.",
        example="  bis runs tag latest team=blue\n  bis runs tag 1f2e3d4c 5a6b7c8d --remove team",
    )
    tagging.add_argument("words", metavar="RUN | KEY=VALUE", nargs="+", help="runs, and what is set on them")
    tagging.add_argument("--remove", metavar="KEY", action="append", default=[], help="remove this tag")
    tagging.add_argument("--json", action="store_true", help="print JSON")


def _add_search(actions: argparse._SubParsersAction[Any]) -> None:
    searching = command(
        actions,
        "search",
        search,
        help="find runs by metrics, parameters, tags and more",
        description="Find runs. The language is MLflow's, with OR, NOT, parentheses and more (docs/search.md).",
        example="  bis runs search \"metrics.accuracy > 0.9 and params.depth = '3'\"\n"
        '  bis runs search "status = \'FAILED\'" --experiment forests --order-by "start_time DESC" -n 5',
    )
    searching.add_argument(
        "filter", metavar="FILTER", nargs="?", default="", help="what must hold (default: all)"
    )
    searching.add_argument(
        "--experiment",
        metavar="NAME|ID",
        action="append",
        help="only of this experiment; can be repeated (default: all)",
    )
    searching.add_argument(
        "--order-by",
        metavar="KEY [ASC|DESC]",
        action="append",
        default=[],
        help="can be repeated (default: newest first)",
    )
    searching.add_argument("-n", "--max", metavar="N", default="20", help="how many (default: 20)")
    searching.add_argument("--view", choices=VIEWS, default="active", help="deleted runs too, or alone")
    searching.add_argument(
        "--columns",
        metavar="KEY,...",
        action="append",
        help="what to show, as in filters: run_id,metrics.loss,params.depth",
    )
    form = searching.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")


def search(args: argparse.Namespace) -> int:
    """Print the runs that are found."""
    from bis.cli.found_runs import print_csv, print_table, run_words
    from bis.cli.search_mistakes import shown_mistakes
    from bis.cli.stores import open_store
    from bis.cli.style import print_json

    most = read_count(args.max, "--max", "runs")
    columns = [name.strip() for words in args.columns or () for name in words.split(",") if name.strip()]
    _, store = open_store()
    ids = None if args.experiment is None else [experiment_id(store, word) for word in args.experiment]
    with shown_mistakes(args.filter, *args.order_by, *columns):
        found = _found(store, ids, args.filter, args.order_by, most, args.view)
        names = {id: store.experiment(id).name for id in {run.info.experiment_id for run in found}}
        if args.json:
            print_json([run_words(run, names) for run in found])
        elif args.csv:
            print_csv(found, columns, names)
        elif found:
            print_table(found, columns, names, mentioned=[args.filter, *args.order_by])
        else:
            print("no runs found", file=sys.stderr)
    return 0


def _found(
    store: Store, ids: list[str] | None, filter: str, order_by: list[str], most: int, view: str
) -> list[Run]:
    """The runs, read in pages of a thousand."""
    found: list[Run] = []
    token = None
    while len(found) < most:
        page = store.search_runs(
            ids,
            filter=filter,
            order_by=order_by,
            max_results=min(most - len(found), 1000),
            page_token=token,
            view=view_named(view),
        )
        found += page.items
        token = page.next_token
        if not token:
            break
    return found


def view_named(word: str) -> View:
    """What ``--view`` says."""
    from bis.tracking import View

    return {"active": View.ACTIVE_ONLY, "deleted": View.DELETED_ONLY, "all": View.ALL}[word]


def experiment_id(store: Store, word: str) -> str:
    """The id of the experiment with that name or id."""
    from bis.errors import did_you_mean
    from bis.tracking import RefusedError

    named = store.experiment_named(word)
    if named is not None:
        return named.experiment_id
    if word.isascii() and word.isdigit():
        try:
            return store.experiment(word).experiment_id
        except RefusedError as error:
            if error.code != "RESOURCE_DOES_NOT_EXIST":
                raise
    known = [experiment.name for experiment in store.search_experiments(view=view_named("all")).items]
    raise UsageError(
        f"there is no experiment {word!r}",
        hint=did_you_mean(word, known) or "See those that there are:  bis experiments",
    )


def delete(args: argparse.Namespace) -> int:
    """Mark runs as deleted."""
    from bis.cli.stores import find_run, open_store

    _, store = open_store()
    ids = list(dict.fromkeys(find_run(store, word).info.run_id for word in args.runs))
    for run_id in ids:
        store.delete_run(run_id)
    _say(args, "deleted", ids, "deleted; `bis runs restore` takes them back")
    return 0


def restore(args: argparse.Namespace) -> int:
    """Take deleted runs back."""
    from bis.cli.stores import open_store

    _, store = open_store()
    ids = list(dict.fromkeys(_deleted_run(store, word) for word in args.runs))
    for run_id in ids:
        store.restore_run(run_id)
    _say(args, "restored", ids, "restored")
    return 0


def _deleted_run(store: Store, word: str) -> str:
    """The id of the deleted run that a word names."""
    if not all(letter in "0123456789abcdef" for letter in word.lower()):
        raise RunNotFoundError(f"there is no deleted run {word!r}", hint=_SEE_DELETED)
    found = store.search_runs(
        filter=f"attributes.run_id LIKE '{word.lower()}%'", max_results=10, view=view_named("deleted")
    ).items
    if len(found) != 1:
        what = f"{word!r} is the beginning of {len(found)} deleted runs or more"
        raise RunNotFoundError(what if found else f"there is no deleted run {word!r}", hint=_SEE_DELETED)
    return found[0].info.run_id


_SEE_DELETED = "See those that there are:  bis runs search --view deleted"


def tag(args: argparse.Namespace) -> int:
    """Set and remove tags."""
    from bis.cli.stores import find_run, open_store
    from bis.tracking import Tag

    words = [word for word in args.words if "=" not in word]
    tags = [Tag(*word.split("=", 1)) for word in args.words if "=" in word]
    if not words:
        raise UsageError("no run is named", hint="As in:  bis runs tag latest team=blue")
    if not tags and not args.remove:
        raise UsageError("there is nothing to set", hint="As in:  bis runs tag latest team=blue")
    _, store = open_store()
    runs = {run.info.run_id: run for run in (find_run(store, word) for word in words)}
    for run in runs.values():
        if tags:
            store.log_batch(run.info.run_id, tags=tags)
        for key in args.remove:
            if key in run.tags:
                store.delete_tag(run.info.run_id, key)
    _say(args, "tagged", list(runs), "tagged")
    return 0


def _say(args: argparse.Namespace, key: str, ids: list[str], done: str) -> None:
    from bis.cli.style import counted, print_json

    if args.json:
        print_json({key: ids})
    else:
        print(f"{counted(len(ids), 'run')} {done}")
