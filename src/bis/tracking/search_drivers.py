"""Which runs a filter can only find: small sets that an index gives, to search among instead of among all.

A set may hold more than the filter finds, never less; the whole filter is applied to what is in it.
"""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

from typing import TYPE_CHECKING

from bis.tracking.dialect import PREFIX, beginning, literal_prefix
from bis.tracking.experiments import is_experiment_id
from bis.tracking.search_grammar import AllOf, AnyOf, Comparison
from bis.tracking.search_sql import TRUE, Sql, every, joined, sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.tracking.dialect import Dialect
    from bis.tracking.search_conditions import Compiler
    from bis.tracking.search_grammar import Condition

_EQUAL = ("=", "IN")
_RANGES = ("=", ">", ">=", "<", "<=", "BETWEEN", "IN")
_OF_A_STAGE = {"status": "r.status", "run_name": "r.name", "user_id": "r.user_id"}
"""The attributes that have an index behind the lifecycle stage."""


def drivers(compiler: Compiler, tree: Condition, stage: str) -> list[Sql]:
    """Queries of ``run_no``: the filter finds no run that any one of them does not give."""
    if isinstance(tree, Comparison):
        found = _of_comparison(compiler, compiler.plain(tree), stage)
        return [found] if found is not None else []
    if isinstance(tree, AllOf):
        return [driver for part in tree.conditions for driver in drivers(compiler, part, stage)]
    if isinstance(tree, AnyOf):
        of_each = [drivers(compiler, part, stage) for part in tree.conditions]
        return [joined(" UNION ", [first for first, *_ in of_each])] if all(of_each) else []
    return []


def of_experiments(numbers: list[int], stage: str) -> Sql:
    """The runs of these experiments."""
    return _runs(stage, Sql(f"r.experiment_id IN ({','.join(map(str, numbers))})"))


def of_stage(stage: str) -> Sql:
    """The runs of a lifecycle stage."""
    return _runs(stage, TRUE)


def _runs(stage: str, condition: Sql) -> Sql:
    return sql(
        "SELECT r.run_no FROM runs r WHERE r.lifecycle_stage = {} AND {}", Sql("?", (stage,)), condition
    )


def _of_comparison(compiler: Compiler, comparison: Comparison, stage: str) -> Sql | None:
    entity = comparison.identifier.entity
    if entity == "attribute":
        return _of_attribute(comparison, stage)
    if entity == "dataset":
        return _of_dataset(comparison)
    if comparison.operator not in (*_RANGES, "LIKE", "ILIKE", "IS NOT NULL", "!="):
        return None
    pairs = compiler.pairs(comparison.identifier)
    conditions = [pairs.key("x", comparison.identifier.key)]
    if pairs.numbers:
        if comparison.operator in _RANGES:
            conditions.append(compiler.value(pairs, "x", comparison))
    elif isinstance(comparison.values[0] if comparison.values else 0, str):
        conditions += _prefixes(comparison, compiler.dialect)
    return sql(f"SELECT x.run_no FROM {pairs.table} x WHERE {{}}", every(conditions))


def _prefixes(comparison: Comparison, dialect: Dialect) -> Iterator[Sql]:
    """The condition on what the index holds of a value."""
    column, values = f"substr(x.value, 1, {PREFIX})", [str(value) for value in comparison.values]
    if comparison.operator in _EQUAL:
        yield _in(column, [value[:PREFIX] for value in values])
    elif comparison.operator == "LIKE" and (prefix := literal_prefix(values[0])[:PREFIX]):
        yield Sql(f"{column} >= ?", (prefix,))
        if (beyond := _successor(prefix)) is not None:
            yield Sql(f"{column} < ?", (beyond,))
        yield Sql(dialect.like.format(column), (dialect.like_operand(beginning(values[0], PREFIX)),))


def _successor(prefix: str) -> str | None:
    """The first text behind all that begin with the prefix, by code points."""
    code = ord(prefix[-1]) + 1
    if code > 0x10FFFF:
        return None
    return prefix[:-1] + chr(0xE000 if 0xD800 <= code < 0xE000 else code)


def _in(column: str, values: list[str]) -> Sql:
    if len(values) == 1:
        return Sql(f"{column} = ?", tuple(values))
    return Sql(f"{column} IN ({','.join('?' * len(values))})", tuple(values))


def _of_attribute(comparison: Comparison, stage: str) -> Sql | None:
    key, operator, given = comparison.identifier.key, comparison.operator, comparison.values
    if key in ("start_time", "created", "Created") and operator in _RANGES:
        return _runs(stage, _range("r.start_time", operator, given))
    if operator not in _EQUAL:
        return None
    values = [str(value) for value in given]
    if key in ("run_id", "run_uuid"):
        return sql("SELECT r.run_no FROM runs r WHERE {}", _in("r.run_id", values))
    if key == "experiment_name":
        named = sql("SELECT e.experiment_id FROM experiments e WHERE {}", _in("e.name", values))
        return _runs(stage, sql("r.experiment_id IN ({})", named))
    if key == "experiment_id":
        return of_experiments([int(text) for text in values if is_experiment_id(text)] or [-1], stage)
    key = "run_name" if key.lower() == "run name" else key
    return _runs(stage, _in(_OF_A_STAGE[key], values)) if key in _OF_A_STAGE else None


def _range(column: str, operator: str, values: tuple[str | float, ...]) -> Sql:
    if operator == "BETWEEN":
        return Sql(f"{column} BETWEEN ? AND ?", values)
    if operator == "IN":
        return Sql(f"{column} IN ({','.join('?' * len(values))})", values)
    return Sql(f"{column} {operator} ?", values)


def _of_dataset(comparison: Comparison) -> Sql | None:
    key = comparison.identifier.key
    if key not in ("name", "digest") or comparison.operator not in _EQUAL:
        return None
    condition = _in(f"d.{key}", [str(value) for value in comparison.values])
    return sql(
        "SELECT DISTINCT i.run_no FROM datasets d JOIN inputs i ON i.dataset_id = d.dataset_id WHERE {}",
        condition,
    )
