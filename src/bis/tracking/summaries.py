"""What pages show of many data, in SQL: a part of each history, and the datasets of experiments."""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

from typing import TYPE_CHECKING

from bis.tracking.experiments import is_experiment_id
from bis.tracking.runs import metric_of, unknown_run
from bis.tracking.tags import DATASET_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.tracking.database import Database
    from bis.tracking.model import Metric


class SqlSummaries:
    """The part of a store that answers pages."""

    _db: Database

    def sampled_histories(
        self,
        run_ids: Sequence[str],
        key: str,
        most: int,
        start_step: int | None = None,
        end_step: int | None = None,
    ) -> dict[str, list[Metric]]:
        """At most ``most`` points of the metric for each run, evenly chosen between the first and the last.

        Both are always among them; of one point, it is the last. Points are counted and not steps, since
        many may share one.
        """
        between, bounds = "", list[object]()
        if start_step is not None and end_step is not None:
            between, bounds = "AND step BETWEEN ? AND ?", [start_step, end_step]
        found: dict[str, list[Metric]] = {}
        with self._db.reading():
            for run_id in run_ids:
                row = self._db.row("SELECT run_no FROM runs WHERE run_id = ?", (run_id,))
                if row is None:
                    raise unknown_run(run_id)
                chosen, numbers = _choice(most)
                rows = self._db.rows(
                    _SAMPLED.format(between=between, chosen=chosen), (row[0], key, *bounds, *numbers)
                )
                found[run_id] = [metric_of(key, *columns) for columns in rows]
        return found

    def dataset_summaries(
        self, experiment_ids: Sequence[str], most: int
    ) -> list[tuple[str, str, str, str | None]]:
        """Experiment, name, digest and context of the datasets that active runs of these experiments read."""
        numbers = [int(text) for text in experiment_ids if is_experiment_id(text)]
        if not numbers:
            return []
        rows = self._db.rows(
            "SELECT DISTINCT r.experiment_id, d.name, d.digest, t.value FROM runs r"
            " JOIN inputs i ON i.run_no = r.run_no JOIN datasets d ON d.dataset_id = i.dataset_id"
            " LEFT JOIN input_tags t ON t.run_no = i.run_no AND t.dataset_id = i.dataset_id AND t.key = ?"
            f" WHERE r.lifecycle_stage = 'active' AND r.experiment_id IN ({','.join('?' * len(numbers))})"
            " ORDER BY r.experiment_id, d.name, d.digest, t.value LIMIT ?",
            (DATASET_CONTEXT, *numbers, most),
        )
        return [(str(number), name, digest, context) for number, name, digest, context in rows]


_SAMPLED = (
    "SELECT value, is_nan, timestamp, step FROM ("
    "SELECT value, is_nan, timestamp, step, count(*) OVER () AS total,"
    " row_number() OVER (ORDER BY step, timestamp, value, is_nan) - 1 AS place FROM points"
    " WHERE run_no = ? AND key_id = (SELECT key_id FROM metric_keys WHERE key = ?) {between}) s"
    " WHERE {chosen} ORDER BY place"
)


def _choice(most: int) -> tuple[str, list[object]]:
    """The condition for ``most`` of the rows: where the place times (most - 1) passes a multiple of the whole."""
    if most < 2:
        return "place = total - 1", []
    steps = most - 1
    return (
        "total <= ? OR place = 0 OR place * ? / NULLIF(total - 1, 0) > (place - 1) * ? / NULLIF(total - 1, 0)",
        [most, steps, steps],
    )
