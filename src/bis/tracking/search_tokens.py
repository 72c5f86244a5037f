"""The words of a search, each with its column, and the errors that point at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from bis.tracking.refusals import invalid

LONGEST = 100_000
"""Characters of one filter; an IN list of a few thousand runs has its place."""

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator> >= | <= | != | <> | == | = | > | < )
    | (?P<mark> [(),] )
    | (?P<key> [^\W\d]\w* \. (?: `[^`]*` | "[^"]*" ) )
    | (?P<text> '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<quoted> `[^`]*` )
    | (?P<number> [+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? (?![^\s'"`()<>=!,]) )
    | (?P<word> [^\s'"`()<>=!,]+ )
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Token:
    """``kind`` is a group of the expression above, or ``end``; ``column`` counts from 1."""

    kind: str
    text: str
    column: int

    def is_word(self, word: str) -> bool:
        """Whether it is that keyword, in any case, or that mark."""
        return self.kind in ("word", "mark") and self.text.upper() == word

    @property
    def shown(self) -> str:
        """How an error names it."""
        if self.kind == "end":
            return "the end"
        return repr(self.text if len(self.text) <= 50 else f"{self.text[:50]}...")


def tokens(text: str, what: str) -> list[Token]:
    """All words of ``text``, and one for its end; ``what`` is filter or order_by."""
    if len(text) > LONGEST:
        raise invalid(f"Invalid {what}: it has {len(text)} characters, more than {LONGEST}")
    if "\0" in text:
        refuse(what, text, text.index("\0") + 1, "a NUL character is nothing that can be searched")
    found, at, end = list[Token](), 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            refuse(what, text, at + 1, _unexpected(text[at]))
        found.append(Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
        at = match.end()
    return [*found, Token("end", "", len(text) + 1)]


def refuse(what: str, text: str, column: int, message: str) -> NoReturn:
    """Raise the error that shows the place in the text."""
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    raise invalid(f"Invalid {what} {shown!r}: {message} (column {column})")


def _unexpected(letter: str) -> str:
    return f"the quote {letter} is never closed" if letter in "'\"`" else f"unexpected {letter!r}"
