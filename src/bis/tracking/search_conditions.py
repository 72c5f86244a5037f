"""From the tree of a filter to a condition in SQL that is true or false, and never NULL.

Semantics are MLflow's: a metric is its latest value, a key that is missing fulfils no comparison (``!=`` neither),
NaN fulfils only ``!=``. NOT turns the answer round, whatever made it.
"""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from bis.errors import did_you_mean
from bis.tracking.search_grammar import AllOf, AnyOf, Comparison, Identifier, Not
from bis.tracking.search_sql import FALSE, TRUE, Sql, every, joined, sql
from bis.tracking.search_tokens import refuse
from bis.tracking.tags import DATASET_CONTEXT

if TYPE_CHECKING:
    from bis.tracking.dialect import Dialect
    from bis.tracking.search_grammar import Condition
    from bis.tracking.search_subjects import Attribute, Pairs, Subject

_NEGATED = {
    "!=": "=",
    "NOT IN": "IN",
    "NOT LIKE": "LIKE",
    "NOT ILIKE": "ILIKE",
    "NOT BETWEEN": "BETWEEN",
    "IS NULL": "IS NOT NULL",
}
_SIZES = (">", ">=", "<", "<=", "BETWEEN", "NOT BETWEEN")
_PATTERNS = ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE")


class Compiler:
    """Compiles filters over one subject; ``text`` is what errors show."""

    def __init__(self, subject: Subject, dialect: Dialect, text: str, what: str = "filter") -> None:
        self.dialect, self._subject, self._text, self._what = dialect, subject, text, what

    def condition(self, tree: Condition) -> Sql:
        """The SQL of a condition."""
        if isinstance(tree, Not):
            return sql("NOT ({})", self.condition(tree.condition))
        if isinstance(tree, AllOf):
            return every(sql("({})", self.condition(part)) for part in tree.conditions)
        if isinstance(tree, AnyOf):
            return joined(" OR ", [sql("({})", self.condition(part)) for part in tree.conditions])
        return self._comparison(self.plain(tree))

    def plain(self, comparison: Comparison) -> Comparison:
        """The comparison with attributes that are kept as tags named as tags."""
        return replace(comparison, identifier=self.resolved(comparison.identifier))

    def resolved(self, name: Identifier) -> Identifier:
        """The identifier; an attribute that is kept as a tag is the tag."""
        tag = self._subject.same_as.get(name.key) if name.entity == "attribute" else None
        return name if tag is None else Identifier("tag", tag, name.column)

    def attribute(self, name: Identifier) -> Attribute:
        """The attribute of that name; refused when there is none."""
        found = self._subject.attributes.get(name.key)
        if found is None:
            known = [*self._subject.attributes, *self._subject.same_as]
            hint = did_you_mean(name.key, known) or f"Known: {', '.join(known)}."
            self.refuse(name.column, f"there is no attribute {name.key!r}. {hint}")
        return found

    def pairs(self, name: Identifier) -> Pairs:
        """The table of such keys; refused when the subject has none."""
        found = self._subject.pairs.get(name.entity)
        if found is None:
            self.refuse(name.column, f"a {name.entity} is nothing that can be searched here")
        return found

    def refuse(self, column: int, message: str) -> NoReturn:
        """Raise the error that shows the place."""
        refuse(self._what, self._text, column, message)

    def value(self, pairs: Pairs, alias: str, comparison: Comparison) -> Sql:
        """The condition on the value of a row of keys and values."""
        if comparison.operator == "IS NOT NULL":
            return TRUE
        if pairs.numbers:
            return _metric(alias, self._numbers(comparison))
        if _is_about_numbers(comparison):
            number = self.dialect.number.format(f"{alias}.value")
            return _number(number, self._numbers(comparison))
        return self._compared_text(f"{alias}.value", comparison)

    def _comparison(self, comparison: Comparison) -> Sql:
        name = comparison.identifier
        if name.entity == "attribute":
            return self._attribute(comparison)
        if name.entity == "dataset" and self._subject.has_datasets:
            return self._dataset(comparison)
        return self._pair(self.pairs(name), comparison)

    def _attribute(self, comparison: Comparison) -> Sql:
        found, operator = self.attribute(comparison.identifier), comparison.operator
        column = found.text or found.number
        if operator.endswith("NULL"):
            if not found.nullable:
                return TRUE if operator == "IS NOT NULL" else FALSE
            return Sql(f"{column} {operator}")
        if _is_about_numbers(comparison) and found.number:
            condition = _number(found.number, self._numbers(comparison))
        elif not found.text:
            self._numbers(comparison)  # raises: it holds a text
            self.refuse(comparison.column, f"{operator} is for texts")
        else:
            column = self.dialect.unindexed.format(found.text) if self._subject.walked else found.text
            condition = self._compared_text(column, comparison)
        return sql(f"({column} IS NOT NULL AND {{}})", condition) if found.nullable else condition

    def _pair(self, pairs: Pairs, comparison: Comparison) -> Sql:
        name, positive = comparison.identifier, _NEGATED.get(comparison.operator)
        is_tag = name.entity == "tag"
        if comparison.operator == "IS NULL":
            return sql("NOT {}", self._exists(pairs, replace(comparison, operator="IS NOT NULL")))
        unsaid = self._subject.unsaid.get(name.key) if is_tag else None
        if unsaid is not None and comparison.operator != "IS NOT NULL":
            return self._with_unsaid(pairs, comparison, unsaid)
        if positive and is_tag and self._subject.missing_differs:
            return sql("NOT {}", self._exists(pairs, replace(comparison, operator=positive)))
        return self._exists(pairs, comparison)

    def _with_unsaid(self, pairs: Pairs, comparison: Comparison, unsaid: str) -> Sql:
        """The condition on a tag that has a value also where nobody has set it."""
        rows = Sql(f"SELECT x.value FROM {pairs.table} x WHERE {pairs.owner.format('x')} AND ")
        found = joined("", [rows, pairs.key("x", comparison.identifier.key)])
        value = sql("COALESCE(({}), {})", found, Sql("?", (unsaid,)))
        return sql(
            "EXISTS (SELECT 1 FROM (SELECT {} AS value) y WHERE {})",
            value,
            self.value(pairs, "y", comparison),
        )

    def _exists(self, pairs: Pairs, comparison: Comparison) -> Sql:
        source = Sql(f"{pairs.table} x WHERE {pairs.owner.format('x')} AND ")
        rows = joined("", [source, pairs.key("x", comparison.identifier.key)])
        condition = self.value(pairs, "x", comparison)
        if pairs.newest_first:
            groups, order = pairs.apart.format("x"), pairs.newest_first.format("x")
            nth = f"row_number() OVER (PARTITION BY {groups} ORDER BY {order}) AS nth"
            newest = sql(f"(SELECT x.*, {nth} FROM {{}}) x WHERE x.nth = 1", rows)
            return sql("EXISTS (SELECT 1 FROM {})", every([newest, condition]))
        return sql("EXISTS (SELECT 1 FROM {})", every([rows, condition]))

    def _dataset(self, comparison: Comparison) -> Sql:
        name = comparison.identifier
        if name.key in ("name", "digest"):
            table, column = "inputs x JOIN datasets d ON d.dataset_id = x.dataset_id", f"d.{name.key}"
        elif name.key == "context":
            table = f"(SELECT run_no, value FROM input_tags WHERE key = '{DATASET_CONTEXT}') x"
            column = "x.value"
        else:
            self.refuse(name.column, f"a dataset has name, digest and context, but no {name.key!r}")
        rows = f"EXISTS (SELECT 1 FROM {table} WHERE x.run_no = r.run_no"
        if comparison.operator.endswith("NULL"):
            return Sql(f"{'NOT ' if comparison.operator == 'IS NULL' else ''}{rows})")
        return sql(f"{rows} AND {{}})", self._compared_text(column, comparison))

    def _numbers(self, comparison: Comparison) -> Comparison:
        """The comparison, of which every value is a number."""
        key = comparison.identifier.key
        if comparison.operator in _PATTERNS:
            self.refuse(comparison.column, f"{comparison.operator} is for texts, and {key} is a number")
        if any(isinstance(value, str) for value in comparison.values):
            self.refuse(comparison.column, f"{key} is compared with a number, without quotes")
        return comparison

    def _compared_text(self, column: str, comparison: Comparison) -> Sql:
        key, operator = comparison.identifier.key, comparison.operator
        if any(not isinstance(value, str) for value in comparison.values):
            self.refuse(comparison.column, f"{key} is compared with a text: put it in quotes")
        if operator in _SIZES:
            self.refuse(comparison.column, f"{operator} is for numbers, which stand without quotes")
        values = [str(value) for value in comparison.values]
        if operator in _PATTERNS:
            return self._pattern(column, operator, values[0])
        if operator in ("IN", "NOT IN"):
            return Sql(f"{column} {operator} ({','.join('?' * len(values))})", tuple(values))
        return Sql(f"{column} {operator} ?", tuple(values))

    def _pattern(self, column: str, operator: str, pattern: str) -> Sql:
        dialect = self.dialect
        if operator.endswith("ILIKE"):
            found = Sql(dialect.ilike.format(column), (dialect.ilike_operand(pattern),))
        else:
            found = Sql(dialect.like.format(column), (dialect.like_operand(pattern),))
        return sql("NOT ({})", found) if operator.startswith("NOT") else found


