"""JSON, JSON lines, YAML and MLmodel: the same value, once run ids, times and places are left aside."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bis.repeat.comparison.tally import Tally, are_numbers, short
from bis.repeat.comparison.volatile import field_reason

if TYPE_CHECKING:
    from bis.repeat.comparison.tally import Context, Finding

_EQUAL = "the same values"


def compare_json(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two JSON documents; None when one of them is none."""
    try:
        values = json.loads(first), json.loads(second)
    except (ValueError, RecursionError):
        return None
    return _compare(*values, context)


def compare_json_lines(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two files with a JSON document a line."""
    try:
        ones, others = ([json.loads(line) for line in data.splitlines() if line] for data in (first, second))
    except (ValueError, RecursionError):
        return None
    return _compare(ones, others, context)


def compare_yaml(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two YAML documents; None when one cannot be read without making objects."""
    import yaml  # only for artifacts in YAML that differ

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        values = yaml.load(first, loader), yaml.load(second, loader)  # noqa: S506  a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    return _compare(*values, context)


def _compare(first: Any, second: Any, context: Context) -> Finding:
    tally = Tally(context.bounds)
    walk(first, second, tally, context)
    return tally.finding(_EQUAL)


def walk(first: Any, second: Any, tally: Tally, context: Context) -> None:
    """Note every difference of two values made of dicts, lists, texts and numbers."""
    seen: set[tuple[int, int]] = set()  # an alias in YAML may repeat a value without end
    pending = [("", first, second)]
    while pending:
        place, one, other = pending.pop()
        if (id(one), id(other)) in seen:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            seen.add((id(one), id(other)))
            pending.extend(_entries(place, one, other, tally))
        elif isinstance(one, list) and isinstance(other, list):
            seen.add((id(one), id(other)))
            pending.extend(_items(place, one, other, tally))
        else:
            _compare_scalars(place, one, other, tally, context)


def _entries(
    place: str, one: dict[Any, Any], other: dict[Any, Any], tally: Tally
) -> list[tuple[str, Any, Any]]:
    found = []
    for key in [*one, *(key for key in other if key not in one)]:
        inner = f"{place}.{key}" if place else str(key)
        if isinstance(key, str) and field_reason(key) is not None:
            if key not in one or key not in other or _plainly_differ(one[key], other[key]):
                tally.mask(inner)
        elif key not in other:
            tally.differ(f"{inner} is only in the first")
        elif key not in one:
            tally.differ(f"{inner} is only in the second")
        else:
            found.append((inner, one[key], other[key]))
    return found[::-1]


def _plainly_differ(one: Any, other: Any) -> bool:
    try:
        return bool(one != other)
    except RecursionError:
        return True


def _items(place: str, one: list[Any], other: list[Any], tally: Tally) -> list[tuple[str, Any, Any]]:
    if len(one) != len(other):
        tally.differ(f"{place or 'the list'} has {len(one)} and {len(other)} items")
    elif are_numbers(one) and are_numbers(other):
        tally.numbers(place, one, other)
        return []
    return [(f"{place}[{i}]", a, b) for i, (a, b) in enumerate(zip(one, other, strict=False))][::-1]


def _compare_scalars(place: str, one: Any, other: Any, tally: Tally, context: Context) -> None:
    if is_number(one) and is_number(other):
        if one != other:
            tally.number(place, one, other)
    elif isinstance(one, str) and isinstance(other, str):
        if not context.same_text(one, other):
            _compare_embedded(place, one, other, tally, context)
    elif type(one) is not type(other) or one != other:
        tally.differ(f"{place or 'the value'}: {short(one)} and {short(other)}")


def _compare_embedded(place: str, one: str, other: str, tally: Tally, context: Context) -> None:
    """A text may be a document of its own, as signatures in MLmodel are."""
    if one[:1] in ("{", "[") and one[:1] == other[:1]:
        try:
            values = json.loads(one), json.loads(other)
        except (ValueError, RecursionError):
            pass
        else:
            walk(*values, tally, context)
            return
    tally.differ(f"{place or 'the text'}: {short(one)} and {short(other)}")


def is_number(value: object) -> bool:
    """Whether the value is a number, which a truth value is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)
