"""In what the SQL of the databases differs, for searches: patterns, and texts as numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Dialect:
    """The words of one database. Conditions have ``?`` for the one value that stands beside them.

    ``like`` and ``ilike``: column and pattern -> condition and value; ``%`` and ``_`` in it stand for anything,
    a backslash takes that from them. ``number``: column of texts -> its value as a number, NULL where it is none.
    """

    name: str
    like: Callable[[str, str], tuple[str, str]]
    ilike: Callable[[str, str], tuple[str, str]]
    number: Callable[[str], str]


def _sqlite_like(column: str, pattern: str) -> tuple[str, str]:
    return f"{column} GLOB ?", _glob(pattern)  # SQLite's LIKE does not know case


def _sqlite_ilike(column: str, pattern: str) -> tuple[str, str]:
    return f"{column} LIKE ? ESCAPE '\\'", _whole(pattern)


def _sqlite_number(column: str) -> str:
    """SQLite reads the beginning of a text as a number, so the rest is looked at first."""
    return (
        f"CASE WHEN {column} GLOB '*[0-9]*' AND {column} NOT GLOB '*[^0-9.eE+-]*'"
        f" THEN CAST({column} AS REAL) END"
    )


def _postgres_like(column: str, pattern: str) -> tuple[str, str]:
    return f"{column} LIKE ?", _whole(pattern)


def _postgres_ilike(column: str, pattern: str) -> tuple[str, str]:
    return f'{column} COLLATE "default" ILIKE ?', _whole(pattern)


def _postgres_number(column: str) -> str:
    number = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*$"
    return f"CASE WHEN {column} ~ '{number}' THEN CAST({column} AS DOUBLE PRECISION) END"


def _glob(pattern: str) -> str:
    """A LIKE pattern in the words of GLOB, which knows case."""
    words = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    plain = {"*": "[*]", "?": "[?]", "[": "[[]"}
    letters = iter(pattern)
    found = []
    for letter in letters:
        if letter == "\\":
            escaped = next(letters, "\\")
            found.append(plain.get(escaped, escaped))
        else:
            found.append(words.get(letter, letter))
    return "".join(found)


def _whole(pattern: str) -> str:
    """The pattern, in which a backslash at the end stands for itself."""
    backslashes = len(pattern) - len(pattern.rstrip("\\"))
    return pattern + "\\" if backslashes % 2 else pattern


SQLITE = Dialect("sqlite", _sqlite_like, _sqlite_ilike, _sqlite_number)
POSTGRES = Dialect("postgresql", _postgres_like, _postgres_ilike, _postgres_number)
