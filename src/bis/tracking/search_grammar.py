"""The language of searches: from text to a tree, with a column in every error.

    filter     = [ any [ "AND" ] ] ;
    any        = all { "OR" all } ;
    all        = one { "AND" one } ;
    one        = "NOT" one | "(" any ")" | comparison ;
    comparison = identifier operator value
               | identifier [ "NOT" ] ( "LIKE" | "ILIKE" ) text
               | identifier [ "NOT" ] "BETWEEN" number "AND" number
               | identifier [ "NOT" ] "IN" "(" value { "," value } ")"
               | identifier "IS" [ "NOT" ] "NULL" ;
    operator   = "=" | "!=" | ">" | ">=" | "<" | "<=" | "==" | "<>" ;
    identifier = [ entity "." ] key ;
    entity     = "metrics" | "params" | "tags" | "attributes" | "datasets" ;
    key        = letters, digits and any of . - / : _   |  "`" any text "`"  |  '"' any text '"' ;
    value      = number | text ;
    number     = digits, with sign, point and exponent  |  [ "+" | "-" ] "inf"  |  "nan" ;
    text       = "'" any text, each ' of it twice "'"  |  '"' any text, each " of it twice '"' ;
    order      = identifier [ "AS" "NUMBER" ] [ "ASC" | "DESC" ] ;

It holds all that MLflow's language has: there are only comparisons joined by AND.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from bis.tracking.search_tokens import Token, refuse, tokens

if TYPE_CHECKING:
    from collections.abc import Callable

ENTITIES = {
    **dict.fromkeys(("metric", "metrics"), "metric"),
    **dict.fromkeys(("param", "params", "parameter", "parameters"), "param"),
    **dict.fromkeys(("tag", "tags"), "tag"),
    **dict.fromkeys(("attribute", "attributes", "attr", "run"), "attribute"),
    **dict.fromkeys(("dataset", "datasets"), "dataset"),
}
"""The word before the dot -> what it is about."""

DEEPEST = 50
"""How many parentheses and NOTs may stand in each other."""

MOST_COMPARISONS = 500
MOST_VALUES = 5000
"""Of all lists of one filter together."""

_OPERATORS = "=, !=, >, >=, <, <=, LIKE, ILIKE, IN, BETWEEN, IS NULL, with NOT where it makes sense"
_SAME = {"==": "=", "<>": "!="}
_NOT_FINITE = re.compile(r"([+-]?)(?:inf|infinity)|[+-]?nan", re.IGNORECASE)


@dataclass(frozen=True)
class Identifier:
    """What is compared or ordered by: ``entity`` is metric, param, tag, attribute or dataset."""

    entity: str
    key: str
    column: int


@dataclass(frozen=True)
class Comparison:
    """``operator`` is one of = != > >= < <= LIKE ILIKE IN BETWEEN, IS NULL, or one of the last five with NOT.

    ``values`` holds one value, the two of BETWEEN, those of IN's list, or nothing.
    """

    identifier: Identifier
    operator: str
    values: tuple[str | float, ...]
    column: int


@dataclass(frozen=True)
class Not:
    """What does not fulfil the condition, for whatever reason: a missing key too."""

    condition: Condition


@dataclass(frozen=True)
class AllOf:
    """Every one of the conditions; none is fulfilled by everything."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one of the conditions."""

    conditions: tuple[Condition, ...]


Condition = Comparison | Not | AllOf | AnyOf


@dataclass(frozen=True)
class Order:
    """A key to sort by; ``as_number``: texts by the number that they read as."""

    identifier: Identifier
    ascending: bool
    as_number: bool = False


def parse_filter(text: str) -> Condition:
    """What must hold; an empty or blank filter is fulfilled by everything."""
    return _Parser(text, "filter").filter()


def parse_order(text: str) -> Order:
    """What one entry of ``order_by`` sorts by."""
    return _Parser(text, "order_by").order()


