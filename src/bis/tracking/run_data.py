"""What runs log, in SQL: metrics, parameters, tags, datasets and models. Everything can be sent again
without harm.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bis.tracking.limits import check_metrics
from bis.tracking.model import Page, Tag
from bis.tracking.param_values import same_value
from bis.tracking.refusals import absent, invalid
from bis.tracking.runs import RUN_NAME_TAG, SET_TAG, active_run, metric_of, rename_run, unknown_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bis.tracking.database import Database, Statements
    from bis.tracking.model import DatasetInput, Metric, ModelLink, Param


MODEL_HISTORY_TAG = "mlflow.log-model.history"


class SqlRunData:
    """The part of a store that keeps what runs log."""

    _db: Database
    _key_ids: dict[str, int]

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[Metric] = (),
        params: Iterable[Param] = (),
        tags: Iterable[Tag] = (),
        *,
        origin: str = "client",
    ) -> None:
        """Log all of it or, when anything is refused, nothing.

        ``origin="bis"`` marks parameters that bis logs for a project: the script may log them again with an
        equal value. Any other second value of a parameter is refused.
        """
        check_metrics(metrics)
        with self._db.writing() as connection:
            number = active_run(connection, run_id)
            if metrics:
                self._log_metrics(connection, number, metrics)
            for param in params:
                _log_param(connection, number, run_id, param, origin)
            for tag in tags:
                _set_tag(connection, number, tag)

    def _log_metrics(self, connection: Statements, number: int, metrics: Sequence[Metric]) -> None:
        ids = self.ids_of(connection, {metric.key for metric in metrics})
        points = [(number, ids[m.key], *stored(m)) for m in metrics]
        last: dict[int, tuple[float, ...]] = {}
        for point in points:
            known = last.get(point[1])
            if known is None or point > known:
                last[point[1]] = point
        connection.executemany(ADD_POINT, points)
        connection.executemany(_SET_LATEST, [last[key_id] for key_id in sorted(last)])
        of_models = [
            (m.model_id, number, m.key, *stored(m), m.dataset_name, m.dataset_digest, m.model_id)
            for m in metrics
            if m.model_id
        ]
        connection.executemany(_ADD_MODEL_POINT, of_models)

    def ids_of(self, connection: Statements, keys: Iterable[str]) -> dict[str, int]:
        """The numbers of these keys; those that are new are added, in one order for all writers."""
        for key in sorted({*keys} - self._key_ids.keys()):
            row = connection.execute(_KEY, (key,)).fetchone()
            if row is None:
                connection.execute(_ADD_KEY, (key,))
                row = connection.execute(_KEY, (key,)).fetchone()
            self._key_ids[key] = row[0]
        return self._key_ids

    def set_tag(self, run_id: str, key: str, value: str) -> None:
        """Set a tag of the run."""
        self.log_batch(run_id, tags=[Tag(key, value)])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of the run."""
        with self._db.writing() as connection:
            number = active_run(connection, run_id)
            if not connection.execute(
                "DELETE FROM tags WHERE run_no = ? AND key = ?", (number, key)
            ).rowcount:
                raise absent(f"No tag with name: {key} in run with id {run_id}")

    def log_inputs(
        self, run_id: str, datasets: Iterable[DatasetInput] = (), models: Iterable[ModelLink] = ()
    ) -> None:
        """Note datasets and logged models that the run read."""
        with self._db.writing() as connection:
            number = active_run(connection, run_id)
            for used in datasets:
                add_input(connection, number, used)
            link_models(connection, number, "input", models)

    def log_outputs(self, run_id: str, models: Iterable[ModelLink]) -> None:
        """Note logged models that the run made."""
        with self._db.writing() as connection:
            link_models(connection, active_run(connection, run_id), "output", models)

    def record_model(self, run_id: str, description: dict[str, object]) -> None:
        """Add to the run's history of models, the tag in which MLflow 1 and 2 keep it; once, when sent
        again.
        """
        import json  # only for scripts that log models

        with self._db.writing() as connection:
            number = active_run(connection, run_id)
            row = connection.execute(
                "SELECT value FROM tags WHERE run_no = ? AND key = ?", (number, MODEL_HISTORY_TAG)
            ).fetchone()
            history = json.loads(row[0]) if row else []
            if description not in history:
                history.append(description)
                connection.execute(SET_TAG, (number, MODEL_HISTORY_TAG, json.dumps(history)))

    def metric_history(
        self, run_id: str, key: str, *, max_results: int | None = None, page_token: str | None = None
    ) -> Page[Metric]:
        """The points of one metric by step and time; all of them without ``max_results``."""
        from bis.tracking import pages

        mark = pages.search_mark("history", run_id, key)
        position = pages.read(page_token, mark, 4)
        row = self._db.row("SELECT run_no FROM runs WHERE run_id = ?", (run_id,))
        if row is None:
            raise unknown_run(run_id)
        behind, limit = ("" if position is None else _BEHIND), ("" if max_results is None else " LIMIT ?")
        most = [] if max_results is None else [max_results + 1]
        with pages.taken_from(page_token):
            rows = self._db.rows(
                f"{_HISTORY} {behind}{_BY_STEP}{limit}", [row[0], key, *(position or ()), *most]
            )
        is_last = max_results is None or len(rows) <= max_results
        shown = rows if is_last else rows[:max_results]
        token = None if is_last else pages.written(mark, [rows[-2][place] for place in (3, 2, 0, 1)])
        return Page(tuple(metric_of(key, *columns) for columns in shown), token)

    def metric_points(self, run_id: str, key: str) -> list[tuple[int, float]]:
        """Step and value of every point of one metric, as ``metric_history`` orders them, at a quarter of its cost."""
        rows = self._db.rows(_POINTS, (run_id, key))
        if not any(is_nan for _, _, is_nan in rows):
            return [(step, value) for step, value, _ in rows]
        return [(step, math.nan if is_nan else value) for step, value, is_nan in rows]


