"""Parquet: the values of its columns, read through pyarrow where it is installed beside bis."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from bis.repeat.comparison.tally import Finding, Tally, short
from bis.repeat.comparison.verdicts import Verdict
from bis.repeat.comparison.volatile import field_reason

if TYPE_CHECKING:
    from bis.repeat.comparison.tally import Context

NO_PYARROW = "other bytes; the values of a Parquet file are compared where pyarrow is installed beside bis"


def compare_parquet(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two tables column by column; None when one cannot be read."""
    try:
        import pyarrow.parquet as reader
        from pyarrow import ArrowException
    except ImportError:
        return Finding(Verdict.DIFFERENT, NO_PYARROW)
    try:
        ones, others = reader.read_table(io.BytesIO(first)), reader.read_table(io.BytesIO(second))
    except (ArrowException, OSError):
        return None
    return _compare_tables(ones, others, context)


def _compare_tables(ones: Any, others: Any, context: Context) -> Finding:
    tally = Tally(context.bounds)
    names, other_names = list(ones.column_names), list(others.column_names)
    if names != other_names or ones.num_rows != others.num_rows:
        shapes = [f"{table.num_rows} rows of {', '.join(table.column_names)}" for table in (ones, others)]
        tally.differ(f"{shapes[0]} and {shapes[1]}")
        return tally.finding("")
    for name in names:
        first, second = ones[name], others[name]
        if first.type != second.type:
            tally.differ(f"{name} has the types {first.type} and {second.type}")
        elif not first.equals(second):
            if field_reason(name) is not None:
                tally.mask(name)
            else:
                _compare_columns(name, first.to_pylist(), second.to_pylist(), tally, context)
    return tally.finding("the same columns")


def _compare_columns(name: str, ones: list[Any], others: list[Any], tally: Tally, context: Context) -> None:
    if all(isinstance(value, float) for column in (ones, others) for value in column):
        tally.numbers(name, ones, others)
        return
    for row, (one, other) in enumerate(zip(ones, others, strict=True)):
        if isinstance(one, (int, float)) and isinstance(other, (int, float)):
            tally.number(f"{name}[{row}]", one, other)
        elif isinstance(one, str) and isinstance(other, str):
            if not context.same_text(one, other):
                tally.differ(f"{name}[{row}]: {short(one)} and {short(other)}")
        elif one != other:
            tally.differ(f"{name}[{row}]: {short(one)} and {short(other)}")
