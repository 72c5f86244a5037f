"""Reads what is at an http(s) address, a piece at a time, and knows when it did not come whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TIMEOUT_S = 60.0
"""For how long not a byte may come."""
_PIECE_BYTES = 1 << 20


def pieces(url: str, authorization: str | None) -> Iterator[bytes]:
    """The content; ``authorization`` is the header, which goes to no other place that the server points to.

    Raises HTTPError, URLError, HTTPException and OSError; IncompleteRead when it is shorter than the server said,
    which ``read(n)`` does not.
    """
    from http.client import IncompleteRead  # a warm start downloads nothing
    from urllib.request import Request, urlopen

    request = Request(_quoted(url), headers={"User-Agent": "bis"})  # noqa: S310  # http and https only
    if authorization:
        request.add_unredirected_header("Authorization", authorization)
    with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
        received = 0
        while piece := response.read(_PIECE_BYTES):
            received += len(piece)
            yield piece
        announced = response.headers.get("Content-Length")
        if announced is not None and received < int(announced):
            raise IncompleteRead(b"", int(announced) - received)


def _quoted(url: str) -> str:
    """As it can be sent: people write spaces, brackets and letters beyond ASCII."""
    from urllib.parse import quote, urlsplit, urlunsplit

    scheme, host, path, query, _ = urlsplit(url)
    plain = "/%:@!$&'()*+,;=~"
    return urlunsplit((scheme, host, quote(path, safe=plain), quote(query, safe=f"{plain}?"), ""))
