"""One connection: uvicorn's HTTP protocol with bounds on what a client may send, and on how slowly.

uvicorn leaves the size of the head to a proxy, and waits for ever for a client that sends a byte now and then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bis.server.replies import refusal_body

if TYPE_CHECKING:
    import asyncio

MOST_HEAD_BYTES = 64 * 2**10
"""Request line and headers together; a search by GET has its filter in the request line."""
MOST_HEADERS = 100

WINDOW_S = 15.0
"""How often a connection is looked at. A request has one window for its head; after that, its body has to go on
with ``LEAST_WINDOW_BYTES`` in each, and so has a client that reads an answer.
"""
LEAST_WINDOW_BYTES = 1500
IDLE_WINDOWS = 4
"""After how many of them a connection is closed that has asked nothing yet."""

MOST_CONNECTIONS = 2000
"""Open at once; the request of one more is answered with 503, upon which clients wait and ask again."""
SURPLUS = 200
"""How many more may wait for that answer; others are closed unheard."""
SURPLUS_S = 2.0
_OTHER_FILES = 100
"""What a server has open beside its connections."""

_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


def most_connections() -> int:
    """How many may be open: fewer where the system allows fewer files, after as many as it allows were asked for."""
    import resource

    wanted = MOST_CONNECTIONS + SURPLUS + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return MOST_CONNECTIONS
    allowed = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return max(1, allowed - SURPLUS - _OTHER_FILES)


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose client is out of bounds; the answer is JSON, as all of them."""

    def __init__(self, *arguments: Any, most: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most, self._is_surplus = most, False
        self._is_in_head = self._is_in_body = False
        self._head_bytes = self._window_bytes = 0
        self._windows = self._drains = 0
        self._unsent = (0, 0)
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        count = len(self.connections)
        if count > self._most + SURPLUS:
            transport.abort()
            return
        self._is_surplus = count > self._most
        self._watch = self.loop.call_later(SURPLUS_S if self._is_surplus else WINDOW_S, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if data[0] in b"\r\n" and not (self._is_in_head or self._is_in_body) and not data.strip(b"\r\n"):
            return  # between requests these mean nothing; uvicorn would stop the clock of an idle connection
        if self._is_surplus:
            self._refuse(503, "The server has too many connections.", "TEMPORARILY_UNAVAILABLE")
            return
        self._window_bytes += len(data)
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MOST_HEAD_BYTES:
                self._refuse(431, "The head of the request is too large.")

    def on_message_begin(self) -> None:
        self._is_in_head, self._head_bytes, self._windows = True, 0, 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_in_head:  # what follows a body in chunks is no header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self._is_in_body = False, True
        head_bytes = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if head_bytes > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self._refuse(431, "The head of the request is too large.")
            return
        if not self.url.startswith(b"/") and not self._take_absolute():
            self._refuse(400, "The target of the request is no path.")
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_in_body = False
        if not self.transport.is_closing():
            super().on_message_complete()

    def resume_writing(self) -> None:
        self._drains += 1
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(400, msg)

    def _take_absolute(self) -> bool:
        """Whether the target is a whole URL; its host then replaces the header (RFC 9112, 3.2.2)."""
        url = httptools.parse_url(self.url)
        if url.schema not in (b"http", b"https") or not url.host or url.userinfo:
            return False
        host = b"[%s]" % url.host if b":" in url.host else url.host
        if url.port:
            host += b":%d" % url.port
        self.headers[:] = [(b"host", host), *(one for one in self.headers if one[0] != b"host")]
        if url.path is None:
            self.url += b"/"
        return True

    def _look(self) -> None:
        """Once in each window: close the connection when its client is too slow."""
        if self.transport.is_closing():
            return
        if self._is_surplus:
            self.transport.abort()
            return
        self._windows += 1
        received, self._window_bytes = self._window_bytes, 0
        before, self._unsent = self._unsent, (self._drains, self.transport.get_write_buffer_size())
        if self._is_in_head and self._windows > 1:
            self._refuse(408, "The head of the request took too long.")
        elif self._is_stuck(received, before):
            self.transport.abort()
        else:
            self._watch = self.loop.call_later(WINDOW_S, self._look)

    def _is_stuck(self, received: int, unsent_before: tuple[int, int]) -> bool:
        if self._is_in_body:
            return self._windows > 1 and received < LEAST_WINDOW_BYTES and not self.flow.read_paused
        if self.flow.write_paused:
            return self._unsent == unsent_before
        return self.cycle is None and not self._is_in_head and self._windows >= IDLE_WINDOWS

    def _refuse(self, status: int, message: str, code: str = "BAD_REQUEST") -> None:
        """Answer and close; an answer that is on its way is cut, or it would be mixed with this one."""
        self._is_in_head = self._is_in_body = False
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # whoever works on it learns that nobody waits
            cycle.message_event.set()
        if cycle is None or cycle.response_complete or not cycle.response_started:
            body = refusal_body(code, message)
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%s"
                % (status, _REASONS[status], len(body), body)
            )
        self.transport.close()
