"""A server on its own: it listens, serves a store until it is told to stop, and answers what it accepted."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.server import service_manager
from bis.server.access import Access
from bis.server.app import TABLE, App
from bis.server.hosts import Hosts
from bis.server.json_lines import JsonLines
from bis.server.metrics import CONTENT_TYPE, Requests, family, process_lines
from bis.server.operated import Operated, Page, Surroundings
from bis.server.serving import Serving

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from bis.tracking.grouped import GroupedStore
    from bis.tracking.tokens import AccessToken

_READY_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class ServerOptions:
    """How a store is served.

    ``asks_token``: only requests with a token are answered. ``audit`` and ``access_log`` are names of files, ``-`` is
    standard output. ``proxies``: addresses whose ``X-Forwarded-For`` is believed. ``drain_s``: how long it goes on
    after the signal to end, while ``/ready`` says that it is about to. ``grace_s``: how long requests that have begun
    may take after that.
    """

    asks_token: bool = False
    hosts: Hosts = field(default_factory=Hosts)
    audit: str | None = None
    access_log: str | None = None
    proxies: frozenset[str] = frozenset()
    drain_s: float = 0.0
    grace_s: float = 10.0


class Standalone:
    """Serves ``store`` on ``listener``; made and run in the main thread, whose signals it takes at once."""

    def __init__(
        self,
        store: GroupedStore,
        listener: socket.socket,
        options: ServerOptions,
        notify: Callable[[str], None],
    ) -> None:
        self._store, self._options = store, options
        self._logs = [
            None if name is None else JsonLines(name, notify) for name in (options.audit, options.access_log)
        ]
        self._requests = Requests()
        self._access = Access(self._tokens, self._note_uses) if options.asks_token else None
        around = Surroundings(
            hosts=options.hosts,
            requests=self._requests,
            routes=TABLE.paths,
            access=self._access,
            audit_log=self._logs[0],
            access_log=self._logs[1],
            pages={"/metrics": self._metrics, "/ready": self._ready},
            proxies=options.proxies,
        )
        self._serving = Serving(
            Operated(App(store, hosts=options.hosts), around), listener, grace_s=options.grace_s
        )
        self._signals = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_end)
        signal.signal(signal.SIGHUP, self._on_hangup)
        self._has_terminal = sys.stderr.isatty()  # asked now: one that is gone says no

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; a second one ends the process at once."""
        service_manager.tell("READY=1", f"MAINPID={os.getpid()}")
        try:
            self._serving.run()
        finally:
            if self._access is not None:
                self._access.note_uses(at_end=True)
            for log in filter(None, self._logs):
                log.close()

    def _on_end(self, number: int, _frame: object) -> None:
        self._signals += 1
        if self._signals > 1:
            os._exit(128 + number)
        service_manager.tell("STOPPING=1")
        self._serving.stop(after_s=self._options.drain_s)

    def _on_hangup(self, number: int, frame: object) -> None:
        """Begin new log files; or end, when it was the terminal that went away."""
        if self._has_terminal:
            self._on_end(number, frame)
            return
        for log in filter(None, self._logs):
            log.reopen()

    async def _tokens(self) -> Sequence[AccessToken]:
        return await asyncio.wrap_future(self._store.read(lambda store: store.tokens.all()))

    def _note_uses(self, uses: dict[str, int]) -> None:
        self._store.write(lambda store: store.tokens.note_use(uses))

    async def _ready(self) -> Page:
        """Whether it answers: for what sends requests to one of several servers."""
        if self._signals:
            return Page(503, b"The server is about to end.\n")
        try:
            await asyncio.wait_for(self._running(), _READY_TIMEOUT_S)
        except (TrackingError, asyncio.TimeoutError):
            return Page(503, b"The store does not answer.\n")
        return Page(200, b"OK")

    async def _running(self) -> int:
        return await asyncio.wrap_future(self._store.read(lambda store: store.running_count()))

    async def _metrics(self) -> Page:
        try:
            running: int | None = await asyncio.wait_for(self._running(), _READY_TIMEOUT_S)
        except (TrackingError, asyncio.TimeoutError):
            running = None
        lines = [*self._requests.lines(), *self._store_lines(running), *process_lines()]
        return Page(200, "\n".join([*lines, ""]).encode(), CONTENT_TYPE)

    def _store_lines(self, running: int | None) -> Iterator[str]:
        yield from family(
            "bis_store_up", "gauge", "Whether the store answers.", [("", int(running is not None))]
        )
        if running is not None:
            yield from family("bis_runs_active", "gauge", "Runs that have not ended.", [("", running)])
        for name, kind, text, value in (
            ("writes_waiting", "gauge", "Writes that wait for a transaction.", self._store.waiting_writes),
            ("groups_total", "counter", "Transactions of writes.", self._store.groups),
            ("grouped_writes_total", "counter", "Writes in these transactions.", self._store.grouped_writes),
        ):
            yield from family(f"bis_store_{name}", kind, text, [("", value)])
        yield from family(
            "bis_http_connections", "gauge", "Open connections.", [("", self._serving.connections)]
        )
        lost = sum(log.lost for log in self._logs if log is not None)
        yield from family("bis_log_lines_lost_total", "counter", "Lines that no log took.", [("", lost)])
