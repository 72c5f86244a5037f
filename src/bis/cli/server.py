"""``bis server`` and ``bis ui``: MLflow's REST protocol over a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from bis.cli.parser import command
from bis.cli.served import add_store, located
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse
    import socket
    from collections.abc import Callable

    from bis.cli.served import StoreAddress
    from bis.server.direct_store import DirectStore as GroupedStore
    from bis.server.standalone import ServerOptions

_PORT = "5000"
_LOOPBACK = "127.0.0.1"

_DESCRIPTION = """\
Serve a tracking store to bis and to MLflow's clients of every version. Without
options it serves the store in BIS_HOME to this machine alone. Where others can
reach it, it asks for a token; the first start prints one. SIGTERM ends it when
what it accepted is answered."""

_UI_DESCRIPTION = """\
Serve the store in BIS_HOME to you, on this machine. No token is asked; pages of
other sites are refused. The web pages are not there yet: now it is the API."""


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``server`` and ``ui``."""
    parser = command(
        commands,
        "server",
        serve,
        help="serve a tracking store to a team",
        description=_DESCRIPTION,
        example="  bis server\n  bis server --host 0.0.0.0 --store postgresql://db.example.org/bis --artifacts s3://b/bis",
    )
    parser.add_argument(
        "--host",
        metavar="HOST",
        help="where to listen (default: BIS_HOST, else 127.0.0.1; 0.0.0.0: everywhere)",
    )
    _add_port(parser)
    add_store(parser)
    _add_access(parser)
    _add_operation(parser)
    parser.add_argument("--check", action="store_true", help="say whether it could serve, and end")
    parser.add_argument("--json", action="store_true", help="print one line of JSON when it listens")
    ui = command(
        commands,
        "ui",
        serve,
        help="serve your own store to yourself",
        description=_UI_DESCRIPTION,
        example="  bis ui",
    )
    _add_port(ui)
    add_store(ui)
    ui.add_argument("--json", action="store_true", help="print one line of JSON when it listens")
    ui.set_defaults(
        host=_LOOPBACK,
        auth=False,
        allowed_host=[],
        trusted_proxy=[],
        audit="none",
        access_log=None,
        durability="normal",
        drain="0",
        grace="10",
        check=False,
    )


def _add_port(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", metavar="N", help=f"default: BIS_PORT, else {_PORT}; 0 lets the system choose one"
    )


def _add_access(parser: argparse.ArgumentParser) -> None:
    asking = parser.add_mutually_exclusive_group()
    asking.add_argument(
        "--auth",
        action="store_true",
        default=None,
        help="ask for tokens on loopback too, as behind a reverse proxy",
    )
    asking.add_argument(
        "--no-auth",
        dest="auth",
        action="store_false",
        default=None,
        help="ask for none, wherever it listens: whoever reaches it can read and delete everything",
    )
    parser.add_argument(
        "--allowed-host",
        metavar="NAME",
        action="append",
        default=[],
        help="a name by which clients call it, as behind a reverse proxy (also BIS_ALLOWED_HOSTS, by commas)",
    )
    parser.add_argument(
        "--trusted-proxy",
        metavar="ADDRESS",
        action="append",
        default=[],
        help="a reverse proxy whose X-Forwarded-For is believed in logs (also BIS_TRUSTED_PROXIES)",
    )


def _add_operation(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--durability",
        choices=("normal", "full"),
        default="normal",
        help="full: SQLite waits for the disk, so that even a power cut loses nothing (slower)",
    )
    parser.add_argument(
        "--audit",
        metavar="FILE",
        help="the log of writes (default: audit.jsonl beside the store where tokens are asked; none: no log)",
    )
    parser.add_argument("--access-log", metavar="FILE", help="log each request as JSON; - is standard output")
    parser.add_argument(
        "--drain",
        metavar="S",
        default="0",
        help="after SIGTERM, go on for S seconds while /ready says that it ends (default: 0)",
    )
    parser.add_argument(
        "--grace",
        metavar="S",
        default="10",
        help="how long requests that have begun may take then (default: 10)",
    )


