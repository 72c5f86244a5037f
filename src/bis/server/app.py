"""The ASGI application: guards, finds the route, reads the request, and answers in JSON, also when it
refuses.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from bis._version import __version__
from bis.errors import RunNotFoundError, TrackingError
from bis.server import artifacts, experiments, histories, models, openapi, registry, run_data, runs, shapes
from bis.server.encoding import Encoder
from bis.server.fields import MOST_JSON_DEPTH, Fields, check_depth
from bis.server.guard import Guard
from bis.server.replies import refusal_body, reply
from bis.server.routes import PREFIX, Call, Routes, Table, reads
from bis.tracking.refusals import RefusedError, invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.server.asgi import Receive, Scope, Send
    from bis.server.encoding import Json
    from bis.server.hosts import Hosts
    from bis.tracking.grouped import GroupedStore
    from bis.tracking.sql_store import SqlStore

MOST_JSON_BYTES = 32 * 2**20
"""The largest request but for artifacts: the profile of a dataset may have 16 MiB."""

STATUSES = {
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "TEMPORARILY_UNAVAILABLE": 503,
    "INTERNAL_ERROR": 500,
}
"""Error code -> HTTP status; any other is 400. Clients repeat a request after 429 and 5xx for minutes.

All codes that are sent are of MLflow 1.20: a client raises ValueError for one that it does not know.
"""

_SERVER_INFO: Json = {
    "store_type": "SqlStore",
    "workspaces_enabled": False,
    "multipart_uploads_enabled": False,
    "multipart_downloads_enabled": False,
}
_OTHER_ROUTES: Routes = (reads("GET", "mlflow/server-info", lambda _: _SERVER_INFO, "", shapes.SERVER_INFO),)
TABLE = Table(
    experiments.ROUTES,
    runs.ROUTES,
    run_data.ROUTES,
    histories.ROUTES,
    artifacts.ROUTES,
    models.ROUTES,
    registry.ROUTES,
    _OTHER_ROUTES,
)

_CLIENT = re.compile(rb"mlflow-python-client/(\d+)\.(\d+)")
_FIRST_PROXYING_CLIENT = (1, 24)


class App:
    """MLflow's REST protocol over a store.

    ``token``: what every request must carry, as Bearer or as the password of Basic. ``shares_disk``: clients
    that are too old for ``mlflow-artifacts:`` (before 1.24) get ``file:`` addresses, for a server on their
    machine. ``hosts``: the names it answers to; those of loopback when None.
    """

    def __init__(
        self,
        store: GroupedStore,
        *,
        token: str | None = None,
        shares_disk: bool = False,
        hosts: Hosts | None = None,
    ) -> None:
        self._store = store
        self._guard = Guard(token, hosts)
        self._encoder = Encoder()
        self._old_encoder = (
            Encoder(Path(store.artifacts.uri).absolute().as_uri()) if shares_disk else self._encoder
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, send)
        except artifacts.ClientGoneError:
            return
        except TrackingError as error:
            await _refuse(send, error)
        except Exception:
            import logging

            logging.getLogger("bis.server").exception("%s %s failed", scope["method"], scope["path"])
            await reply(
                send, 500, refusal_body("INTERNAL_ERROR", "The server failed; this is a defect of bis.")
            )

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = scope["method"], scope["path"]
        headers = dict(scope["headers"])
        refusal = self._guard.refusal(path, method, scope["headers"])
        if refusal is not None:
            status, code, message = refusal
            await reply(send, status, refusal_body(code, message))
            return
        prefixed = PREFIX.fullmatch(path)
        rest = prefixed[1] if prefixed else path
        if prefixed and rest.startswith(f"{artifacts.PROXY}/") and method in artifacts.METHODS:
            await self._file(method, rest[len(artifacts.PROXY) + 1 :], headers, receive, send)
            return
        asked = "GET" if method == "HEAD" else method  # its answer has no body, which the protocol sees to
        if asked == "GET" and await self._page(scope, headers, send):
            return
        found = TABLE.find(asked, rest) if prefixed else None
        if found is None:
            await _refuse_route(send, method, path, TABLE.methods(rest) if prefixed else [])
            return
        route, parts = found
        fields = await _fields(asked, scope["query_string"], headers, receive)
        scope["bis.fields"] = fields  # what the audit log takes the ids from
        encoder = self._encoder_for(headers)

        def work(store: SqlStore) -> bytes:
            reply = route.answer(Call(store, fields, encoder, parts))
            if isinstance(reply, bytes):
                return reply
            return json.dumps(reply, allow_nan=False, separators=(",", ":")).encode()

        done = self._store.write(work) if route.writes else self._store.read(work)
        await reply(send, 200, await asyncio.wrap_future(done))

    async def _page(self, scope: Scope, headers: Mapping[bytes, bytes], send: Send) -> bool:
        """Answer what has no prefix: texts, this protocol's document, files by the names of MLflow's pages."""
        path = scope["path"]
        if path in _TEXTS:
            await reply(send, 200, _TEXTS[path], b"text/plain; charset=utf-8")
        elif path == openapi.PATH:
            await reply(send, 200, openapi.document_json(TABLE))
        elif (found := artifacts.locator(path)) is not None:
            await self._located(*found, scope, headers, send)
        else:
            return False
        return True

    async def _located(
        self,
        find: artifacts.Locator,
        parts: tuple[str, ...],
        scope: Scope,
        headers: Mapping[bytes, bytes],
        send: Send,
    ) -> None:
        fields = _query_fields(scope["query_string"])
        located = self._store.read(lambda store: find(Call(store, fields, self._encoder, parts)))
        store, name = await asyncio.wrap_future(located)
        await artifacts.download(store, name, headers, send, head=scope["method"] == "HEAD")

    async def _file(
        self, method: str, path: str, headers: Mapping[bytes, bytes], receive: Receive, send: Send
    ) -> None:
        store = self._store.artifacts
        if method in ("GET", "HEAD"):
            await artifacts.download(store, path, headers, send, head=method == "HEAD")
            return
        if method == "PUT":
            await artifacts.upload(store, path, receive)
        else:
            await artifacts.delete(store, path)
        await reply(send, 200, b"{}")

    def _encoder_for(self, headers: Mapping[bytes, bytes]) -> Encoder:
        client = _CLIENT.match(headers.get(b"user-agent", b""))
        old = client is not None and (int(client[1]), int(client[2])) < _FIRST_PROXYING_CLIENT
        return self._old_encoder if old else self._encoder


_PARTS = "/mlflow-artifacts/mpu/"
_NO_PARTS = "Multipart upload is not supported for the current artifact repository"
"""MLflow's words, on which a client that was told to upload in parts uploads the file whole."""

