"""Answers as they are sent: the headers that each has, and the body of one that refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.server.asgi import Send


def refusal_body(code: str, message: str) -> bytes:
    """What MLflow's clients read of an error: its code and its message."""
    return json.dumps({"error_code": code, "message": message}).encode()


async def reply(
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = b"application/json",
    more: Sequence[tuple[bytes, bytes]] = (),
) -> None:
    """Send the answer; ``more`` are further headers."""
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="bis"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