def serve(args: argparse.Namespace) -> int:
    """Serve until a signal ends it; with ``--check``, only say whether it could."""
    from bis.server.listening import listen

    address = located(args)
    if args.check:
        return _check(args, address)
    listener = listen(
        args.host or os.environ.get("BIS_HOST") or _LOOPBACK,
        _port(args.port or os.environ.get("BIS_PORT") or _PORT),
    )
    # what follows imports the server: clients that come meanwhile wait in the queue of the socket
    from bis.cli.style import notifier
    from bis.server.standalone import Standalone

    notify = notifier()
    options = _options(args, address, listener)
    store = _open(address, args.durability)
    try:
        server = Standalone(store, listener, options, notify)
        _say(args, address, options, listener, notify)
        if options.asks_token:
            _make_first_token(store, notify)
        server.run()
    finally:
        store.close()
    return 0


def _open(address: StoreAddress, durability: str) -> GroupedStore:
    from pathlib import Path

    from bis.server.direct_store import DirectStore
    from bis.tracking.sqlite import SqliteStore

    if address.file is None or durability != "normal":
        raise UsageError("only SQLite files can be served now")
    return DirectStore(SqliteStore(address.file, Path(address.artifacts)))


def _options(args: argparse.Namespace, address: StoreAddress, listener: socket.socket) -> ServerOptions:
    from bis.server.hosts import Hosts
    from bis.server.listening import is_loopback
    from bis.server.standalone import ServerOptions

    names = (
        [*args.allowed_host, *_listed("BIS_ALLOWED_HOSTS")]
        if args.host != _LOOPBACK or args.allowed_host
        else []
    )
    is_reached_by_others = not is_loopback(listener) or bool(names)
    auth = args.auth if args.auth is not None else _auth_variable()
    asks_token = is_reached_by_others if auth is None else auth
    return ServerOptions(
        asks_token=asks_token,
        hosts=Hosts.named(names, every_address=not is_loopback(listener)),
        audit=_audit_file(args.audit, address, asks_token),
        access_log=args.access_log or os.environ.get("BIS_ACCESS_LOG") or None,
        proxies=frozenset((*args.trusted_proxy, *_listed("BIS_TRUSTED_PROXIES"))),
        drain_s=_seconds("--drain", args.drain),
        grace_s=_seconds("--grace", args.grace),
    )


def _audit_file(named: str | None, address: StoreAddress, asks_token: bool) -> str | None:
    from bis.home import Home

    named = named or os.environ.get("BIS_AUDIT")
    if named:
        return None if named == "none" else named
    if not asks_token:
        return None
    beside = address.file or Home.locate().database
    return str(beside.with_name("audit.jsonl"))


def _auth_variable() -> bool | None:
    word = os.environ.get("BIS_AUTH", "")
    if word not in ("", "yes", "no"):
        raise UsageError(f"BIS_AUTH={word!r} is neither yes nor no")
    return {"yes": True, "no": False}.get(word)


def _say(
    args: argparse.Namespace,
    address: StoreAddress,
    options: ServerOptions,
    listener: socket.socket,
    notify: Callable[[str], None],
) -> None:
    from bis.server.listening import address as url_of
    from bis.server.listening import is_loopback

    url = url_of(listener)
    if args.json:
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


def _make_first_token(store: GroupedStore, notify: Callable[[str], None]) -> None:
    text = store.write(lambda each: each.tokens.create_first("first start")).result()
    if text is None:
        notify("          export MLFLOW_TRACKING_TOKEN=...   (make one:  bis tokens create)")
        return
    notify("this store had no token of the role admin; here is one, which is shown this once:")
    notify(f"          export MLFLOW_TRACKING_TOKEN={text}")
    notify("make others for people and machines:  bis tokens create --role write --name NAME")


def _check(args: argparse.Namespace, address: StoreAddress) -> int:
    import sys

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


def _listed(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {text!r} is not a port", hint="A port is a number from 0 to 65535.")
    return port


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:
        raise UsageError(f"{option} {text!r} is not a number of seconds, at most an hour")
    return seconds
