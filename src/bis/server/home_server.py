"""The store of the home, served in a process that logs to it: a script with bis, and no server besides."""

from __future__ import annotations

import atexit
import os
import threading

from bis.home import Home
from bis.server.loopback import LoopbackServer

_lock = threading.Lock()
_servers: dict[int, LoopbackServer] = {}  # by process: a forked child has closed its parent's


def serve_home() -> tuple[str, str]:
    """The address and the token of this process's own server, which is started at the first call and ends with it.

    Raises HomeError when the home cannot be made.
    """
    with _lock:
        server = _servers.get(os.getpid())
        if server is None:
            home = Home.locate()
            home.ensure()
            server = LoopbackServer(home.database, home.artifacts)
            server.start()
            _servers[os.getpid()] = server
            atexit.register(_stop, os.getpid())
        return server.url, server.token


def _stop(process: int) -> None:
    """End the server, in its own process: a forked child inherits what is done at the end."""
    if process == os.getpid():
        _servers[process].stop()
