"""CSV and TSV: the same cells, numbers within the tolerance; columns of times are left aside."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from bis.repeat.comparison.tally import Tally, short
from bis.repeat.comparison.volatile import field_reason

if TYPE_CHECKING:
    from bis.repeat.comparison.tally import Context, Finding

_LARGEST_CELL = 1 << 24


def compare_csv(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two tables; None when they cannot be read as such."""
    try:
        tables = _read(first), _read(second)
    except (UnicodeDecodeError, csv.Error):
        return None
    return compare_rows(*tables, context)


def compare_rows(first: list[list[str]], second: list[list[str]], context: Context) -> Finding:
    """Compare row by row. The first row names the columns when it holds no number."""
    tally = Tally(context.bounds)
    header = first[0] if first and first[:1] == second[:1] and not any(map(_is_number, first[0])) else []
    aside = {i: name for i, name in enumerate(header) if field_reason(name) is not None}
    if len(first) != len(second):
        tally.differ(f"{len(first)} and {len(second)} rows")
    for row, (ones, others) in enumerate(zip(first, second, strict=False), 1):
        if ones == others:
            continue
        if len(ones) != len(others):
            tally.differ(f"row {row} has {len(ones)} and {len(others)} cells")
            continue
        if not aside and _compare_number_rows(row, ones, others, header, tally):
            continue
        for column, (one, other) in enumerate(zip(ones, others, strict=True)):
            if one == other:
                continue
            if column in aside:
                tally.mask(aside[column])
            else:
                _compare_cells(_place(row, column, header), one, other, tally, context)
    return tally.finding("the same cells")


def _compare_number_rows(
    row: int, ones: list[str], others: list[str], header: list[str], tally: Tally
) -> bool:
    """Compare two rows of nothing but numbers; False when they are not."""
    try:
        numbers = list(map(float, ones)), list(map(float, others))
    except ValueError:
        return False
    tally.numbers(lambda column: _place(row, column, header), *numbers)
    return True


def _place(row: int, column: int, header: list[str]) -> str:
    return f"row {row}, {header[column] if column < len(header) else column + 1}"


def _compare_cells(place: str, one: str, other: str, tally: Tally, context: Context) -> None:
    try:
        numbers = float(one), float(other)
    except ValueError:
        if not context.same_text(one, other):
            tally.differ(f"{place}: {short(one)} and {short(other)}")
        return
    tally.number(place, *numbers)


def _read(data: bytes) -> list[list[str]]:
    text = data.decode("utf-8-sig")
    first_line = text.partition("\n")[0]
    delimiter = max("\t;|,", key=first_line.count)  # the comma where nothing speaks for another
    delimiter = delimiter if first_line.count(delimiter) else ","
    csv.field_size_limit(_LARGEST_CELL)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