_KEY = "SELECT key_id FROM metric_keys WHERE key = ?"
_ADD_KEY = "INSERT INTO metric_keys (key) VALUES (?) ON CONFLICT (key) DO NOTHING"
ADD_POINT = (
    "INSERT INTO points (run_no, key_id, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT DO NOTHING"
)
_SET_LATEST = (  # decided by step, time and value: clients log from several threads, in any order
    "INSERT INTO latest (run_no, key_id, step, timestamp, value, is_nan) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (run_no, key_id) DO UPDATE"
    " SET step = excluded.step, timestamp = excluded.timestamp, value = excluded.value, is_nan ="
    " excluded.is_nan"
    " WHERE (excluded.step, excluded.timestamp, excluded.value, excluded.is_nan)"
    " > (latest.step, latest.timestamp, latest.value, latest.is_nan)"
)
_ADD_MODEL_POINT = (
    "INSERT INTO logged_model_metrics"
    " (model_id, run_no, key, step, timestamp, value, is_nan, dataset_name, dataset_digest)"
    " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM logged_models WHERE model_id = ?)"
    " ON CONFLICT DO NOTHING"
)
_SET_INPUT_TAG = (
    "INSERT INTO input_tags (run_no, dataset_id, key, value) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (run_no, dataset_id, key) DO UPDATE SET value = excluded.value"
)
_POINTS = (
    "SELECT step, value, is_nan FROM points"
    " WHERE run_no = (SELECT run_no FROM runs WHERE run_id = ?)"
    " AND key_id = (SELECT key_id FROM metric_keys WHERE key = ?)"
    " ORDER BY step, timestamp, value, is_nan"
)
_HISTORY = (
    "SELECT value, is_nan, timestamp, step FROM points"
    " WHERE run_no = ? AND key_id = (SELECT key_id FROM metric_keys WHERE key = ?)"
)
_BEHIND = "AND (step, timestamp, value, is_nan) > (?, ?, ?, ?)"
_BY_STEP = " ORDER BY step, timestamp, value, is_nan"


def stored(metric: Metric) -> tuple[int, int, float, int]:
    """Step, time, value and is_nan of a point, as the columns have them."""
    value = float(metric.value)
    return (
        (metric.step, metric.timestamp, 0.0, 1)
        if math.isnan(value)
        else (metric.step, metric.timestamp, value, 0)
    )


def _log_param(connection: Statements, number: int, run_id: str, param: Param, origin: str) -> None:
    row = connection.execute(
        "SELECT value, origin, received_as FROM params WHERE run_no = ? AND key = ?", (number, param.key)
    ).fetchone()
    if row is None:
        connection.execute(
            "INSERT INTO params (run_no, key, value, origin, received_as) VALUES (?, ?, ?, ?, ?)",
            (number, param.key, param.value, origin, param.received_as),
        )
        return
    value, logged_by, received_as = row
    if value == param.value:
        return
    known = [value] if received_as is None else [value, received_as]
    if logged_by == "bis" and any(same_value(one, param.value) for one in known):
        return
    raise invalid(
        f"Changing param values is not allowed. Param with key='{param.key}' was already logged with"
        f" value='{value}'"
        f" for run ID='{run_id}'. Attempted logging new value '{param.value}'."
    )


def _set_tag(connection: Statements, number: int, tag: Tag) -> None:
    if tag.key == RUN_NAME_TAG:
        rename_run(connection, number, tag.value)
    else:
        connection.execute(SET_TAG, (number, tag.key, tag.value))


def add_input(connection: Statements, number: int, used: DatasetInput) -> None:
    """Note that the run read a dataset."""
    dataset_id = _add_dataset(connection, used)
    connection.execute(
        "INSERT INTO inputs (run_no, dataset_id) VALUES (?, ?) ON CONFLICT DO NOTHING", (number, dataset_id)
    )
    connection.executemany(_SET_INPUT_TAG, [(number, dataset_id, tag.key, tag.value) for tag in used.tags])


def _add_dataset(connection: Statements, used: DatasetInput) -> str:
    """Keep the description of a dataset, once; returns its id."""
    import hashlib  # scripts that log datasets are few

    dataset = used.dataset
    columns = (
        dataset.name,
        dataset.digest,
        dataset.source_type,
        dataset.source,
        dataset.schema,
        dataset.profile,
    )
    dataset_id = hashlib.sha256(repr(columns).encode()).hexdigest()
    connection.execute(
        "INSERT INTO datasets (dataset_id, name, digest, source_type, source, schema, profile)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dataset_id) DO NOTHING",
        (dataset_id, *columns),
    )
    return dataset_id


def link_models(connection: Statements, number: int, direction: str, models: Iterable[ModelLink]) -> None:
    """Note that the run read logged models (``input``), or made them (``output``)."""
    connection.executemany(
        "INSERT INTO run_models (run_no, direction, model_id, step) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (run_no, direction, model_id) DO UPDATE SET step = excluded.step",
        [(number, direction, link.model_id, link.step) for link in models],
    )
