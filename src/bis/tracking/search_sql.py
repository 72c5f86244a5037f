"""Pieces of SQL that carry their parameters, so that the two are never out of step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Sql:
    """A piece of SQL with ``?`` for each parameter. Only bis's own words are in the text."""

    text: str
    parameters: tuple[object, ...] = ()


TRUE, FALSE = Sql("1=1"), Sql("1=0")


def sql(pattern: str, *parts: Sql) -> Sql:
    """The pattern with a part for each ``{}``."""
    text = pattern.format(*[part.text for part in parts])
    return Sql(text, tuple(value for part in parts for value in part.parameters))


def joined(separator: str, parts: Iterable[Sql]) -> Sql:
    """The parts with the separator between them."""
    kept = [part for part in parts if part.text]
    text = separator.join(part.text for part in kept)
    return Sql(text, tuple(value for part in kept for value in part.parameters))


def every(parts: Iterable[Sql]) -> Sql:
    """All conditions together; those that are always true are left out."""
    kept = [part for part in parts if part != TRUE]
    return joined(" AND ", kept) if kept else TRUE
