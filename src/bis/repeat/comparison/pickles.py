"""Pickles and joblib files: their states compared, without ever loading them.

Memo numbers, frames, the sharing of equal texts and the order of sets do not count; arrays are compared by value.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bis.repeat.comparison.archives import unpack
from bis.repeat.comparison.arrays import Elements, compare_elements
from bis.repeat.comparison.documents import is_number
from bis.repeat.comparison.pickle_state import Node, PickleError, number_of, read_pickles
from bis.repeat.comparison.tally import Tally, short
from bis.repeat.comparison.volatile import field_reason

if TYPE_CHECKING:
    from bis.repeat.comparison.tally import Context, Finding


def compare_pickle(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two pickles or joblib files, compressed ones too; None when one cannot be followed."""
    try:
        ones, others = (read_pickles(unpack(data) or data) for data in (first, second))
    except PickleError:
        return None
    walk = _Walk(context)
    walk.compare(ones, others)
    return walk.tally.finding("the same state")


_MANY = 16


def floats(values: list[Any]) -> bool:
    """Whether all are floating-point numbers."""
    return {float}.issuperset(map(type, values))


class _Walk:
    """Goes through two graphs side by side. No recursion: a pickle may be as deep as it likes."""

    def __init__(self, context: Context) -> None:
        self.tally = Tally(context.bounds)
        self._context = context
        self._seen: set[tuple[int, int]] = set()
        self._pending: list[tuple[str, Any, Any]] = []

    def compare(self, ones: list[Any], others: list[Any]) -> None:
        self._sequence("", ones, others, "pickles")
        while self._pending:
            place, one, other = self._pending.pop()
            if isinstance(one, Node) and isinstance(other, Node):
                if (id(one), id(other)) not in self._seen:
                    self._seen.add((id(one), id(other)))
                    self._nodes(place, one, other)
            else:
                self._scalars(place, one, other)

    def _scalars(self, place: str, one: Any, other: Any) -> None:
        if is_number(one) and is_number(other):
            if isinstance(one, float) is not isinstance(other, float):
                self.tally.differ(f"{place}: {short(one)} and {short(other)}")
            elif one != other:
                self.tally.number(place, one, other)
        elif isinstance(one, str) and isinstance(other, str):
            if not self._context.same_text(one, other):
                self.tally.differ(f"{place}: {short(one)} and {short(other)}")
        elif isinstance(one, Node) or isinstance(other, Node):
            self.tally.differ(f"{place}: {_name(one)} and {_name(other)}")
        elif type(one) is not type(other) or one != other:
            self.tally.differ(f"{place}: {short(one)} and {short(other)}")

    def _nodes(self, place: str, one: Node, other: Node) -> None:
        if one.kind != other.kind or one.name != other.name:
            self.tally.differ(f"{place or 'the object'}: {_name(one)} and {_name(other)}")
        elif one.elements is not None and other.elements is not None:
            self._arrays(place, one.elements, other.elements)
        elif (number := number_of(one)) and (other_number := number_of(other)):
            self._arrays(place, *(Elements(kind, (), False, data) for kind, data in (number, other_number)))
        else:
            self._state(place, one, other)
            self._mapping(place, one, other)
            if one.kind == "set":
                self._unordered(place, one, other)
            else:
                self._sequence(place, one.items, other.items, "items")

    def _arrays(self, place: str, one: Elements, other: Elements) -> None:
        if not compare_elements(place or "array", one, other, self.tally):
            self.tally.differ(f"{place or 'an array'} has other elements")

    def _state(self, place: str, one: Node, other: Node) -> None:
        self._sequence(place, one.state, other.state, "states")

    def _sequence(self, place: str, ones: list[Any], others: list[Any], what: str) -> None:
        if len(ones) != len(others):
            self.tally.differ(f"{place or 'the object'} has {len(ones)} and {len(others)} {what}")
            return
        if len(ones) > _MANY and floats(ones) and floats(others):
            self.tally.numbers(place, ones, others)
            return
        single = what != "items" or len(ones) == 1
        for i in range(len(ones) - 1, -1, -1):
            a, b = ones[i], others[i]
            if a is not b and (isinstance(a, (Node, float)) or type(a) is not type(b) or a != b):
                self._pending.append((place if single else f"{place}[{i}]", a, b))

    def _mapping(self, place: str, one: Node, other: Node) -> None:
        if not one.pairs and not other.pairs:
            return
        ones, others = _by_key(one), _by_key(other)
        pending = []
        for key in [*ones, *(key for key in others if key not in ones)]:
            inner = f"{place}.{_key_text(key)}" if place else _key_text(key)
            if key not in ones or key not in others:
                self.tally.differ(f"{inner} is only in the {'first' if key in ones else 'second'}")
            elif isinstance(key, str) and field_reason(key) is not None:
                if repr_of(ones[key]) != repr_of(others[key]):
                    self.tally.mask(inner)
            else:
                pending.append((inner, ones[key], others[key]))
        self._pending.extend(reversed(pending))

    def _unordered(self, place: str, one: Node, other: Node) -> None:
        ones, others = sorted(one.items, key=repr_of), sorted(other.items, key=repr_of)
        self._sequence(place, ones, others, "members")


def _by_key(node: Node) -> dict[Any, Any]:
    """Values by key, the last of each; a key that is an object stands under its description."""
    return {_plain_key(key): value for key, value in node.pairs}


def _plain_key(key: Any) -> Any:
    if isinstance(key, str):
        return key
    return key if isinstance(key, int) and not isinstance(key, bool) else repr_of(key)


def _key_text(key: Any) -> str:
    return key if isinstance(key, str) else short(key)


def repr_of(value: Any, depth: int = 6) -> str:
    """A text by which values can be ordered and told apart, whatever their memo says."""
    if not isinstance(value, Node):
        return f"{type(value).__name__} {value!r}"
    if depth == 0:
        return value.kind
    inner = [repr_of(item, depth - 1) for item in [*value.items, *value.state]]
    inner += [f"{repr_of(k, depth - 1)}: {repr_of(v, depth - 1)}" for k, v in value.pairs]
    if value.kind == "set":
        inner.sort()
    content = "" if value.elements is None else f"{value.elements!r}"
    return f"{value.kind} {value.name}({', '.join(inner)}){content}"


def _name(value: Any) -> str:
    if not isinstance(value, Node):
        return short(value)
    if value.kind == "call" and value.items and isinstance(value.items[0], Node):
        return value.items[0].name.replace(" ", ".") or value.kind
    return value.name.replace(" ", ".") or value.kind
