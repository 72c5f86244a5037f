"""Artifacts over HTTP: lists as JSON, files as streams that are never whole in memory.

What reads or writes a disk or an object store does so in a thread: the event loop goes on serving others.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote, unquote

from bis.server.byte_ranges import UnsatisfiableError, asked_range, is_known
from bis.server.encoding import files
from bis.server.routes import reads
from bis.tracking.artifact_store import CHUNK_BYTES, write_all
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractContextManager

    from bis.server.asgi import Receive, Send
    from bis.server.encoding import Json
    from bis.server.routes import Call, Routes
    from bis.tracking.artifact_store import ArtifactStore, StoredFile

T = TypeVar("T")

PROXY = "mlflow-artifacts/artifacts"
"""The path under which clients read and write files by themselves."""

METHODS = ("GET", "HEAD", "PUT", "DELETE")
"""What can be done with a file."""

_INERT = [
    (b"content-type", b"application/octet-stream"),
    (b"content-security-policy", b"sandbox; default-src 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"accept-ranges", b"bytes"),
]
"""A browser saves the file, and never shows it or runs anything in it."""


class ClientGoneError(Exception):
    """The client closed the connection before it had sent everything; nobody is there to read an answer."""


async def upload(store: ArtifactStore, path: str, receive: Receive) -> None:
    """Store the body of the request at ``path``; nothing of it stays when the client goes away."""
    async with _in_threads(store.writing(path)) as file:
        writing: asyncio.Task[None] | None = None
        try:
            async for chunk in _chunks(receive):  # one is written while the next one comes
                if writing is not None:
                    await writing
                writing = asyncio.create_task(asyncio.to_thread(write_all, chunk, file))
            if writing is not None:
                await writing
        finally:
            if writing is not None:
                await asyncio.wait((writing,))  # before the file is closed


async def _chunks(receive: Receive) -> AsyncIterator[list[bytes]]:
    """The body of the request as it comes, about ``CHUNK_BYTES`` at a time."""
    parts, size, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGoneError
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size >= CHUNK_BYTES or not more:
            yield parts
            parts, size = [], 0


async def download(
    store: ArtifactStore, path: str, headers: Mapping[bytes, bytes], send: Send, *, head: bool = False
) -> None:
    """Send the file at ``path``, or the range of it that is asked for; its headers alone with ``head``."""
    try:
        await _download(store, path, headers, send, head=head)
    except RefusedError as error:
        if error.code != "RESOURCE_DOES_NOT_EXIST" or not _decodes_names(headers):
            raise
        meant = await asyncio.to_thread(_meant, store, path)
        if meant is None:
            raise
        await _download(store, meant, headers, send, head=head)


def _decodes_names(headers: Mapping[bytes, bytes]) -> bool:
    return headers.get(b"user-agent", b"").startswith(b"mlflow-python-client/")


def _meant(store: ArtifactStore, path: str) -> str | None:
    """The file that MLflow's clients ask for as ``path``: they decode the names of a list, to the end.

    So ``steps%1.png`` of ``mlflow.log_image`` is asked for by another name. Only a name that the list has is
    given back, never one that was decoded here.
    """
    directory, _, name = path.rpartition("/")
    same = [
        file.path
        for file in store.listing(directory)
        if "%" in file.path and _decoded(file.path.rpartition("/")[2]) == name
    ]
    return same[0] if len(same) == 1 else None


def _decoded(name: str) -> str:
    while (once := unquote(name)) != name:
        name = once
    return name.translate(_LOST)


_LOST = dict.fromkeys(map(ord, "\t\n\r"))
"""What a URL loses on its way through the client's library: ``%09`` in a name is a tab once it is decoded."""


