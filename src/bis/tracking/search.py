"""Searches: what is asked, checked and compiled, and a page of what is found.

The language is in ``search_grammar``; conditions, order and pages have modules of their own, and runs, of which
there may be millions, have their way of searching in ``search_runs``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis.tracking import pages
from bis.tracking.model import Page
from bis.tracking.refusals import invalid
from bis.tracking.search_conditions import Compiler, mentions
from bis.tracking.search_grammar import Condition, parse_filter
from bis.tracking.search_order import Column, Key, after, keys, last_columns
from bis.tracking.search_sql import TRUE, Sql, every, joined, sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.tracking.database import Database
    from bis.tracking.dialect import Dialect
    from bis.tracking.search_subjects import Subject


@dataclass(frozen=True)
class Search:
    """A search that has been read: what must hold, and the order of what does."""

    dialect: Dialect
    tree: Condition
    condition: Sql
    keys: tuple[Key, ...]
    columns: tuple[Column, ...]
    """All columns of the order, those that settle it included."""
    mark: str

    def position(self, page_token: str | None) -> pages.Position | None:
        """Where a page begins; None for the first one."""
        return pages.read(page_token, self.mark, len(self.columns))

    def page(self, rows: Sequence[Sequence[Any]], max_results: int) -> Page[Any]:
        """The page of rows that end in the columns of the order, one more than fits when there is another page."""
        if len(rows) <= max_results:
            return Page(tuple(rows))
        kept = rows[:max_results]
        position = kept[-1][-len(self.columns) :] if kept else ()
        return Page(tuple(kept), pages.written(self.mark, position))


def read_search(
    subject: Subject,
    dialect: Dialect,
    filter: str,
    order_by: Sequence[str],
    *shape: object,
    seen_as: Sequence[Subject] = (),
) -> Search:
    """The search, refused with the place of the mistake; ``shape`` is what else a page token must agree with.

    ``seen_as`` is the subject as each key of ``order_by`` sees it, when they differ.
    """
    tree = parse_filter(filter)
    condition = Compiler(subject, dialect, filter).condition(tree)
    for tag, value in subject.unsaid.items():
        if not mentions(tree, "tag", tag):  # as MLflow: prompts are found only when they are asked for
            hidden = parse_filter(f"tags.`{tag}` = '{value}'")
            condition = every([sql("({})", condition), Compiler(subject, dialect, filter).condition(hidden)])
    by = keys(subject, order_by, dialect, seen_as)
    columns = [column for key in by for column in key.columns] + last_columns(subject, by)
    mark = pages.search_mark(subject.table, filter.strip(), list(order_by), *shape)
    return Search(dialect, tree, condition, tuple(by), tuple(columns), mark)


def search(
    database: Database,
    subject: Subject,
    select: str,
    *,
    scope: Sql = TRUE,
    filter: str = "",
    order_by: Sequence[str] = (),
    seen_as: Sequence[Subject] = (),
    max_results: int,
    page_token: str | None = None,
) -> Page[Any]:
    """A page of the subject's rows that are in scope: the columns of ``select``, and those of the order behind them."""
    limits = [own.pairs["metric"].within for own in (subject, *seen_as) if "metric" in own.pairs]
    shape = [limit for limit in limits if limit != TRUE]
    asked = read_search(subject, database.dialect, filter, order_by, *shape, seen_as=seen_as)
    position = asked.position(page_token)
    if max_results < 1:
        raise invalid(f"Invalid value {max_results} for parameter 'max_results': it is a positive number.")
    order = [sql(f"{{}} AS k{number}", column.expression) for number, column in enumerate(asked.columns)]
    found = every([scope, sql("({})", asked.condition)])
    query = sql("SELECT {} FROM {} WHERE {}", joined(", ", [Sql(select), *order]), Sql(subject.table), found)
    with pages.taken_from(page_token):
        rows = database.rows(*_paged(query, asked.columns, position, max_results + 1))
    return asked.page(rows, max_results)


def _paged(
    query: Sql, columns: Sequence[Column], position: pages.Position | None, limit: int
) -> tuple[str, tuple[object, ...]]:
    """The query from that position on, in its order."""
    named = [Column(Sql(f"s.k{number}"), column.descending) for number, column in enumerate(columns)]
    order = joined(", ", [column.order for column in named])
    condition = TRUE if position is None else after(named, position)
    whole = sql(
        "SELECT s.* FROM ({}) s WHERE {} ORDER BY {} LIMIT {}", query, condition, order, Sql("?", (limit,))
    )
    return whole.text, whole.parameters
