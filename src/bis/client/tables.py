"""Tables as files of a run, in the layout of MLflow, which its pages and ``load_table`` read."""

from __future__ import annotations

import json

from bis.client import active
from bis.client.artifacts import ArtifactFolder, checked_path
from bis.client.errors import RefusedError
from bis.client.fluent import owner_of

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

_TAG = "mlflow.loggedArtifacts"


def log_table(data: Any, artifact_file: str, run_id: str | None = None) -> None:
    """Keep a table as a ``.json`` file of the run; when there is one already, its rows come first.

    ``data`` is a dictionary of columns, a list of rows (dictionaries), or a pandas.DataFrame. A cell that a table
    lacks is null.
    """
    path = checked_path(artifact_file, is_file=True)
    if not path.endswith(".json"):
        raise RefusedError(
            "a table is kept in a .json file, not in {!r}".format(path), "INVALID_PARAMETER_VALUE"
        )
    folder = ArtifactFolder.of(run_id)
    columns, rows = _table(data)
    before = folder.read(path)
    if before is not None:
        columns, rows = _appended(json.loads(before), columns, rows)
    folder.write(path, _document(columns, rows))
    _note_table(run_id, path)


def _table(data: Any) -> tuple[list[str], list[list[Any]]]:
    """Columns and rows of what the caller has."""
    if hasattr(data, "to_json") and hasattr(data, "columns"):
        split = json.loads(data.to_json(orient="split", date_format="iso"))
        return [str(name) for name in split["columns"]], split["data"]
    if hasattr(data, "keys"):
        return _of_columns(data)
    rows = list(data)
    if not all(hasattr(row, "keys") for row in rows):
        raise TypeError("a table is a dictionary of columns, a list of rows, or a pandas.DataFrame")
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    return names, [[row.get(name) for name in names] for row in rows]


def _of_columns(data: Any) -> tuple[list[str], list[list[Any]]]:
    """A dictionary of columns, or one row: single values."""
    columns = {str(name): _cells(values) for name, values in data.items()}
    if all(cells is None for cells in columns.values()):
        return list(columns), [list(data.values())]
    most = max(len(cells) for cells in columns.values() if cells is not None)
    filled = {name: [data[name]] * most if cells is None else cells for name, cells in columns.items()}
    if any(len(cells) != most for cells in filled.values()):
        raise ValueError("the columns of a table have one length, not " + _lengths(filled))
    return list(filled), [list(row) for row in zip(*filled.values())]


def _cells(values: Any) -> list[Any] | None:
    """The cells of a column; None for a single value."""
    if isinstance(values, (str, bytes)) or hasattr(values, "keys") or not hasattr(values, "__iter__"):
        return None
    return list(values)


def _lengths(columns: dict[str, list[Any]]) -> str:
    return ", ".join("{}: {}".format(name, len(cells)) for name, cells in columns.items())


def _appended(
    before: dict[str, Any], columns: list[str], rows: Iterable[list[Any]]
) -> tuple[list[str], list[list[Any]]]:
    """The rows of before, then the new ones, each under its column."""
    names = [str(name) for name in before["columns"]]
    every = list(dict.fromkeys([*names, *columns]))
    old = [dict(zip(names, row)) for row in before["data"]]
    new = [dict(zip(columns, row)) for row in rows]
    return every, [[row.get(name) for name in every] for row in [*old, *new]]


def _document(columns: list[str], rows: list[list[Any]]) -> bytes:
    cells = [[_cell(value) for value in row] for row in rows]
    return json.dumps({"columns": columns, "data": cells}, default=_plain, allow_nan=False).encode("utf-8")


def _cell(value: Any) -> Any:
    """NaN and the infinities are no JSON: null, as pandas writes them."""
    value = value.item() if hasattr(value, "item") and getattr(value, "shape", None) == () else value
    return None if isinstance(value, float) and value - value != 0 else value


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _note_table(run_id: str | None, path: str) -> None:
    """The tag by which MLflow's pages find the tables of a run."""
    server, where = active.current().owner if run_id is None else owner_of(run_id)
    tags = server.get("mlflow/runs/get", run_id=where)["run"].get("data", {}).get("tags", ())
    known = json.loads(next((tag["value"] for tag in tags if tag["key"] == _TAG), "[]"))
    entry = {"path": path, "type": "table"}
    if entry not in known:
        body = {"run_id": where, "tags": [{"key": _TAG, "value": json.dumps([*known, entry])}]}
        server.post("mlflow/runs/log-batch", body)
