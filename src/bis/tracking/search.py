"""From a search to SQL: what each subject can be searched by, the conditions, the order, and the pages.

Semantics are MLflow's: a metric is its latest value, a key that is missing never matches (``!=`` neither),
NaN matches only ``!=``, and what is missing sorts last in both directions.
"""

# ruff: noqa: S608  values are parameters of the queries; only our own names are put into them
from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from bis.errors import did_you_mean
from bis.tracking.model import Page
from bis.tracking.refusals import invalid
from bis.tracking.search_grammar import Comparison, Identifier, parse_filter, parse_order, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

CONTEXT_TAG = "mlflow.data.context"


@dataclass(frozen=True)
class Query:
    """The parts of a SELECT over a subject; the parameters of joins come before those of the condition."""

    where: str
    parameters: tuple[object, ...]
    joins: str
    join_parameters: tuple[object, ...]
    order: str


@dataclass(frozen=True)
class Pairs:
    """A table of keys and values that belongs to a subject; numbers may be NaN, keys may be ids of
    ``metric_keys``.
    """

    table: str
    on: str
    numbers: bool = False
    interned: bool = False

    def key(self, alias: str) -> str:
        """The condition that a row has the key, which is its parameter."""
        if self.interned:
            return f"{alias}.key_id = (SELECT key_id FROM metric_keys WHERE key = ?)"
        return f"{alias}.key = ?"


@dataclass(frozen=True)
class Subject:
    """Something that can be searched: its attributes by column, and the tables of its tags, parameters,
    metrics.
    """

    texts: dict[str, str]
    numbers: dict[str, str]
    pairs: dict[str, Pairs]
    last_order: str
    has_datasets: bool = False
    missing_tag_differs: bool = False

    def column(self, attribute: str) -> str | None:
        """The SQL column of an attribute; None when there is no such attribute."""
        return self.texts.get(attribute) or self.numbers.get(attribute)


_RUN_START = dict.fromkeys(("start_time", "created", "Created"), "r.start_time")
_RUN_NAME = dict.fromkeys(("run_name", "run name", "Run name", "Run Name"), "r.name")
_MODEL_TIMES = {
    **dict.fromkeys(
        ("creation_timestamp", "creation_time", "creation_timestamp_ms"), "m.creation_timestamp_ms"
    ),
    **dict.fromkeys(
        ("last_updated_timestamp", "last_updated_time", "last_updated_timestamp_ms"),
        "m.last_updated_timestamp_ms",
    ),
}

_LATEST_OF_MODELS = (
    "(SELECT p.* FROM (SELECT q.*, row_number() OVER (PARTITION BY model_id, key ORDER BY step DESC,"
    " timestamp DESC)"
    " AS place FROM logged_model_metrics q) p WHERE p.place = 1)"
)

SUBJECTS = {
    "runs": Subject(
        texts={
            "run_id": "r.run_id",
            **_RUN_NAME,
            "status": "r.status",
            "user_id": "r.user_id",
            "artifact_uri": "r.artifact_uri",
        },
        numbers={**_RUN_START, "end_time": "r.end_time"},
        pairs={
            "metric": Pairs("latest", "x.run_no = r.run_no", numbers=True, interned=True),
            "param": Pairs("params", "x.run_no = r.run_no"),
            "tag": Pairs("tags", "x.run_no = r.run_no"),
        },
        last_order="r.start_time DESC, r.run_id",
        has_datasets=True,
    ),
    "experiments": Subject(
        texts={"name": "experiments.name", "experiment_id": "CAST(experiments.experiment_id AS TEXT)"},
        numbers={
            "creation_time": "experiments.creation_time",
            "last_update_time": "experiments.last_update_time",
        },
        pairs={"tag": Pairs("experiment_tags", "x.experiment_id = experiments.experiment_id")},
        last_order="experiments.creation_time DESC, experiments.experiment_id DESC",
    ),
    "logged_models": Subject(
        texts={name: f"m.{name}" for name in ("name", "model_id", "model_type", "status", "source_run_id")},
        numbers=_MODEL_TIMES,
        pairs={
            "metric": Pairs(_LATEST_OF_MODELS, "x.model_id = m.model_id", numbers=True),
            "param": Pairs("logged_model_params", "x.model_id = m.model_id"),
            "tag": Pairs("logged_model_tags", "x.model_id = m.model_id"),
        },
        last_order="m.creation_timestamp_ms DESC, m.model_id",
    ),
    "registered_models": Subject(
        texts={"name": "m.name"},
        numbers={
            "creation_timestamp": "m.creation_time",
            "last_updated_timestamp": "m.last_updated_time",
            "timestamp": "m.last_updated_time",
        },
        pairs={"tag": Pairs("registered_model_tags", "x.name = m.name")},
        last_order="m.name",
        missing_tag_differs=True,  # clients since 2.21 ask for models without a tag by `!=`
    ),
    "model_versions": Subject(
        texts={"name": "m.name", "run_id": "m.run_id", "source_path": "m.source"},
        numbers={
            "version_number": "m.version",
            "version": "m.version",
            "creation_timestamp": "m.creation_time",
            "last_updated_timestamp": "m.last_updated_time",
        },
        pairs={"tag": Pairs("model_version_tags", "x.name = m.name AND x.version = m.version")},
        last_order="m.last_updated_time DESC, m.name, m.version DESC",
        missing_tag_differs=True,
    ),
}


