"""Where a mistake in a search is: the text, and a mark below the place."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = re.compile(r"\(column (\d+)\)$")
_ROOM = 60


@contextmanager
def shown_mistakes(*texts: str) -> Iterator[None]:
    """Show the place of a mistake in one of these texts; our own server tells it as our own store does."""
    from bis.tracking import RefusedError

    try:
        yield
    except RefusedError as error:
        found = _PLACE.search(error.message)
        text = next((text for text in texts if _is_about(error.message, text)), None)
        if found is None or text is None:
            raise
        raise RefusedError(error.message, code=error.code, hint=pointed(text, int(found[1]))) from error


def _is_about(message: str, text: str) -> bool:
    shown = repr(text if len(text) <= 200 else f"{text[:200]}...")
    return message.startswith((f"Invalid filter {shown}: ", f"Invalid order_by {shown}: "))


def pointed(text: str, column: int) -> str:
    """The text around the column, which counts from 1, and a mark below it."""
    start = max(0, column - _ROOM)
    shown = re.sub(r"\s", " ", text[start : column + _ROOM])
    return f"{shown}\n  {' ' * (column - 1 - start)}^"
