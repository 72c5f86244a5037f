"""Serves an ASGI application on a socket that listens already, with uvicorn's HTTP protocol on asyncio.

uvicorn's own ``Server`` looks every 100 ms whether to stop, takes another 100 ms to do so, and installs
signal handlers; a run that is over must not wait for that. So only its protocol is used, and the stop is an
event.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from bis.server.connections import BoundedProtocol, most_connections

if TYPE_CHECKING:
    import socket

    from bis.server.asgi import Application

_KEEP_ALIVE_S = (
    3600  # a script may compute for long between two metrics; a closed connection costs it a retry
)
_GRACE_S = 5.0
_LAST_ROUNDS = (
    8  # of the loop, in which connections pending in the kernel are accepted and their requests begun
)


class _QuietProtocol(BoundedProtocol):
    """uvicorn's protocol without its logs, which would mix with the output of the run."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.logger = _SILENT
        self.access_log = False


_SILENT = logging.Logger("bis.server.protocol", logging.CRITICAL + 1)


class Serving:
    """The event loop of one server; made in the thread that runs it."""

    def __init__(self, app: Application, listener: socket.socket, *, grace_s: float = _GRACE_S) -> None:
        self._listener, self._grace_s = listener, grace_s
        self._most = most_connections()
        self._state = ServerState()
        self._config = Config(
            app,
            http=_QuietProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,  # it would believe any local process that names another address
            timeout_keep_alive=_KEEP_ALIVE_S,
            interface="asgi3",
        )
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(lambda *_: None)  # a client that breaks off is no news
        self._stop = asyncio.Event()

    def run(self) -> None:
        """Serve until ``stop``."""
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._state.connections)

    def stop(self, *, after_s: float = 0.0) -> None:
        """Ask the loop, from another thread, to finish what it has accepted and to end; ``after_s`` later."""
        try:
            self._loop.call_soon_threadsafe(self._loop.call_later, after_s, self._stop.set)
        except RuntimeError:
            return  # it has ended by itself

    async def _serve(self) -> None:
        self._config.load()
        server = await self._loop.create_server(self._protocol, sock=self._listener)
        await self._stop.wait()
        for _ in range(_LAST_ROUNDS):
            await asyncio.sleep(0)
        server.close()
        await self._finish()

    def _protocol(self) -> asyncio.Protocol:
        return _QuietProtocol(
            config=self._config, server_state=self._state, app_state={}, _loop=self._loop, most=self._most
        )

    async def _finish(self) -> None:
        """Let requests that have begun be answered, for a few seconds at most."""
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(list(self._state.tasks), timeout=self._grace_s)
        for connection in list(self._state.connections):
            connection.shutdown()
        await asyncio.sleep(0)
