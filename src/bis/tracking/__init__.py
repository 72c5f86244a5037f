"""Tracking: experiments, runs, metrics, parameters, tags and artifacts, in a file or on an MLflow server.

``open_store`` gives a ``Store``: the SQLite database and artifact directory of a home, or any server that
speaks MLflow's REST protocol.
"""

from bis.tracking.artifact_uris import resolve_artifact_uri
from bis.tracking.model import (
    Dataset,
    DatasetInput,
    Experiment,
    FileInfo,
    Metric,
    ModelLink,
    Page,
    Param,
    Run,
    RunInfo,
    RunStatus,
    RunSummary,
    Tag,
    View,
)
from bis.tracking.refusals import RefusedError
from bis.tracking.store import Store, open_callers_store, open_store

__all__ = [
    "Dataset",
    "DatasetInput",
    "Experiment",
    "FileInfo",
    "Metric",
    "ModelLink",
    "Page",
    "Param",
    "RefusedError",
    "Run",
    "RunInfo",
    "RunStatus",
    "RunSummary",
    "Store",
    "Tag",
    "View",
    "open_callers_store",
    "open_store",
    "resolve_artifact_uri",
]
