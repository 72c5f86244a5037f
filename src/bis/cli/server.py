"""``bis server`` and ``bis ui``: MLflow's REST protocol over a store."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command
from bis.cli.served import add_store, located, private_files
from bis.cli.server_options import (
    LOOPBACK,
    add_access,
    add_operation,
    add_port,
    chosen,
    durability,
    port,
    server_options,
)
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Callable

    from bis.cli.served import StoreAddress
    from bis.server.standalone import ServerOptions
    from bis.tracking.grouped import GroupedStore

_DESCRIPTION = """\
Serve a tracking store to bis and to MLflow's clients of every version. Without
options it serves the store in BIS_HOME to this machine alone. Where others can
reach it, it asks for a token; the first start prints one. SIGTERM ends it when
what it accepted is answered."""

_UI_DESCRIPTION = """\
Serve the store in BIS_HOME to you, on this machine. No token is asked; requests
that pages of other sites make are refused. The web pages are not there yet: now
it is the API."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``server`` and ``ui``."""
    parser = command(
        commands,
        "server",
        serve,
        help="serve a tracking store to a team",
        description=_DESCRIPTION,
        example="  bis server\n"
        "  bis server --host 0.0.0.0 --store /srv/bis/tracking.db\n"
        "  bis server --allowed-host mlflow.example.org --store postgresql://db.example.org/bis",
    )
    add_port(parser)
    add_store(parser)
    add_access(parser)
    add_operation(parser)
    parser.add_argument("--check", action="store_true", help="say whether it could serve, and end")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when it listens")
    own = command(
        commands,
        "ui",
        serve_own,
        help="serve your own store to yourself",
        description=_UI_DESCRIPTION,
        example="  bis ui",
    )
    add_port(own)
    add_store(own)
    own.add_argument("--json", action="store_true", help="print one line of JSON when it listens")


def serve(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; with ``--check``, only say whether it could."""
    from bis.server.listening import listen

    address = located(args)
    if args.check:
        return _check(args, address)
    listener = listen(chosen(args.host, "BIS_HOST", LOOPBACK), port(args))
    # what follows imports the server: clients that come meanwhile wait in the queue of the socket
    return _serve(listener, address, server_options(args, address, listener), durability(args), args.json)


def serve_own(args: argparse.Namespace) -> int:
    """Serve on loopback, without a token, whatever the variables of a server say."""
    from bis.server.listening import listen

    address = located(args)
    listener = listen(LOOPBACK, port(args))
    from bis.server.standalone import ServerOptions

    return _serve(listener, address, ServerOptions(), "normal", args.json)


def _serve(
    listener: socket.socket, address: StoreAddress, options: ServerOptions, durability: str, as_json: bool
) -> int:
    from bis.cli.style import notifier
    from bis.server.standalone import Standalone

    _require_place(address.artifacts)
    notify = notifier()
    private_files()  # the logs too
    store = _open(address, durability)
    try:
        server = Standalone(store, listener, options, notify)
        token = store.write(_first_token).result() if options.asks_token else None
        _say(address, options, listener, notify, as_json)
        if options.asks_token:
            _say_token(token, address, notify)
        server.run()
    finally:
        store.close()
    return 0


def _require_place(artifacts: str) -> None:
    """Refuse a folder that no file can be put into: clients would hear of it, one by one, much later."""
    from bis.server.checking import obstacle
    from bis.tracking.artifact_store import folder_of

    folder = folder_of(artifacts)
    hindered = None if folder is None else obstacle(folder)
    if hindered:
        raise UsageError(
            f"no artifacts can be kept in {artifacts}: {hindered}",
            hint="Name another folder with --artifacts, or let this user write there.",
        )


def _open(address: StoreAddress, durability: str) -> GroupedStore:
    from bis.tracking.grouped import GroupedStore
    from bis.tracking.sql_store import open_sql_store

    return GroupedStore(lambda: open_sql_store(address.uri, address.artifacts, durability=durability))


def _first_token(store: Any) -> str | None:
    text: str | None = store.tokens.create_first("first start")
    return text


def _say(
    address: StoreAddress,
    options: ServerOptions,
    listener: socket.socket,
    notify: Callable[[str], None],
    as_json: bool,
) -> None:
    from bis.server.listening import address as url_of
    from bis.server.listening import is_loopback

    url = url_of(listener)
    if as_json:
        import json

        words = {
            "url": url,
            "store": address.shown,
            "artifacts": address.artifacts,
            "auth": options.asks_token,
        }
        print(json.dumps(words), flush=True)
    notify(f"serving {address.shown} at {url}, artifacts in {address.artifacts}")
    if not options.asks_token and not is_loopback(listener):
        notify("no token is asked: whoever reaches this address can read and delete everything")
    if options.audit is not None:
        notify(f"writes are logged in {options.audit}")
    notify(f"clients:  export MLFLOW_TRACKING_URI={url}")


def _say_token(text: str | None, address: StoreAddress, notify: Callable[[str], None]) -> None:
    store = "" if address.is_home else f" --store {shlex.quote(str(address.file or address.shown))}"
    if text is None:
        notify(f"          export MLFLOW_TRACKING_TOKEN=...   (make one:  bis tokens create{store})")
        return
    notify(f"          export MLFLOW_TRACKING_TOKEN={text}")
    notify(
        "this token of the role admin is shown once: the store had none. Make one for each person and machine:"
    )
    notify(f"          bis tokens create{store} --role write --name NAME")


def _check(args: argparse.Namespace, address: StoreAddress) -> int:
    from bis.cli.style import Style, print_json
    from bis.server.checking import check

    found = check(address.uri, address.artifacts)
    if args.json:
        print_json([{"name": one.name, "ok": one.ok, "detail": one.detail} for one in found])
    else:
        style = Style(sys.stdout)
        for one in found:
            print(f"{style.good('ok    ') if one.ok else style.bad('failed')}  {one.name}: {one.detail}")
    return 0 if all(one.ok for one in found) else 1
