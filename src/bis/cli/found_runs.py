"""How found runs are printed: as a table that fits the terminal, as CSV, as JSON."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.cli.style import Style
    from bis.tracking import Run
    from bis.tracking.search_grammar import Identifier

_SHOWN_KEYS = 6
"""Metrics and parameters in a table when none are asked for."""
_CELL = 24
_ATTRIBUTES = (
    "run_id",
    "run_name",
    "status",
    "experiment_name",
    "experiment_id",
    "user_id",
    "start_time",
    "end_time",
    "lifecycle_stage",
    "artifact_uri",
)


def run_words(run: Run, experiments: dict[str, str]) -> dict[str, Any]:
    """A run as JSON: its attributes, and its latest metrics, parameters and tags by key."""
    attributes = {name: _attribute(run, name, experiments) for name in _ATTRIBUTES}
    metrics = {point.key: point.value for point in run.metrics}
    return {**attributes, "metrics": metrics, "params": run.params, "tags": run.tags}


def print_csv(runs: Sequence[Run], columns: Sequence[str], experiments: dict[str, str]) -> None:
    """Print the columns, or the attributes and every metric, parameter and tag there is."""
    import csv

    names = list(columns)
    if not names:
        keys = dict.fromkeys(key for run in runs for key in _keys(run))
        names = [*_ATTRIBUTES, *sorted(keys)]
    identifiers = [_identifier(name) for name in names]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    for run in runs:
        values = [value_of(run, identifier, experiments) for identifier in identifiers]
        writer.writerow(["" if value is None else value for value in values])


def print_table(
    runs: Sequence[Run], columns: Sequence[str], experiments: dict[str, str], *, mentioned: Sequence[str]
) -> None:
    """Print the columns, or what is usual, what the search mentions, and the commonest metrics and parameters."""
    from bis.cli.style import Style, table

    style = Style(sys.stdout)
    names = list(columns) or _usual(runs, mentioned)
    identifiers = [_identifier(name) for name in names]
    rows = [[_cell(value_of(run, one, experiments), one, style) for one in identifiers] for run in runs]
    heads = [_head(identifier) for identifier in identifiers]
    while not columns and style.columns and len(heads) > 5 and _width(heads, rows) > style.columns:
        heads, rows = heads[:-1], [row[:-1] for row in rows]
    flexible = [head for head in heads if head not in ("RUN", "STATUS", "STARTED", "ENDED")]
    print(table(heads, rows, style, flexible=flexible))


def value_of(run: Run, identifier: Identifier, experiments: dict[str, str]) -> Any:
    """What the run has there; None for what is missing."""
    if identifier.entity == "metric":
        return next((point.value for point in run.metrics if point.key == identifier.key), None)
    if identifier.entity == "param":
        return run.params.get(identifier.key)
    if identifier.entity == "tag":
        return run.tags.get(identifier.key)
    return _attribute(run, identifier.key, experiments)


def _attribute(run: Run, name: str, experiments: dict[str, str]) -> Any:
    if name == "run_name":
        return run.info.name
    if name == "experiment_name":
        return experiments.get(run.info.experiment_id, "")
    value = getattr(run.info, name)
    return value.value if name == "status" else value


def _identifier(name: str) -> Identifier:
    """What a column shows; refused when a run has nothing of that kind."""
    from bis.errors import UsageError, did_you_mean
    from bis.tracking.search_grammar import parse_order

    found = parse_order(name).identifier
    known = found.entity in ("metric", "param", "tag") or found.key in _ATTRIBUTES
    if found.entity == "dataset" or not known:
        hint = did_you_mean(found.key, _ATTRIBUTES) or f"There are {', '.join(_ATTRIBUTES)}."
        raise UsageError(f"there is no column {name!r}", hint=hint)
    return found


def _usual(runs: Sequence[Run], mentioned: Sequence[str]) -> list[str]:
    counts = Counter(key for run in runs for key in _keys(run) if not key.startswith("tags."))
    text = " ".join(mentioned)
    named = [key for key in counts if key.strip("`") in text]
    common = [key for key, _ in counts.most_common(_SHOWN_KEYS)]
    keys = list(dict.fromkeys([*named, *common]))[: max(_SHOWN_KEYS, len(named))]
    return ["run_id", "run_name", "status", "start_time", "experiment_name", *keys]


def _keys(run: Run) -> list[str]:
    """The metrics, parameters and tags of the run, as the search language names them."""
    metrics = [f"metrics.{_quoted(point.key)}" for point in run.metrics]
    params = [f"params.{_quoted(key)}" for key in run.params]
    return [*metrics, *params, *[f"tags.{_quoted(key)}" for key in run.tags]]


def _quoted(key: str) -> str:
    return f"`{key}`" if any(letter.isspace() or letter in "()<>=!,'\"" for letter in key) else key


def _head(identifier: Identifier) -> str:
    known = {"run_id": "RUN", "run_name": "NAME", "start_time": "STARTED", "end_time": "ENDED",
             "experiment_name": "EXPERIMENT"}  # fmt: skip
    if identifier.entity != "attribute":
        return identifier.key
    return known.get(identifier.key, identifier.key.upper())


def _cell(value: Any, identifier: Identifier, style: Style) -> str:
    from bis.cli.style import number, when

    if value is None:
        return ""
    if identifier.entity == "metric":
        return number(value)
    if identifier.entity == "attribute":
        if identifier.key == "run_id":
            return str(value)[:8]
        if identifier.key == "status":
            return style.status(value)
        if identifier.key in ("start_time", "end_time"):
            return when(value)
    text = " ".join(str(value).split())
    return text if len(text) <= _CELL or identifier.entity == "attribute" else f"{text[: _CELL - 1]}…"


def _width(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """The width of a table, in which a coloured status is as wide as its longest word."""
    widths = [max(len(head), *(len(row[place]) for row in rows)) for place, head in enumerate(heads)]
    return sum(min(width, _CELL) for width in widths) + 2 * (len(widths) - 1)
