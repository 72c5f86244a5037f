"""Who may ask: the name the server was called by, where a browser came from, and the token."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOOPBACK_NAMES = frozenset(("127.0.0.1", "localhost", "::1"))
OPEN_PATHS = frozenset(("/health", "/version"))
"""Paths that answer without the token."""


class Guard:
    """Refuses requests before they are routed. Without a token, every local process may ask."""

    def __init__(self, token: str | None) -> None:
        self._token = token.encode() if token else None

    def refusal(self, path: str, method: str, headers: Mapping[bytes, bytes]) -> tuple[int, str, str] | None:
        """Why the request is refused: status, error code and message; None when it is not."""
        host = headers.get(b"host", b"").decode("latin-1")
        if _host_name(f"//{host}") not in _LOOPBACK_NAMES:
            return 403, "PERMISSION_DENIED", "This server answers only to the names of the loopback address."
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin and method not in ("GET", "HEAD") and _host_name(origin) not in _LOOPBACK_NAMES:
            return 403, "PERMISSION_DENIED", "Cross-origin requests are refused."
        if self._token and path not in OPEN_PATHS and not self._is_known(headers.get(b"authorization", b"")):
            return 401, "UNAUTHENTICATED", "The token is missing or wrong."
        return None

    def _is_known(self, authorization: bytes) -> bool:
        scheme, _, credential = authorization.partition(b" ")
        if scheme.lower() == b"basic":
            try:
                credential = base64.b64decode(credential.strip(), validate=True).partition(b":")[2]
            except (binascii.Error, ValueError):
                return False
        elif scheme.lower() != b"bearer":
            return False
        return hmac.compare_digest(credential.strip(), self._token or b"")


def _host_name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
