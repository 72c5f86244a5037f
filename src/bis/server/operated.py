"""What stands around the protocol of a server that others reach: tokens, logs, measures, and its own pages."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import TrackingError
from bis.server import audit
from bis.server.access import WRONG, Refusal, needed_role
from bis.server.guard import foreign_request
from bis.server.guessing import Guessing
from bis.server.json_lines import moment
from bis.server.metrics import MANY_PATHS, route_class
from bis.server.replies import refusal_body, reply
from bis.tracking.tokens import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from bis.server.access import Access
    from bis.server.asgi import Application, Message, Receive, Scope, Send
    from bis.server.hosts import Hosts
    from bis.server.json_lines import JsonLines
    from bis.server.metrics import Requests
    from bis.tracking.tokens import AccessToken

_CLIENT_GONE = 499
"""Not a status that is sent: the client broke off before it had an answer (the number is nginx's)."""

_RETRY_AFTER_S = b"30"

_LONGEST_PATH = 500
_LONGEST_ROUTE = 200
"""What is looked at of a path to count it: no known one is longer."""

_MAPPED = "::ffff:"
"""Before an IPv4 address, where one socket listens for both."""


@dataclass(frozen=True)
class Page:
    """An answer of the server's own pages."""

    status: int
    body: bytes
    content_type: bytes = b"text/plain; charset=utf-8"


@dataclass(frozen=True)
class Surroundings:
    """What surrounds the application. ``access`` is None where no token is asked."""

    hosts: Hosts
    requests: Requests
    routes: frozenset[str]
    access: Access | None = None
    audit_log: JsonLines | None = None
    access_log: JsonLines | None = None
    pages: Mapping[str, Callable[[], Awaitable[Page]]] = field(default_factory=dict)
    proxies: frozenset[str] = frozenset()


class Exchange:
    """One request and its answer, as logs tell of it."""

    def __init__(self, scope: Scope, send: Send, around: Surroundings) -> None:
        self._send, self._around = send, around
        self._scope = scope
        self.method, self.path = str(scope["method"]), str(scope["path"])
        self.route = route_class(self.path[:_LONGEST_ROUTE], around.routes)
        self.remote = remote_address(scope, around.proxies)
        self.token: AccessToken | None = None
        self.status, self.size = 0, 0
        self._begun = time.perf_counter()
        self._held: Message | None = None
        role = needed_role(self.method, self.path)
        self._is_audited = around.audit_log is not None and role is not None and role >= Role.WRITE

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on; that of a write not before it stands in the audit log."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._is_audited:
                self._held = message
                return
        else:
            body = message.get("body", b"")
            self.size += len(body)
            if self._held is not None:
                held, self._held = self._held, None
                self._audit(body)
                await self._send(held)
        await self._send(message)

    def end(self) -> None:
        """Count and log it."""
        seconds = time.perf_counter() - self._begun
        if self._is_audited:
            self._audit(b"")
        status = self.status or _CLIENT_GONE
        self._around.requests.count(
            self.method if self.method in _METHODS else "other", self.route, status, seconds
        )
        if self._around.access_log is not None:
            self._around.access_log.write(
                {**self._who(), "status": status, "ms": round(seconds * 1000, 2), "bytes": self.size}
            )

    def _audit(self, reply: bytes) -> None:
        self._is_audited = False
        if self._around.audit_log is None or (self.token is None and self._around.access is not None):
            return  # a request without a token has changed nothing, and anybody could fill the log with them
        ids = audit.identities(self._scope)
        if self.status == 200 and self.route.endswith(("/create", "logged-models")):
            ids = {**ids, **audit.made(reply)}
        status = self.status or _CLIENT_GONE
        self._around.audit_log.write({**self._who(), "ids": ids, "status": status})

    def _who(self) -> dict[str, object]:
        who: dict[str, object] = {
            "time": moment(),
            "remote": self.remote,
            "token": self.token.token_id if self.token else None,
            "name": self.token.name if self.token else None,
            "method": self.method[:20],
            "route": self.route,
        }
        if self.route in MANY_PATHS:
            who["path"] = self.path[:_LONGEST_PATH]
        return who


_METHODS = frozenset(("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"))


class Operated:
    """An ASGI application around another one."""

    def __init__(self, app: Application, around: Surroundings) -> None:
        self._app, self._around = app, around
        self._guessing = Guessing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        exchange = Exchange(scope, send, self._around)
        self._around.requests.in_progress += 1
        try:
            if await self._is_admitted(exchange, scope):
                await self._answer(exchange, scope, receive)
        finally:
            self._around.requests.in_progress -= 1
            exchange.end()

    async def _answer(self, exchange: Exchange, scope: Scope, receive: Receive) -> None:
        page = self._around.pages.get(exchange.path) if exchange.method in ("GET", "HEAD") else None
        if page is None:
            await self._app(scope, receive, exchange.send)
            return
        foreign = foreign_request(self._around.hosts, exchange.method, scope["headers"])
        if foreign is not None:
            await _refuse(exchange.send, Refusal(*foreign))
            return
        answer = await page()
        await reply(exchange.send, answer.status, answer.body, answer.content_type)

    async def _is_admitted(self, exchange: Exchange, scope: Scope) -> bool:
        """Whether the token, where one is asked, allows the request; when not, it is refused here."""
        if self._around.access is None:
            return True
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        try:
            found = await self._around.access.admit(
                exchange.method, exchange.path, sent[0] if len(sent) == 1 else b""
            )
        except TrackingError as error:
            await _refuse(exchange.send, Refusal(503, "TEMPORARILY_UNAVAILABLE", error.message))
            return False
        if not isinstance(found, Refusal):
            exchange.token = found
            return True
        exchange.token = found.token
        self._around.requests.refused += 1
        if found is WRONG:
            await self._let_wait(exchange, found)
        else:
            await _refuse(exchange.send, found)
        return False

    async def _let_wait(self, exchange: Exchange, refusal: Refusal) -> None:
        delay = self._guessing.delay_s(exchange.remote)
        if delay is None:
            busy = Refusal(429, "REQUEST_LIMIT_EXCEEDED", "Too many wrong tokens came from this address.")
            await _refuse(exchange.send, busy, [(b"retry-after", _RETRY_AFTER_S)])
            return
        with self._guessing.waiting(exchange.remote):
            await asyncio.sleep(delay)
        await _refuse(exchange.send, refusal)


def remote_address(scope: Scope, proxies: frozenset[str]) -> str:
    """Who asks: the other end of the connection, or whom a trusted proxy says it speaks for.

    A proxy appends the address it saw to ``X-Forwarded-For``; what stands before it is the client's own word.
    """
    client = scope.get("client")
    address = str(client[0]).removeprefix(_MAPPED) if client else ""
    if address not in proxies:
        return address
    named = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
    hops = [hop.strip() for hop in named.decode("latin-1").split(",")]
    return next((hop[:64] for hop in reversed(hops) if hop and hop not in proxies), address)


async def _refuse(send: Send, refusal: Refusal, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    await reply(send, refusal.status, refusal_body(refusal.code, refusal.message), more=more)
