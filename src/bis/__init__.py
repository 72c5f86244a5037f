"""bis: run a machine-learning project, record all that decided the result, and run it again.

    import bis

    run = bis.run("https://host/user/repo", version="v1.2", parameters={"alpha": 0.5})
    print(run.status, run.metrics)

In a script, the functions of ``bis.client`` log to its run: ``bis.log_metric("loss", 0.2, step=1)``.

Errors are those of ``bis.errors``, and ``bis.TrackingError`` for what a script logs. What is not used is not
imported: ``import bis`` costs next to nothing.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bis._version import __version__

if TYPE_CHECKING:
    from typing import Any

    from bis.api import run
    from bis.backends.project_run import ProjectRun
    from bis.client import (
        ActiveRun,
        Experiment,
        RefusedError,
        Run,
        TrackingError,
        active_run,
        delete_tag,
        end_run,
        flush,
        get_metric_history,
        get_run,
        get_tracking_uri,
        last_active_run,
        log_artifact,
        log_artifacts,
        log_dict,
        log_figure,
        log_image,
        log_metric,
        log_metrics,
        log_param,
        log_params,
        log_table,
        log_text,
        search_runs,
        set_experiment,
        set_tag,
        set_tags,
        set_tracking_uri,
        start_run,
    )

__all__ = [
    "ActiveRun",
    "Experiment",
    "ProjectRun",
    "RefusedError",
    "Run",
    "TrackingError",
    "__version__",
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
    "run",
    "search_runs",
    "set_experiment",
    "set_tag",
    "set_tags",
    "set_tracking_uri",
    "start_run",
]


def __getattr__(name: str) -> Any:
    if name == "run":
        nested = sys.modules.get("bis_nested")  # in a script that bis runs: its runs belong to that one
        if nested is not None and nested.is_possible():
            return nested.run
        from bis.api import run

        return run
    if name == "ProjectRun":
        from bis.backends.project_run import ProjectRun

        return ProjectRun
    if name in __all__:
        import bis.client

        return getattr(bis.client, name)
    raise AttributeError(f"module 'bis' has no attribute {name!r}")


def _serve_home() -> tuple[str, str]:
    """For ``bis.client``, which imports nothing of the rest: address and token of a server over the home's store."""
    from bis.server.home_server import serve_home

    return serve_home()