def compiled(subject_name: str, text: str, order_by: Sequence[str] = ()) -> Query:
    """The SQL of a search over one of ``SUBJECTS``; refused with the column of the mistake."""
    subject = SUBJECTS[subject_name]
    conditions, parameters = [], list[object]()
    for comparison in parse_filter(text):
        condition, values = _condition(subject, comparison, text)
        conditions.append(condition)
        parameters += values
    joins, join_parameters, order = _ordered(subject, order_by)
    return Query(" AND ".join(conditions), tuple(parameters), joins, join_parameters, order)


def page_offset(token: str | None) -> int:
    """Where the page begins that the token asks for."""
    if not token:
        return 0
    try:
        offset = json.loads(base64.b64decode(token, validate=True))["offset"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise invalid("Invalid page token, decoded from base64: it was not made by this server") from error
    if not isinstance(offset, int) or not 0 <= offset < 2**62:
        raise invalid("Invalid page token, decoded from base64: it was not made by this server")
    return offset


def paged(rows: Sequence[T], max_results: int, offset: int) -> Page[T]:
    """The page of ``rows``, which hold one more than fits when there is another page."""
    if len(rows) <= max_results:
        return Page(tuple(rows))
    token = base64.b64encode(json.dumps({"offset": offset + max_results}).encode()).decode()
    return Page(tuple(rows[:max_results]), token)


def _condition(subject: Subject, comparison: Comparison, text: str) -> tuple[str, list[object]]:
    name = comparison.identifier
    if name.entity == "attribute":
        column = _attribute(subject, name, "filter", text)
        if name.key in subject.numbers:
            return _number(column, comparison, text)
        return _text(column, comparison, text)
    if name.entity == "dataset" and subject.has_datasets:
        return _dataset(comparison, text)
    pairs = subject.pairs.get(name.entity)
    if pairs is None:
        refuse("filter", text, name.column, f"a {name.entity} is nothing that can be searched here")
    return _pair(subject, pairs, comparison, text)


def _attribute(subject: Subject, name: Identifier, what: str, text: str) -> str:
    column = subject.column(name.key)
    if column is None:
        known = [*subject.texts, *subject.numbers]
        hint = did_you_mean(name.key, known) or f"Known: {', '.join(known)}."
        refuse(what, text, name.column, f"there is no attribute {name.key!r}. {hint}")
    return column


def _pair(subject: Subject, pairs: Pairs, comparison: Comparison, text: str) -> tuple[str, list[object]]:
    found = f"EXISTS (SELECT 1 FROM {pairs.table} x WHERE {pairs.on} AND {pairs.key('x')}"
    name = comparison.identifier.key
    if comparison.operator in ("IS NULL", "IS NOT NULL"):
        return f"{'NOT ' if comparison.operator == 'IS NULL' else ''}{found})", [name]
    if pairs.numbers:
        condition, values = _number("x.value", comparison, text)
        either = "x.is_nan = 1 OR" if comparison.operator == "!=" else "x.is_nan = 0 AND"
        return f"{found} AND ({either} {condition}))", [name, *values]
    if comparison.operator == "!=" and subject.missing_tag_differs:
        condition, values = _text(
            "x.value", Comparison(comparison.identifier, "=", comparison.values, 0), text
        )
        return f"NOT {found} AND {condition})", [name, *values]
    condition, values = _text("x.value", comparison, text)
    return f"{found} AND {condition})", [name, *values]


def _dataset(comparison: Comparison, text: str) -> tuple[str, list[object]]:
    name = comparison.identifier
    if name.key in ("name", "digest"):
        table, column = "inputs x JOIN datasets d ON d.dataset_id = x.dataset_id", f"d.{name.key}"
    elif name.key == "context":
        table, column = f"(SELECT * FROM input_tags WHERE key = '{CONTEXT_TAG}') x", "x.value"
    else:
        refuse("filter", text, name.column, f"a dataset has name, digest and context, but no {name.key!r}")
    condition, values = _text(column, comparison, text)
    return f"EXISTS (SELECT 1 FROM {table} WHERE x.run_no = r.run_no AND {condition})", values


def _number(column: str, comparison: Comparison, text: str) -> tuple[str, list[object]]:
    values: list[object] = []
    for value in comparison.values:
        if isinstance(value, str):
            refuse(
                "filter", text, comparison.column, f"{comparison.identifier.key} is compared with a number"
            )
        values.append(float(value) if isinstance(value, int) and abs(value) >= 2**63 else value)
    if comparison.operator in ("LIKE", "ILIKE"):
        refuse("filter", text, comparison.column, f"{comparison.operator} is for texts")
    return _plain(column, comparison, values)


def _text(column: str, comparison: Comparison, text: str) -> tuple[str, list[object]]:
    values: list[object] = []
    for value in comparison.values:
        if not isinstance(value, str):
            key = comparison.identifier.key
            refuse("filter", text, comparison.column, f"{key} is compared with a text: put it in quotes")
        values.append(value)
    if comparison.operator in (">", ">=", "<", "<="):
        refuse("filter", text, comparison.column, f"{comparison.operator} is for numbers")
    if comparison.operator == "LIKE":
        return f"{column} GLOB ?", [_glob(str(values[0]))]  # SQLite's LIKE does not know case
    if comparison.operator == "ILIKE":
        return f"{column} LIKE ?", values
    return _plain(column, comparison, values)


def _plain(column: str, comparison: Comparison, values: list[object]) -> tuple[str, list[object]]:
    if comparison.operator in ("IN", "NOT IN"):
        return f"{column} {comparison.operator} ({','.join('?' * len(values))})", values
    if comparison.operator in ("IS NULL", "IS NOT NULL"):
        return f"{column} {comparison.operator}", []
    return f"{column} {comparison.operator} ?", values


def _glob(pattern: str) -> str:
    """A LIKE pattern in the words of GLOB, which knows case."""
    words = {"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"}
    return "".join(words.get(letter, letter) for letter in pattern)


def _ordered(subject: Subject, order_by: Sequence[str]) -> tuple[str, tuple[object, ...], str]:
    joins, parameters, orders = list[str](), list[object](), list[str]()
    seen: set[tuple[str, str]] = set()
    for number, text in enumerate(order_by):
        order = parse_order(text)
        name, way = order.identifier, "ASC" if order.ascending else "DESC"
        if (name.entity, name.key) in seen:
            raise invalid(f"`order_by` contains duplicate fields: {name.key!r}")
        seen.add((name.entity, name.key))
        if name.entity == "attribute":
            column = _attribute(subject, name, "order_by", text)
            orders.append(f"{column} IS NULL, {column} {way}")
            continue
        pairs = subject.pairs.get(name.entity)
        if pairs is None:
            refuse("order_by", text, name.column, f"nothing can be ordered by a {name.entity} here")
        join, order_text = _joined(pairs, f"o{number}", way)
        joins.append(join)
        orders.append(order_text)
        parameters.append(name.key)
    return " ".join(joins), tuple(parameters), ", ".join([*orders, subject.last_order])


def _joined(pairs: Pairs, alias: str, way: str) -> tuple[str, str]:
    on = pairs.on.replace("x.", f"{alias}.")
    join = f"LEFT JOIN {pairs.table} {alias} ON {on} AND {pairs.key(alias)}"
    if pairs.numbers:  # values, then NaN, then runs without the metric
        missing = f"CASE WHEN {alias}.value IS NULL THEN 2 ELSE {alias}.is_nan END"
    else:
        missing = f"{alias}.value IS NULL"
    return join, f"{missing}, {alias}.value {way}"
