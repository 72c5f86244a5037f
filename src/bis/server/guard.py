"""Who may ask: the name the server was called by, where a browser came from, and the token."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import TYPE_CHECKING

from bis.server.hosts import Hosts, is_from_elsewhere

if TYPE_CHECKING:
    from collections.abc import Iterable

    Headers = Iterable[tuple[bytes, bytes]]
    Refusal = tuple[int, str, str]

OPEN_PATHS = frozenset(("/health", "/version"))
"""Paths that answer without the token."""

_SAFE_METHODS = frozenset(("GET", "HEAD", "OPTIONS"))
"""They change nothing here, and no answer lets a page of another origin read it."""


class Guard:
    """Refuses requests before they are routed. Without a token, every local process may ask."""

    def __init__(self, token: str | None, hosts: Hosts | None = None) -> None:
        self._token = token.encode() if token else None
        self._hosts = hosts or Hosts()

    def refusal(self, path: str, method: str, headers: Headers) -> Refusal | None:
        """Why the request is refused: status, error code and message; None when it is not."""
        foreign = foreign_request(self._hosts, method, headers)
        if foreign is not None:
            return foreign
        if self._token and path not in OPEN_PATHS and not self._is_known(_values(headers, b"authorization")):
            return 401, "CUSTOMER_UNAUTHORIZED", "The token is missing or wrong."
        return None

    def _is_known(self, sent: list[bytes]) -> bool:
        return len(sent) == 1 and hmac.compare_digest(
            credential(sent[0]).encode("latin-1"), self._token or b""
        )


def credential(authorization: bytes) -> str:
    """The token in the header: after Bearer, or the password of Basic. Empty when there is none."""
    scheme, _, rest = authorization.partition(b" ")
    if scheme.lower() == b"bearer":
        return rest.strip().decode("latin-1")
    if scheme.lower() != b"basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).partition(b":")[2].decode("latin-1")
    except (binascii.Error, ValueError):
        return ""


_NO_NAME = "This is no name of this server. Whoever runs it can add it: bis server --allowed-host NAME."


def foreign_request(hosts: Hosts, method: str, headers: Headers) -> Refusal | None:
    """Why a request that was not meant for this server, or that a page of another site sent, is refused."""
    named = _values(headers, b"host")
    if len(named) != 1:  # RFC 9112, 3.2
        return 400, "BAD_REQUEST", "A request has one Host header."
    if not hosts.accepts(named[0]):
        return 403, "PERMISSION_DENIED", _NO_NAME
    if method in _SAFE_METHODS:
        return None
    origins, sites = _values(headers, b"origin"), _values(headers, b"sec-fetch-site")
    origin = b",".join(origins) if origins else None  # two of them are none that is known
    if is_from_elsewhere(named[0], origin, sites[0] if sites else None):
        return 403, "PERMISSION_DENIED", "Cross-origin requests are refused."
    return None


def _values(headers: Headers, name: bytes) -> list[bytes]:
    return [value for known, value in headers if known == name]