class _Parser:
    def __init__(self, text: str, what: str) -> None:
        self._text, self._what = text, what
        self._tokens, self._next = tokens(text, what), 0
        self._depth = self._comparisons = self._values = 0

    def filter(self) -> Condition:
        if self._here.kind == "end":
            return AllOf(())
        found = self._any()
        if self._here.kind != "end":
            self._refuse(self._here, f"expected AND or OR, found {self._here.shown}")
        return found

    def order(self) -> Order:
        identifier = self._identifier()
        as_number = self._accept("AS")
        if as_number and not self._accept("NUMBER"):
            self._refuse(self._here, f"expected NUMBER after AS, found {self._here.shown}")
        ascending = not self._accept("DESC")
        if ascending:
            self._accept("ASC")
        if self._here.kind != "end":
            self._refuse(self._here, f"expected ASC or DESC, found {self._here.shown}")
        return Order(identifier, ascending, as_number)

    def _any(self) -> Condition:
        found = [self._all()]
        while self._accept("OR"):
            found.append(self._all())
        return found[0] if len(found) == 1 else AnyOf(tuple(found))

    def _all(self) -> Condition:
        found = [self._one()]
        while self._accept("AND"):
            if self._here.kind == "end" and not self._depth:  # MLflow takes an AND at the end
                break
            found.append(self._one())
        return found[0] if len(found) == 1 else AllOf(tuple(found))

    def _one(self) -> Condition:
        if self._here.is_word("NOT"):
            return Not(self._deeper(self._one))
        if not self._here.is_word("("):
            return self._comparison()
        found = self._deeper(self._any)
        if not self._accept(")"):
            self._refuse(self._here, f"expected ')', found {self._here.shown}")
        return found

    def _deeper(self, read: Callable[[], Condition]) -> Condition:
        token = self._take()
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(token, f"more than {DEEPEST} parentheses and NOTs stand in each other")
        found = read()
        self._depth -= 1
        return found

    def _comparison(self) -> Comparison:
        self._comparisons += 1
        if self._comparisons > MOST_COMPARISONS:
            self._refuse(self._here, f"there are more than {MOST_COMPARISONS} comparisons")
        identifier = self._identifier()
        token = self._here
        operator = self._operator()
        return Comparison(identifier, operator, self._operands(operator), token.column)

    def _operator(self) -> str:
        token = self._take()
        if token.kind == "operator":
            return _SAME.get(token.text, token.text)
        if token.is_word("IS"):
            negated = self._accept("NOT")
            if not self._accept("NULL"):
                self._refuse(self._here, f"expected NULL, found {self._here.shown}")
            return "IS NOT NULL" if negated else "IS NULL"
        negated = token.is_word("NOT")
        word = self._take() if negated else token
        if word.kind != "word" or word.text.upper() not in ("LIKE", "ILIKE", "IN", "BETWEEN"):
            self._refuse(word, f"expected an operator ({_OPERATORS}), found {word.shown}")
        return f"NOT {word.text.upper()}" if negated else word.text.upper()

    def _operands(self, operator: str) -> tuple[str | float, ...]:
        if operator.endswith("NULL"):
            return ()
        if operator.endswith("BETWEEN"):
            low = self._value()
            self._expect("AND")
            return (low, self._value())
        return self._list() if operator.endswith("IN") else (self._value(),)

    def _list(self) -> tuple[str | float, ...]:
        self._expect("(")
        values = [self._value()]
        while self._accept(","):
            values.append(self._value())
        self._expect(")")
        return tuple(values)

    def _value(self) -> str | float:
        token = self._take()
        self._values += 1
        if self._values > MOST_VALUES:
            self._refuse(token, f"there are more than {MOST_VALUES} values")
        if token.kind == "text":
            return token.text[1:-1].replace(token.text[0] * 2, token.text[0])
        if token.kind == "number" or (token.kind == "word" and _NOT_FINITE.fullmatch(token.text)):
            return _number(token.text)
        return self._refuse(token, f"expected a number, or a text in quotes, found {token.shown}")

    def _identifier(self) -> Identifier:
        token = self._take()
        if token.kind not in ("key", "quoted", "word", "text") or token.text.startswith("'"):
            self._refuse(token, f"expected a name, as metrics.accuracy, found {token.shown}")
        entity, dot, key = token.text.partition(".")
        if token.kind in ("quoted", "text") or not dot:
            return Identifier("attribute", _bare(token.text), token.column)
        if entity not in ENTITIES:
            self._refuse(token, f"{entity!r} is nothing that can be searched. {_meant(entity)}")
        if not _bare(key):
            self._refuse(token, f"no key after {entity}.")
        return Identifier(ENTITIES[entity], _bare(key), token.column)

    @property
    def _here(self) -> Token:
        return self._tokens[self._next]

    def _take(self) -> Token:
        token = self._here
        if token.kind != "end":
            self._next += 1
        return token

    def _accept(self, word: str) -> bool:
        if not self._here.is_word(word):
            return False
        self._next += 1
        return True

    def _expect(self, word: str) -> None:
        if not self._accept(word):
            self._refuse(self._here, f"expected {word!r}, found {self._here.shown}")

    def _refuse(self, token: Token, message: str) -> NoReturn:
        refuse(self._what, self._text, token.column, message)


def _number(text: str) -> float:
    """The number; a whole one of 64 bits stays whole, for times in milliseconds are compared exactly."""
    if text.lstrip("+-").isdigit() and len(text) < 25 and -(2**63) <= int(text) < 2**63:
        return int(text)
    return float(text)


def _meant(entity: str) -> str:
    from bis.errors import did_you_mean

    return did_you_mean(entity, ENTITIES) or "It is one of metrics, params, tags, attributes, datasets."


def _bare(key: str) -> str:
    return key[1:-1] if key[:1] in ("`", '"') else key