async def _download(
    store: ArtifactStore, path: str, headers: Mapping[bytes, bytes], send: Send, *, head: bool
) -> None:
    async with _in_threads(store.open(path)) as file:
        name = quote(path.rpartition("/")[2], safe="")  # RFC 8187: no letter of it can end the header
        disposition = (b"content-disposition", f"attachment; filename*=UTF-8''{name}".encode())
        about = [*_INERT, disposition, (b"etag", file.etag.encode())]
        if is_known(headers, file.etag):
            await _send_head(send, 304, about)
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            asked = asked_range(headers, file.size_bytes, file.etag)
        except UnsatisfiableError:
            about.append((b"content-range", f"bytes */{file.size_bytes}".encode()))
            await _send_head(send, 416, [*about, (b"content-length", b"0")])
            await send({"type": "http.response.body", "body": b""})
            return
        start, end = asked or (0, file.size_bytes)
        about.append((b"content-length", str(end - start).encode()))
        if asked:
            about.append((b"content-range", f"bytes {start}-{end - 1}/{file.size_bytes}".encode()))
        await _send_head(send, 206 if asked else 200, about)
        await _send_body(send, file, start, 0 if head else end - start)


async def delete(store: ArtifactStore, path: str) -> None:
    """Remove the file or directory at ``path``."""
    await asyncio.to_thread(store.delete, path)


async def _send_head(send: Send, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _send_body(send: Send, file: StoredFile, start: int, length: int) -> None:
    chunks = file.chunks(start, length)
    while length > 0:
        chunk = await asyncio.to_thread(next, chunks)
        length -= len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": length > 0})
        if not length:
            return
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def _in_threads(manager: AbstractContextManager[T]) -> AsyncIterator[T]:
    """The context of a blocking store, entered and left outside of the event loop."""
    value = await asyncio.to_thread(manager.__enter__)
    try:
        yield value
    except BaseException:
        if not await asyncio.to_thread(manager.__exit__, *sys.exc_info()):
            raise
    else:
        await asyncio.to_thread(manager.__exit__, None, None, None)


def _list(call: Call) -> Json:
    """The artifacts of a run; paths are relative to its root."""
    uri = call.store.run(call.fields.run_id()).info.artifact_uri
    found = call.store.served_directory(uri).listing(call.fields.text("path"))
    return {"root_uri": call.encoder.address(uri), "files": files(found)}


def _list_proxied(call: Call) -> Json:
    """The entries of a directory below the artifact root; their paths are their names."""
    found = call.store.artifacts.listing(call.fields.text("path"))
    return {"files": [{**file, "path": file["path"].rpartition("/")[2]} for file in files(found)]}


def _of_run(call: Call) -> tuple[ArtifactStore, str]:
    uri = call.store.run(call.fields.run_id()).info.artifact_uri
    return call.store.served_directory(uri), call.fields.required("path")


def _of_version(call: Call) -> tuple[ArtifactStore, str]:
    uri = call.store.model_artifact_uri(call.fields.required("name"), str(call.fields.version()))
    return call.store.served_directory(uri), call.fields.required("path")


def _of_logged_model(call: Call) -> tuple[ArtifactStore, str]:
    uri = call.store.logged_model(call.parts[0]).artifact_uri
    return call.store.served_directory(uri), call.fields.required("artifact_file_path")


Locator = Callable[["Call"], "tuple[ArtifactStore, str]"]

_LOCATED: dict[str, Locator] = {"/get-artifact": _of_run, "/model-versions/get-artifact": _of_version}
_OF_LOGGED_MODEL = re.compile(r"/ajax-api/[23]\.0/mlflow/logged-models/([^/\0]+)/artifacts/files")


def locator(path: str) -> tuple[Locator, tuple[str, ...]] | None:
    """What finds the file that MLflow's pages ask for by run, version or logged model; None for other paths."""
    if path in _LOCATED:
        return _LOCATED[path], ()
    match = _OF_LOGGED_MODEL.fullmatch(path)
    return (_of_logged_model, match.groups()) if match else None


ROUTES: Routes = (
    reads(
        "GET", "mlflow/artifacts/list", _list, "run_id! run_uuid path page_token", "root_uri! files:File[]"
    ),
    reads("GET", PROXY, _list_proxied, "path", "files:File[]"),
)
