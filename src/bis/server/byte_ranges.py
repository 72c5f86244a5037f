"""Which part of a file a request asks for: ``Range``, ``If-Range`` and ``If-None-Match`` (RFC 9110, 13 and 14)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_ONE_RANGE = re.compile(rb"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE)


class UnsatisfiableError(Exception):
    """The range begins behind the end of the file, or has no bytes."""


def asked_range(headers: Mapping[bytes, bytes], size_bytes: int, etag: str) -> tuple[int, int] | None:
    """The first byte and the one after the last; None for the whole file.

    Several ranges at once, other units and what cannot be read are answered with the whole file, as is a range of a
    version that ``If-Range`` does not name. Raises UnsatisfiableError.
    """
    match = _ONE_RANGE.fullmatch(headers.get(b"range", b""))
    if match is None or headers.get(b"if-range", etag.encode()) != etag.encode():
        return None
    first, last = match[1], match[2]
    if not first and not last:
        return None
    if not first:
        start, end = max(size_bytes - int(last), 0), size_bytes
    else:
        start, end = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    if start >= end:
        raise UnsatisfiableError
    return start, end


def is_known(headers: Mapping[bytes, bytes], etag: str) -> bool:
    """Whether the client has this version already."""
    known = headers.get(b"if-none-match", b"").decode("latin-1")
    return known.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in known.split(",")]
