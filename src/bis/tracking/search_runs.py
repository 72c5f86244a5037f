"""Searching among millions of runs: along an index in the order of the search, or among the few that can be found.

A walk along an index ends as soon as the page is full, which is soon when much is found, and late when little is.
So the sets that the filter can only be in are counted first, up to a bound, and the smallest is sampled: a set of m
runs costs m, a walk costs the runs of the page times all runs for each that is found. What costs less is done. Of one
condition alone, the two are equal where m is the root of that product, and no more is counted.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

from bis.tracking.dialect import PREFIX
from bis.tracking.experiments import searched_numbers
from bis.tracking.model import Page, View
from bis.tracking.refusals import invalid
from bis.tracking.search import read_search
from bis.tracking.search_conditions import Compiler
from bis.tracking.search_drivers import drivers, of_experiments, of_stage
from bis.tracking.search_grammar import Comparison
from bis.tracking.search_order import Column, Key, after, joins
from bis.tracking.search_sql import TRUE, Sql, every, joined, sql
from bis.tracking.search_subjects import RUNS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bis.tracking.database import Database
    from bis.tracking.pages import Position
    from bis.tracking.search import Search

_STAGES = {View.ACTIVE_ONLY: ("active",), View.DELETED_ONLY: ("deleted",), View.ALL: ("active", "deleted")}
_FEW_RUNS = 2000
"""Among so few runs, any way is quick."""
_FEW_EXPERIMENTS = 16
"""So many are walked one by one, each along its own index."""
_SMALL_SET = 5000
_SMALL_SET_BY_VALUE = 20_000
"""A set of this size is always searched, the more so rather than to walk by values, which may all lie elsewhere."""
_COUNTED = 100_000
"""How far a set is counted; a larger one is walked to."""
_SAMPLED = 1000


def search_runs(
    database: Database,
    experiment_ids: Sequence[str] | None,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int,
    page_token: str | None = None,
    view: View = View.ACTIVE_ONLY,
) -> Page[int]:
    """The numbers (``run_no``) of a page of runs of these experiments (None: of all)."""
    asked = read_search(RUNS, database.dialect, filter, order_by, view.value)
    position = asked.position(page_token)
    if max_results < 1:
        raise invalid(f"Invalid value {max_results} for parameter 'max_results': it is a positive number.")
    compiler = Compiler(RUNS, database.dialect, filter)
    numbers = None if experiment_ids is None else searched_numbers(experiment_ids)
    found = _Searching(database, asked, compiler, numbers, max_results + 1)
    rows = _merged([found.rows(stage, position) for stage in _STAGES[view]], asked.columns, max_results + 1)
    page = asked.page(rows, max_results)
    return Page(tuple(row[0] for row in page.items), page.next_token)


def _merged(parts: list[list[Any]], columns: Sequence[Column], limit: int) -> list[Any]:
    """Rows that are each in order, in order together."""
    if len(parts) == 1:
        return parts[0]
    rows = [row for part in parts for row in part]
    for place in range(-1, -len(columns) - 1, -1):  # sorting is stable: the last column first
        rows.sort(key=_by_place(place), reverse=columns[place].descending)
    return rows[:limit]


def _by_place(place: int) -> Any:
    return lambda row: (row[place] is not None, row[place])


class _Searching:
    """One search; ``limit`` rows are wanted."""

    def __init__(
        self, database: Database, asked: Search, compiler: Compiler, experiments: list[int] | None, limit: int
    ) -> None:
        self._database, self._asked, self._compiler = database, asked, compiler
        self._experiments, self._limit = experiments, limit
        self._condition = TRUE if asked.condition == TRUE else sql("({})", asked.condition)

    def rows(self, stage: str, position: Position | None) -> list[Any]:
        """The rows of one lifecycle stage behind the position: ``run_no``, and the columns of the order."""
        if self._experiments == []:
            return []
        few = self._smallest_set(stage)
        if few is not None:
            return self._among(few, stage, position)
        if self._is_by_start and self._experiments and 1 < len(self._experiments) <= _FEW_EXPERIMENTS:
            parts = [self._walk(stage, [number], position) for number in self._experiments]
            return _merged(parts, self._asked.columns, self._limit)
        return self._walk(stage, self._experiments, position)

    @property
    def _is_by_start(self) -> bool:
        return self._asked.columns[0].expression.text == "r.start_time"

    def _smallest_set(self, stage: str) -> Sql | None:
        """The smallest set that the search is in, if it costs less to search all of it than to walk."""
        total: int = self._database.row("SELECT MAX(run_no) FROM runs")[0] or 0
        if total <= _FEW_RUNS:
            return None
        is_alone = (
            isinstance(self._asked.tree, Comparison) and self._experiments is None and stage == "active"
        )
        smallest, size = None, isqrt(total * self._limit) if is_alone else _COUNTED
        for candidate in self._sets(stage):
            counted = sql("SELECT 1 FROM ({}) d LIMIT {}", candidate, Sql("?", (size,)))
            if (count := self._count(counted)) < size:
                smallest, size = candidate, count
        by_value = bool(self._asked.keys) and self._asked.keys[0].pairs is not None
        if smallest is None or is_alone or size <= (_SMALL_SET_BY_VALUE if by_value else _SMALL_SET):
            return smallest
        sample = sql("(SELECT d.run_no FROM ({}) d LIMIT {})", smallest, Sql("?", (_SAMPLED,)))
        found = self._count(self._in_set(Sql("1"), sample, stage))
        walked = min(total, self._limit * total * _SAMPLED // max(1, found * size))
        return smallest if size < walked else None

    def _count(self, query: Sql) -> int:
        whole = sql("SELECT COUNT(*) FROM ({}) c", query)
        count: int = self._database.row(whole.text, whole.parameters)[0]
        return count

    def _in_set(self, select: Sql, numbers: Sql, stage: str, order: Sequence[Key] = ()) -> Sql:
        """What the filter finds of a set of runs."""
        scope = every([Sql("r.run_no = d.run_no"), self._scope(stage, self._experiments), self._condition])
        return sql("SELECT {} FROM {} d CROSS JOIN runs r {} WHERE {}", select, numbers, joins(order), scope)

    def _sets(self, stage: str) -> Iterable[Sql]:
        yield from drivers(self._compiler, self._asked.tree, stage)
        if self._is_by_start and self._condition == TRUE:  # the walk itself ends soon
            return
        if self._experiments:
            yield of_experiments(self._experiments, stage)
        if stage == "deleted":
            yield of_stage(stage)

    def _among(self, few: Sql, stage: str, position: Position | None) -> list[Any]:
        """All runs of the set that fulfil the filter, sorted."""
        columns = [sql(f"{{}} AS k{n}", column.expression) for n, column in enumerate(self._asked.columns)]
        select = joined(", ", [Sql("r.run_no"), *columns])
        query = self._in_set(select, sql("({})", few), stage, self._asked.keys)
        named = [Column(Sql(f"s.k{n}"), column.descending) for n, column in enumerate(self._asked.columns)]
        behind = TRUE if position is None else after(named, position)
        return self._run(sql("SELECT s.* FROM ({}) s WHERE {}", query, behind), named)

    def _walk(self, stage: str, experiments: list[int] | None, position: Position | None) -> list[Any]:
        scope = every([self._scope(stage, experiments), self._condition])
        return self._walk_keys(list(self._asked.keys), self._asked.columns, scope, position, ())

    def _walk_keys(
        self,
        keys: list[Key],
        columns: tuple[Column, ...],
        condition: Sql,
        position: Position | None,
        passed: tuple[str, ...],
    ) -> list[Any]:
        """Walk by these keys; ``passed`` are the values of the columns before them, which are the same in all rows."""
        if not keys or keys[0].pairs is None or keys[0].as_number:
            behind = TRUE if position is None else after(columns, position)
            return self._select(passed, columns, Sql("FROM runs r"), keys, every([condition, behind]))
        reached = 0 if position is None else position[0]
        found = list[Any]()
        if reached == 0:
            found = self._walk_values(keys, columns, condition, position, passed)
        if reached <= 1 and keys[0].pairs.numbers and len(found) < self._limit:
            rest = position[2:] if position is not None and reached == 1 else None
            found += self._walk_nans(keys, columns[2:], condition, rest, passed)
        if len(found) < self._limit:
            rest = position[2:] if position is not None and reached == 2 else None
            lacking = sql("NOT EXISTS (SELECT 1 FROM {} WHERE {})", self._table(keys[0]), keys[0].on)
            both = every([condition, lacking])
            found += self._walk_keys(keys[1:], columns[2:], both, rest, (*passed, "2", "NULL"))
        return found[: self._limit]

    def _walk_values(
        self,
        keys: list[Key],
        columns: tuple[Column, ...],
        condition: Sql,
        position: Position | None,
        passed: tuple[str, ...],
    ) -> list[Any]:
        """The runs that have the first key, along the index of its values."""
        key, by = keys[0], columns[1:]
        behind = list(position[1:]) if position is not None else None
        if key.pairs is not None and key.pairs.numbers:
            condition = every([Sql(f"{key.alias}.is_nan = 0"), condition])
        else:  # of a long value the index holds the beginning
            begun = Column(Sql(f"substr({key.alias}.value, 1, {PREFIX})"), by[0].descending)
            by = (begun, *by)
            behind = None if behind is None else [str(behind[0])[:PREFIX], *behind]
        condition = every([key.on, condition, TRUE if behind is None else after(by, behind)])
        source = sql("FROM {} CROSS JOIN runs r", self._table(key))
        return self._select((*passed, "0"), columns[1:], source, keys[1:], condition, by)

    def _walk_nans(
        self,
        keys: list[Key],
        columns: tuple[Column, ...],
        condition: Sql,
        position: Position | None,
        passed: tuple[str, ...],
    ) -> list[Any]:
        """The runs whose first key is NaN, which are few, sorted by the other keys."""
        key = keys[0]
        behind = TRUE if position is None else after(columns, position)
        condition = every([key.on, Sql(f"{key.alias}.is_nan = 1"), condition, behind])
        source = sql("FROM {} CROSS JOIN runs r", self._table(key))
        return self._select((*passed, "1", "0"), columns, source, keys[1:], condition)

    @staticmethod
    def _table(key: Key) -> Sql:
        return Sql(f"{key.pairs.table} {key.alias}" if key.pairs else "")

    def _select(
        self,
        passed: tuple[str, ...],
        columns: Sequence[Column],
        source: Sql,
        keys: Sequence[Key],
        condition: Sql,
        by: Sequence[Column] | None = None,
    ) -> list[Any]:
        what = joined(", ", [Sql("r.run_no"), *map(Sql, passed), *[column.expression for column in columns]])
        query = sql("SELECT {} {} {} WHERE {}", what, source, joins(keys), condition)
        return self._run(query, columns if by is None else by)

    def _run(self, query: Sql, by: Sequence[Column]) -> list[Any]:
        order, limit = joined(", ", [column.order for column in by]), Sql("?", (self._limit,))
        whole = sql("{} ORDER BY {} LIMIT {}", query, order, limit)
        return self._database.rows(whole.text, whole.parameters)

    def _scope(self, stage: str, experiments: list[int] | None) -> Sql:
        """The condition on stage and experiments; one experiment is walked along an index that has it."""
        in_stage = Sql("r.lifecycle_stage = ?", (stage,))
        if experiments is None:
            return in_stage
        column = "r.experiment_id"
        if len(experiments) > 1 or not self._is_by_start:
            column = self._asked.dialect.unindexed.format(column)
        numbers = ",".join(map(str, experiments))
        return every(
            [in_stage, Sql(f"{column} IN ({numbers})" if len(experiments) > 1 else f"{column} = {numbers}")]
        )
