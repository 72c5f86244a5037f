"""``bis server`` and ``bis ui``: MLflow's REST protocol over a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.cli.parser import command
from bis.errors import UsageError

if TYPE_CHECKING:
    import argparse

_PORT = 5000


def add_commands(commands: argparse._SubParsersAction[Any]) -> None:
    """Add ``server`` and ``ui``."""
    parser = command(
        commands,
        "server",
        serve,
        help="serve a tracking store to MLflow's clients",
        description="Serve the tracking store to bis and to MLflow's clients of every version.",
        example="  bis server\n  bis server --port 0",
    )
    parser.add_argument(
        "--host", metavar="HOST", default="127.0.0.1", help="where to listen (default: 127.0.0.1)"
    )
    parser.add_argument(
        "--port", metavar="N", default=str(_PORT), help=f"default: {_PORT}; 0 for any that is free"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON when it listens")


def serve(args: argparse.Namespace) -> int:
    """Serve until a signal ends it."""
    from bis.cli.style import notifier
    from bis.home import Home
    from bis.server.listening import is_loopback, listen
    from bis.server.standalone import Served
    from bis.server.standalone import serve as serve_store

    home = Home.locate()
    home.ensure()
    listener = listen(args.host, _port(args.port))
    if not is_loopback(listener):
        raise UsageError("only loopback addresses can be served now", hint="Use --host 127.0.0.1.")
    notify = notifier()

    def say(url: str) -> None:
        if args.json:
            import json

            print(json.dumps({"url": url, "store": f"sqlite:///{home.database}"}), flush=True)
        notify(f"serving {home.database} at {url}")
        notify(f"clients:  export MLFLOW_TRACKING_URI={url}")

    return serve_store(listener, Served(home.database, home.artifacts), on_ready=say)


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise UsageError(f"--port {text!r} is not a port", hint="A port is a number from 0 to 65535.")
    return port
