"""Pipelines: an entry point that comes after others (``after``) is run with all that it needs, in order.

``start`` runs an entry point, alone or as a pipeline: one run that the steps are nested under. Steps that do not
need each other run at the same time; a step whose inputs are the same as in a finished run is not executed; what
needs a step that failed is not run.
"""

from __future__ import annotations

from bis.pipelines.starting import PipelineOptions, start

__all__ = ["PipelineOptions", "start"]