def mentions(tree: Condition, entity: str, key: str) -> bool:
    """Whether the filter compares that key."""
    if isinstance(tree, Comparison):
        return (tree.identifier.entity, tree.identifier.key) == (entity, key)
    parts = (tree.condition,) if isinstance(tree, Not) else tree.conditions
    return any(mentions(part, entity, key) for part in parts)


def _is_about_numbers(comparison: Comparison) -> bool:
    return bool(comparison.values) and all(not isinstance(value, str) for value in comparison.values)


def _metric(alias: str, comparison: Comparison) -> Sql:
    """A condition on a value that may be NaN, which is marked beside it: NaN equals NaN here, and nothing else."""
    operator = comparison.operator
    if operator in _NEGATED:
        return sql("NOT ({})", _metric(alias, replace(comparison, operator=_NEGATED[operator])))
    has_nan = operator in ("=", "IN") and any(math.isnan(value) for value in comparison.values)  # type: ignore[arg-type]
    finite = sql(f"{alias}.is_nan = 0 AND {{}}", _number(f"{alias}.value", comparison))
    return sql(f"({alias}.is_nan = 1 OR ({{}}))", finite) if has_nan else finite


def _number(column: str, comparison: Comparison) -> Sql:
    """A condition on a number; a comparison with NaN is fulfilled by no number, but for ``!=``."""
    operator = comparison.operator
    if operator in ("!=", "NOT IN", "NOT BETWEEN"):
        positive = _number(column, replace(comparison, operator=_NEGATED[operator]))
        return sql(f"({column} IS NOT NULL AND NOT ({{}}))", positive)
    values = tuple(value for value in comparison.values if not math.isnan(value))  # type: ignore[arg-type]
    if not values or (operator == "BETWEEN" and len(values) < 2):
        return FALSE
    if operator == "IN":
        return Sql(f"{column} IN ({','.join('?' * len(values))})", values)
    return Sql(f"{column} BETWEEN ? AND ?" if operator == "BETWEEN" else f"{column} {operator} ?", values)
