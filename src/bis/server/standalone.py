"""A server on its own: it listens, serves a store until it is told to stop, and answers what it accepted."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.server.listening import address

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Served:
    """What is served: the store and its artifacts."""

    database: Path
    artifacts: Path


def serve(listener: socket.socket, served: Served, *, on_ready: Callable[[str], None]) -> int:
    """Serve until SIGTERM or SIGINT; ``on_ready`` gets the address. Returns the exit status."""
    from bis.server.app import App
    from bis.server.serving import Serving
    from bis.tracking.sqlite import SqliteStore

    store = SqliteStore(served.database, served.artifacts)
    serving = Serving(App(store), listener)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: serving.stop())
    on_ready(address(listener))
    try:
        serving.run()
    finally:
        store.close()
    return 0
