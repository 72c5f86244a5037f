"""MLflow's search language: from text to comparisons and orders, with a column in every error.

filter     = comparison { "AND" comparison } [ "AND" ]
comparison = identifier operator value
           | identifier "IS" [ "NOT" ] "NULL"
           | identifier [ "NOT" ] "IN" "(" value { "," value } ")"
order      = identifier [ "ASC" | "DESC" ]
identifier = [ entity "." ] key            key: bare, `in backticks` or "in double quotes"
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from bis.tracking.refusals import invalid

ENTITIES = {
    "metric": "metric",
    "metrics": "metric",
    "param": "param",
    "params": "param",
    "parameter": "param",
    "parameters": "param",
    "tag": "tag",
    "tags": "tag",
    "attribute": "attribute",
    "attributes": "attribute",
    "attr": "attribute",
    "run": "attribute",
    "dataset": "dataset",
    "datasets": "dataset",
}
"""The word before the dot -> what it is about."""

OPERATORS = ("=", "!=", ">", ">=", "<", "<=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL")

_TOKEN = re.compile(
    r"""\s*(?:
      (?P<operator> >= | <= | != | = | > | < )
    | (?P<mark> [(),] )
    | (?P<key> [A-Za-z_]+ \. (?: `[^`]*` | "[^"]*" ) )
    | (?P<text> '(?:[^']|'')*' | "(?:[^"]|"")*" )
    | (?P<quoted> `[^`]*` )
    | (?P<number> [+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? (?![^\s'"`()<>=!,]) )
    | (?P<word> [^\s'"`()<>=!,]+ )
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Identifier:
    """What is compared or ordered by: ``entity`` is metric, param, tag, attribute or dataset."""

    entity: str
    key: str
    column: int


@dataclass(frozen=True)
class Comparison:
    """``values`` holds one value, those of IN's list, or nothing for IS [NOT] NULL."""

    identifier: Identifier
    operator: str
    values: tuple[str | float, ...]
    column: int


@dataclass(frozen=True)
class Order:
    """A key to sort by."""

    identifier: Identifier
    ascending: bool


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def parse_filter(text: str) -> list[Comparison]:
    """The comparisons that must all hold; none for an empty filter."""
    return _Parser(text, "filter").comparisons()


def parse_order(text: str) -> Order:
    """What one entry of ``order_by`` sorts by."""
    return _Parser(text, "order_by").order()


def refuse(what: str, text: str, column: int, message: str) -> NoReturn:
    """Raise the error that shows the place in the text."""
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    raise invalid(f"Invalid {what} {shown!r}: {message} (column {column})")


class _Parser:
    def __init__(self, text: str, what: str) -> None:
        self._text, self._what, self._next = text, what, 0
        self._tokens = self._split()

    def _split(self) -> list[_Token]:
        tokens, at, end = [], 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                self._refuse(at + 1, f"unexpected {self._text[at]!r}; is a quote open?")
            tokens.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup) + 1))
            at = match.end()
        return tokens

    def comparisons(self) -> list[Comparison]:
        found: list[Comparison] = []
        while self._next < len(self._tokens):
            if found and not self._accept("AND"):
                token = self._tokens[self._next]
                self._refuse(token.column, f"expected AND, found {token.text!r}")
            if self._next < len(self._tokens):  # an AND at the end is taken, as MLflow does
                found.append(self._comparison())
        return found

    def order(self) -> Order:
        identifier = self._identifier()
        ascending = not self._accept("DESC")
        if ascending:
            self._accept("ASC")
        if self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._refuse(token.column, f"expected ASC or DESC, found {token.text!r}")
        return Order(identifier, ascending)

    def _comparison(self) -> Comparison:
        identifier = self._identifier()
        operator, column = self._operator()
        if operator in ("IS NULL", "IS NOT NULL"):
            return Comparison(identifier, operator, (), column)
        if operator in ("IN", "NOT IN"):
            return Comparison(identifier, operator, self._list(), column)
        return Comparison(identifier, operator, (self._value(),), column)

    def _identifier(self) -> Identifier:
        token = self._take("a name, as metrics.accuracy")
        if token.kind not in ("key", "quoted", "word", "text") or token.text.startswith("'"):
            self._refuse(token.column, f"expected a name, as metrics.accuracy, found {token.text!r}")
        entity, dot, key = token.text.partition(".")
        if token.kind in ("quoted", "text") or not dot:
            return Identifier("attribute", _bare(token.text), token.column)
        if entity not in ENTITIES:
            from bis.errors import did_you_mean

            hint = (
                did_you_mean(entity, ENTITIES) or "It is one of metrics, params, tags, attributes, datasets."
            )
            self._refuse(token.column, f"{entity!r} is nothing that can be searched. {hint}")
        if not _bare(key):
            self._refuse(token.column, f"no key after {entity}.")
        return Identifier(ENTITIES[entity], _bare(key), token.column)

    def _operator(self) -> tuple[str, int]:
        token = self._take("an operator")
        word = token.text.upper()
        if token.kind == "operator" or word in ("LIKE", "ILIKE", "IN"):
            return word, token.column
        if word == "NOT" and self._accept("IN"):
            return "NOT IN", token.column
        if word == "IS":
            negated = self._accept("NOT")
            if self._accept("NULL"):
                return ("IS NOT NULL" if negated else "IS NULL"), token.column
        return self._refuse(token.column, f"expected one of {', '.join(OPERATORS)}, found {token.text!r}")

    def _list(self) -> tuple[str | float, ...]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> str | float:
        token = self._take("a value")
        if token.kind == "text":
            return token.text[1:-1].replace(token.text[0] * 2, token.text[0])
        if token.kind == "number":
            number = float(token.text)
            return int(token.text) if token.text.lstrip("+-").isdigit() else number
        return self._refuse(token.column, f"expected a number, or a text in quotes, found {token.text!r}")

    def _take(self, wanted: str) -> _Token:
        if self._next >= len(self._tokens):
            self._refuse(len(self._text) + 1, f"expected {wanted}, found the end")
        self._next += 1
        return self._tokens[self._next - 1]

    def _accept(self, word: str) -> bool:
        if self._next >= len(self._tokens):
            return False
        token = self._tokens[self._next]
        if token.kind not in ("word", "mark") or token.text.upper() != word:
            return False
        self._next += 1
        return True

    def _expect(self, mark: str) -> None:
        token = self._take(repr(mark))
        if token.text != mark:
            self._refuse(token.column, f"expected {mark!r}, found {token.text!r}")

    def _refuse(self, column: int, message: str) -> NoReturn:
        refuse(self._what, self._text, column, message)


def _bare(key: str) -> str:
    return key[1:-1] if key[:1] in ("`", '"') else key
