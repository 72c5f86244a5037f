"""Page tokens: where a page ended, so that the next one begins there whatever has been added since."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FORMAT = 1
_LONGEST = 100_000

Position = list[Any]
"""The values by which the last row of a page was ordered: texts, numbers, or None for what is missing."""


def search_mark(*parts: object) -> str:
    """A short mark of a search, by which a token is known to be its own."""
    import hashlib  # searches are not on the way of `bis run`

    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


def written(mark: str, position: Sequence[Any]) -> str:
    """The token of a page that ended at ``position``."""
    text = json.dumps([_FORMAT, mark, list(position)], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode()


def read(token: str | None, mark: str, length: int) -> Position | None:
    """Where the page begins that the token asks for, None for the first; refused when it is of another search."""
    if not token:
        return None
    try:
        found = json.loads(base64.b64decode(token[:_LONGEST], altchars=b"-_", validate=True))
        version, marked, position = found
    except (ValueError, TypeError, RecursionError, binascii.Error) as error:
        raise invalid("Invalid page token: it was not made by this server") from error
    if version != _FORMAT or not isinstance(position, list) or not all(map(_is_value, position)):
        raise invalid("Invalid page token: it was not made by this server")
    if marked != mark or len(position) != length:
        raise invalid(
            "Invalid page token: it belongs to another search",
            hint="Ask for the next page with the filter, the order and the view of the first.",
        )
    return position


@contextmanager
def taken_from(token: str | None) -> Iterator[None]:
    """Around a query from the position of a token: values that its columns cannot be compared with were made up."""
    try:
        yield
    except Exception as error:
        state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
        if not token or state is None or not str(state).startswith(_WRONG_VALUE):
            raise
        raise invalid("Invalid page token: it was not made by this server") from error


_WRONG_VALUE = ("22", "42")
"""What PostgreSQL calls a value of the wrong type, and an operator that there is not for such types."""


def _is_value(value: object) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return -(2**63) <= value < 2**63
    if isinstance(value, float):
        return value == value  # noqa: PLR0124  NaN is kept as a mark, never as a value
    return value is None or (isinstance(value, str) and "\0" not in value)
