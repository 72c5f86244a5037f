"""From ``order_by`` to the columns that a search is sorted by, and the condition for what comes after a row.

What is missing sorts last in both directions, NaN before it. The last columns settle the order, so that no row
is on two pages, or on none.
"""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.tracking.refusals import invalid
from bis.tracking.search_conditions import Compiler
from bis.tracking.search_grammar import Identifier, parse_order
from bis.tracking.search_sql import TRUE, Sql, every, joined, sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.tracking.dialect import Dialect
    from bis.tracking.pages import Position
    from bis.tracking.search_grammar import Order
    from bis.tracking.search_subjects import Pairs, Subject

MOST_KEYS = 16


@dataclass(frozen=True)
class Column:
    """An expression that a search is sorted by."""

    expression: Sql
    descending: bool = False

    @property
    def order(self) -> Sql:
        """The entry of ORDER BY."""
        return sql(f"{{}} {'DESC' if self.descending else 'ASC'}", self.expression)


@dataclass(frozen=True)
class Key:
    """One entry of ``order_by``: its columns, of which the first may tell what is missing.

    ``pairs``: the order is by the value of that key, in the row ``alias``; None for an attribute.
    """

    identifier: Identifier
    columns: tuple[Column, ...]
    pairs: Pairs | None = None
    as_number: bool = False
    alias: str = ""
    on: Sql = TRUE

    @property
    def join(self) -> Sql:
        """The join that gives the row with the key, where there is one."""
        if self.pairs is None or not self.alias:
            return Sql("")
        return sql(f"LEFT JOIN {self.pairs.table} {self.alias} ON {{}}", self.on)


def keys(
    subject: Subject, order_by: Sequence[str], dialect: Dialect, seen_as: Sequence[Subject] = ()
) -> list[Key]:
    """What the search is sorted by, before what settles it; refused with the column of the mistake.

    ``seen_as`` is the subject as each of the keys sees it, when they differ.
    """
    if len(order_by) > MOST_KEYS:
        raise invalid(f"`order_by` has {len(order_by)} keys, more than {MOST_KEYS}")
    found, seen = list[Key](), set[tuple[object, ...]]()
    for number, (text, own) in enumerate(zip(order_by, seen_as or [subject] * len(order_by), strict=True)):
        order = parse_order(text)
        compiler = Compiler(own, dialect, text, "order_by")
        name = compiler.resolved(order.identifier)
        said = (name.entity, name.key, own.pairs.get(name.entity))
        if said in seen:
            raise invalid(f"`order_by` contains duplicate fields: {name.key!r}")
        seen.add(said)
        if name.entity == "attribute":
            found.append(_by_attribute(compiler, name, order))
        else:
            found.append(_by_pair(own, compiler, name, order, f"o{number}", dialect))
    return found


def last_columns(subject: Subject, given: Sequence[Key]) -> list[Column]:
    """The columns that settle the order, but for those by which it is sorted already."""
    sorted_by = {column.expression.text for key in given for column in key.columns}
    return [
        Column(Sql(last.expression), last.descending)
        for last in subject.last_order
        if last.expression not in sorted_by
    ]


def after(columns: Sequence[Column], position: Position) -> Sql:
    """The condition for the rows behind that position: ``c1 >= v1 AND (c1 > v1 OR ...)``, which an index can begin at.

    A value of None is that of a missing key: all rows with the same mark before it have it too.
    """
    condition: Sql | None = None
    for column, value in reversed(list(zip(columns, position, strict=True))):
        if value is None:
            continue
        beyond, there = "<" if column.descending else ">", Sql("?", (value,))
        strictly = sql(f"{{}} {beyond} {{}}", column.expression, there)
        if condition is None:
            condition = strictly
        else:
            reached = sql(f"{{}} {beyond}= {{}}", column.expression, there)
            condition = sql("{} AND ({} OR ({}))", reached, strictly, condition)
    return condition or TRUE


def _by_attribute(compiler: Compiler, name: Identifier, order: Order) -> Key:
    attribute = compiler.attribute(name)
    if order.as_number and not attribute.number:
        compiler.refuse(
            name.column, f"{name.key} is a text: only parameters and tags can be taken as numbers"
        )
    value = attribute.number or attribute.text
    columns: tuple[Column, ...] = (Column(Sql(value), not order.ascending),)
    if attribute.nullable:
        columns = (Column(Sql(f"CASE WHEN {value} IS NULL THEN 2 ELSE 0 END")), *columns)
    return Key(name, columns)


def _by_pair(
    subject: Subject, compiler: Compiler, name: Identifier, order: Order, alias: str, dialect: Dialect
) -> Key:
    pairs = subject.pairs.get(name.entity)
    if pairs is None:
        compiler.refuse(name.column, f"nothing can be ordered by a {name.entity} here")
    on = TRUE
    if subject.walked:
        on = every([Sql(pairs.owner.format(alias)), pairs.key(alias, name.key)])
        value, is_nan = Sql(f"{alias}.value"), Sql(f"{alias}.is_nan")
    else:
        alias, value = "", _alone(pairs, name, "value")
        is_nan = _alone(pairs, name, "is_nan") if pairs.numbers else TRUE
    as_number = order.as_number and not pairs.numbers
    if as_number:
        value = Sql(dialect.number.format(value.text), value.parameters)
    missing = sql("CASE WHEN {} IS NULL THEN 2 ELSE 0 END", value)
    rank = sql("COALESCE({}, 2)", is_nan) if pairs.numbers else missing
    return Key(name, (Column(rank), Column(value, not order.ascending)), pairs, as_number, alias, on)


def _alone(pairs: Pairs, name: Identifier, column: str) -> Sql:
    """A column of the row with that key, as an expression."""
    order = f" ORDER BY {pairs.newest_first.format('o')} LIMIT 1" if pairs.newest_first else ""
    source = f"(SELECT o.{column} FROM {pairs.table} o WHERE {pairs.owner.format('o')} AND {{}}{order})"
    return sql(source, pairs.key("o", name.key))


def joins(given: Sequence[Key]) -> Sql:
    """The joins that the keys need."""
    return joined(" ", [key.join for key in given])
