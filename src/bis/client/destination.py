"""Where this process logs: the run that bis began, the server that it names, or the store of the home."""

from __future__ import annotations

import os
import sys

from bis.client.connection import Server, say
from bis.client.errors import TrackingError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import Any

_chosen: str | None = None
_servers: dict[tuple[str | None, ...], Server] = {}
_CREDENTIALS = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")


def set_tracking_uri(uri: str | None) -> None:
    """Log to the server at ``uri`` from the next run on; None: where the variables say. No effect in a run of bis."""
    global _chosen
    ours = uri_of_bis()
    if ours is None or str(uri).rstrip("/") == ours.rstrip("/"):
        _chosen = str(uri) if uri else None
    else:
        say(
            "set_tracking_uri({!r}) has no effect here; the run stays in {}".format(
                _hidden(str(uri)), _shown(ours)
            )
        )


def get_tracking_uri() -> str:
    """The address of the server that is logged to."""
    return server().address


def run_of_bis() -> str | None:
    """The id of the run that bis began, in a process that belongs to it."""
    return os.environ.get("BIS_RUN_ID") if os.environ.get("BIS_TRACKING_URI") else None


def uri_of_bis() -> str | None:
    """The address that bis gave to this process, if any."""
    return os.environ.get("BIS_TRACKING_URI") if os.environ.get("BIS_RUN_ID") else None


def server() -> Server:
    """The server that a run begun now goes to; raises TrackingError when there is none."""
    uri = uri_of_bis() or _chosen or os.environ.get("MLFLOW_TRACKING_URI")
    if uri and uri.startswith(("http://", "https://")):
        return _server(uri, None)
    return _of_the_home(uri)


def close() -> None:
    """Close the connections of this process: it ends."""
    for one in _servers.values():
        one.close()


def _server(uri: str, token: str | None) -> Server:
    known = (uri, token, *(os.environ.get(name) for name in _CREDENTIALS))
    if known not in _servers:
        _servers[known] = Server(uri, token=token)
    return _servers[known]


def _of_the_home(uri: str | None) -> Server:
    """The store of the home, which the whole of bis serves in this process."""
    serve_home: Any = getattr(sys.modules.get("bis"), "_serve_home", None)
    if serve_home is None:
        raise TrackingError(
            "there is nowhere to log to: run the script with `bis run`, or set MLFLOW_TRACKING_URI to the address of"
            " a server" + ("; {} is none".format(_hidden(uri)) if uri else "")
        )
    if uri and uri not in _said:
        _said.add(uri)
        say("{} is not a server: runs are kept in bis's own store".format(_hidden(uri)))
    return _server(*serve_home())


_said: set[str] = set()


def _hidden(uri: str) -> str:
    """The URI without credentials: it is going to be printed."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return uri
    host, slash, path = rest.partition("/")
    return scheme + separator + host.rpartition("@")[2] + slash + path


def _shown(uri: str) -> str:
    return "bis" if uri.startswith("http://127.0.0.1:") else _hidden(uri)
