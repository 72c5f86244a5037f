"""What two databases say differently in a search; and the functions that SQLite lacks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

PREFIX = 64
"""Characters of a value that stand in the indexes of parameters and tags: a value may be a whole document."""


@dataclass(frozen=True)
class Dialect:
    """Patterns of SQL with ``{}`` for an expression.

    ``number`` is the number that a text reads as, or NULL, and never fails. ``unindexed`` keeps the planner from
    choosing an index by this column, where the planner has to be led.
    """

    name: str
    like: str
    ilike: str
    number: str
    unindexed: str

    def like_operand(self, pattern: str) -> str:
        """A LIKE pattern, in the words of this database's comparison that knows case."""
        return _glob(pattern) if self.name == "sqlite" else _like(pattern)

    def ilike_operand(self, pattern: str) -> str:
        """A LIKE pattern, in the words of this database's comparison that does not know case."""
        return pattern if self.name == "sqlite" else _like(pattern)


SQLITE = Dialect(
    "sqlite", like="{} GLOB ?", ilike="bis_ilike({}, ?)", number="bis_number({})", unindexed="+{}"
)
"""SQLite's LIKE does not know case, and its ILIKE would only know ASCII: GLOB, and a function of ours."""

_DECIMAL = (  # without ? and braces, which mean something else in a query
    r" *([+-]|)([0-9]+(\.[0-9]*|)|\.[0-9]+)([eE]([+-]|)([0-9]|[0-9][0-9]|[0-9][0-9][0-9])|) *"
)

POSTGRES = Dialect(
    "postgresql",
    like="{} LIKE ?",
    ilike='{} COLLATE "default" ILIKE ?',
    number=(
        f"(CASE WHEN length({{0}}) <= 100 AND {{0}} ~ '^{_DECIMAL}$' THEN CASE WHEN"
        " CAST({0} AS NUMERIC) = 0 OR abs(CAST({0} AS NUMERIC)) BETWEEN 1e-300 AND 1e300"
        " THEN CAST({0} AS DOUBLE PRECISION) END END)"
    ),
    unindexed="{}",
)


def number(text: str | None) -> float | None:
    """The decimal number that a text reads as; None for anything else, and beyond 1e300, as in PostgreSQL."""
    if text is None or len(text) > 100 or not _decimal().fullmatch(text):
        return None
    found = float(text)
    return found if found == 0 or 1e-300 <= abs(found) <= 1e300 else None


def ilike(text: str | None, pattern: str) -> bool | None:
    """Whether a text is like the pattern, in whatever case."""
    return None if text is None else bool(_insensitive(pattern).fullmatch(text))


def letters(pattern: str) -> list[tuple[str, bool]]:
    """The letters of a LIKE pattern, and whether each is a wildcard: a backslash takes that from the next one."""
    found, escaped = list[tuple[str, bool]](), False
    for letter in pattern:
        if escaped:
            found += [(letter, False)] if letter in "%_\\" else [("\\", False), (letter, letter in "%_")]
            escaped = False
        elif letter == "\\":
            escaped = True
        else:
            found.append((letter, letter in "%_"))
    return [*found, ("\\", False)] if escaped else found


def literal_prefix(pattern: str) -> str:
    """What every text begins with that is like the pattern."""
    prefix = ""
    for letter, is_wildcard in letters(pattern):
        if is_wildcard:
            break
        prefix += letter
    return prefix


def beginning(pattern: str, length: int) -> str:
    """A pattern for the first ``length`` letters of what is like the pattern, which has no more than one ``%``."""
    found = ""
    for letter, is_wildcard in letters(pattern):
        if length == 0 or (is_wildcard and letter == "%"):
            return f"{found}%"
        found += letter if is_wildcard or letter not in "%_\\" else f"\\{letter}"
        length -= 1
    return found


def _glob(pattern: str) -> str:
    wild, literal = {"%": "*", "_": "?"}, {"*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join((wild if is_wildcard else literal).get(c, c) for c, is_wildcard in letters(pattern))


def _like(pattern: str) -> str:
    return "".join(c if is_wildcard or c not in "%_\\" else f"\\{c}" for c, is_wildcard in letters(pattern))


@lru_cache
def _insensitive(pattern: str) -> re.Pattern[str]:
    wild = {"%": ".*", "_": "."}
    words = [wild[c] if is_wildcard else re.escape(c) for c, is_wildcard in letters(pattern)]
    return re.compile("".join(words), re.IGNORECASE | re.DOTALL)


@lru_cache
def _decimal() -> re.Pattern[str]:
    return re.compile(_DECIMAL)
