"""Log from a script: MLflow's fluent functions, on nothing but the standard library (Python 3.7 to 3.14).

    import bis

    with bis.start_run(run_name="first"):
        bis.log_param("depth", 3)
        bis.log_metric("accuracy", 0.91, step=1)

In a script that bis runs, they log to its run, also where bis is not installed. Else to the server that
MLFLOW_TRACKING_URI or ``set_tracking_uri`` names, or to the store of the home. What goes wrong is a ``TrackingError``.

This package runs in the user's interpreter, and imports nothing of the rest of bis. The functions that few scripts
need are imported with their first use.
"""

from __future__ import annotations

from bis.client.active import ActiveRun
from bis.client.destination import get_tracking_uri, set_tracking_uri
from bis.client.errors import RefusedError, TrackingError
from bis.client.fluent import (
    active_run,
    delete_tag,
    end_run,
    flush,
    log_metric,
    log_metrics,
    log_param,
    log_params,
    set_tag,
    set_tags,
    start_run,
)

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import Any

    from bis.client.artifacts import log_artifact, log_artifacts, log_dict, log_text
    from bis.client.entities import Experiment, Run
    from bis.client.experiments import set_experiment
    from bis.client.pictures import log_figure, log_image
    from bis.client.search import get_metric_history, get_run, last_active_run, search_runs
    from bis.client.tables import log_table

__all__ = [
    "ActiveRun",
    "Experiment",
    "RefusedError",
    "Run",
    "TrackingError",
    "active_run",
    "delete_tag",
    "end_run",
    "flush",
    "get_metric_history",
    "get_run",
    "get_tracking_uri",
    "last_active_run",
    "log_artifact",
    "log_artifacts",
    "log_dict",
    "log_figure",
    "log_image",
    "log_metric",
    "log_metrics",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "search_runs",
    "set_experiment",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
]

_LATER = {
    "Experiment": "entities",
    "Run": "entities",
    "get_metric_history": "search",
    "get_run": "search",
    "last_active_run": "search",
    "log_artifact": "artifacts",
    "log_artifacts": "artifacts",
    "log_dict": "artifacts",
    "log_figure": "pictures",
    "log_image": "pictures",
    "log_table": "tables",
    "log_text": "artifacts",
    "search_runs": "search",
    "set_experiment": "experiments",
}


def __getattr__(name: str) -> Any:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError("module 'bis.client' has no attribute {!r}".format(name))
    from importlib import import_module

    found = getattr(import_module("bis.client." + module), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
