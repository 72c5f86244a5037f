"""Artifacts over HTTP: lists as JSON, files as streams that are never whole in memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.server.encoding import files
from bis.tracking.refusals import absent

if TYPE_CHECKING:
    from bis.server.asgi import Receive, Send
    from bis.server.encoding import Json
    from bis.server.routes import Call, Routes
    from bis.tracking.artifacts import ArtifactDirectory

PROXY = "mlflow-artifacts/artifacts"
"""The path under which clients read and write files by themselves."""

_CHUNK_BYTES = 1 << 18


class ClientGoneError(Exception):
    """The client closed the connection before it had sent everything; nobody is there to read an answer."""


async def upload(directory: ArtifactDirectory, path: str, receive: Receive) -> None:
    """Store the body of the request at ``path``; nothing of it stays when the client goes away."""
    with directory.writing(path) as file:
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGoneError
            file.write(message.get("body", b""))
            more = message.get("more_body", False)


async def download(directory: ArtifactDirectory, path: str, send: Send) -> None:
    """Send the file at ``path``, so that a browser would save it and never show it."""
    with directory.file(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        headers = [
            (b"content-type", b"application/octet-stream"),
            (b"content-length", str(size).encode()),
            (b"content-disposition", b"attachment"),
            (b"content-security-policy", b"sandbox; default-src 'none'"),
            (b"x-content-type-options", b"nosniff"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        if size == 0:
            await send({"type": "http.response.body", "body": b""})
        while size > 0:
            chunk = file.read(min(size, _CHUNK_BYTES))
            if not chunk:
                raise OSError("the file became shorter while it was read")
            size -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": size > 0})


def _list(call: Call) -> Json:
    """The artifacts of a run; paths are relative to its root."""
    uri = call.store.run(call.fields.run_id()).info.artifact_uri
    found = call.store.served_directory(uri).listing(call.fields.text("path"))
    return {"root_uri": call.encoder.address(uri), "files": files(found)}


def _list_proxied(call: Call) -> Json:
    """The entries of a directory below the artifact root; their paths are their names."""
    found = call.store.artifacts.listing(call.fields.text("path"))
    return {"files": [{**file, "path": file["path"].rpartition("/")[2]} for file in files(found)]}


def delete(directory: ArtifactDirectory, path: str) -> Json:
    """Remove the file or directory at ``path``."""
    if not directory.resolve(path).exists():
        raise absent(f"No such artifact: {path[:200]!r}")
    directory.delete(path)
    return {}


ROUTES: Routes = {
    ("GET", "mlflow/artifacts/list"): _list,
    ("GET", PROXY): _list_proxied,
}
