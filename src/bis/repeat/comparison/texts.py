"""Text and logs: the same lines, once dates, durations and the words of one run are taken out."""

from __future__ import annotations

import re
from itertools import zip_longest
from typing import TYPE_CHECKING

from bis.repeat.comparison.tally import Tally, short
from bis.repeat.comparison.volatile import mask_times

if TYPE_CHECKING:
    from bis.repeat.comparison.tally import Context, Finding

_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?(?![\w])")


def compare_text(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare line by line; None when it is not UTF-8. Numbers in otherwise equal lines have the tolerance."""
    try:
        ones, others = first.decode().splitlines(), second.decode().splitlines()
    except UnicodeDecodeError:
        return None
    tally = Tally(context.bounds)
    for number, (one, other) in enumerate(zip_longest(ones, others), 1):
        if one == other:
            continue
        if one is None or other is None:
            tally.differ(f"{len(ones)} and {len(others)} lines")
            break
        _compare_lines(number, one, other, tally, context)
    return tally.finding("the same lines, without times and the words of each run")


def _compare_lines(number: int, one: str, other: str, tally: Tally, context: Context) -> None:
    masked = mask_times(context.first.mask(one)), mask_times(context.second.mask(other))
    if masked[0].split() == masked[1].split():  # a shorter duration is padded with spaces
        return
    if _NUMBER.sub("#", masked[0]).split() != _NUMBER.sub("#", masked[1]).split():
        tally.differ(f"line {number}: {short(one)} and {short(other)}")
        return
    for a, b in zip(_NUMBER.findall(masked[0]), _NUMBER.findall(masked[1]), strict=True):
        tally.number(f"line {number}", float(a), float(b))