_TEXTS = {"/health": b"OK", "/version": __version__.encode()}


async def _refuse_route(send: Send, method: str, path: str, methods: list[str]) -> None:
    """Clients try their next path on this code; MLflow's server has the same statuses, and a page."""
    body = refusal_body(
        "ENDPOINT_NOT_FOUND", _NO_PARTS if _PARTS in path else f"No endpoint {method} {path[:200]}"
    )
    if methods:
        await reply(send, 405, body, more=[(b"allow", ", ".join(methods).encode())])
    else:
        await reply(send, 404, body)


def _query_fields(query: bytes) -> Fields:
    return Fields(parse_qs(query.decode("latin-1"), keep_blank_values=True))


async def _fields(method: str, query: bytes, headers: Mapping[bytes, bytes], receive: Receive) -> Fields:
    if method == "GET":
        return _query_fields(query)
    length = headers.get(b"content-length", b"0")
    if len(length) > 10 or int(length) > MOST_JSON_BYTES:  # digits: the parser has seen to it
        raise _too_large()
    body = await _body(receive)
    if not body and method != "POST":
        return _query_fields(query)
    if headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != b"application/json":
        raise RefusedError("Bad Request. Content-Type must be application/json.", code="BAD_REQUEST")
    return Fields(_object(body or b"{}"), len(body))


async def _body(receive: Receive) -> bytes:
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise artifacts.ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_JSON_BYTES:
            raise _too_large()
        more = message.get("more_body", False)
    return b"".join(parts)


def _too_large() -> RefusedError:
    return RefusedError(f"The request has more than {MOST_JSON_BYTES} bytes.", code="BAD_REQUEST")


def _object(body: bytes) -> Json:
    try:
        value = json.loads(body.decode())  # UTF-8 alone, or two readers may see two texts
    except (ValueError, RecursionError) as error:
        raise RefusedError("Bad Request. The body is not JSON.", code="BAD_REQUEST") from error
    if isinstance(value, str):  # a client may have encoded its JSON twice, which MLflow takes
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RefusedError("Bad Request. The body is not a JSON object.", code="BAD_REQUEST") from error
    if not isinstance(value, dict):
        raise invalid("Bad Request. The body is not a JSON object.")
    if body.count(b"{") + body.count(b"[") > MOST_JSON_DEPTH:
        check_depth(value)
    return value


async def _refuse(send: Send, error: TrackingError) -> None:
    if isinstance(error, RunNotFoundError):
        status, code = 404, "RESOURCE_DOES_NOT_EXIST"
    elif isinstance(error, RefusedError):
        status, code = STATUSES.get(error.code, 400), error.code
    else:
        status, code = 507, "INTERNAL_ERROR"  # 507: clients do not repeat it
    await reply(send, status, refusal_body(code, error.message))
