"""The Plan: what will be executed, decided and written down before anything starts.

``prepare`` goes from a URI to a plan: source, project, parameters, environment. A ``Plan`` is one immutable
JSON document; its digest is the identity of the run.
"""

from __future__ import annotations

from bis.plans.plan import Plan, PlannedSource
from bis.plans.prepare import Prepared, Request, detect_environment, prepare

__all__ = ["Plan", "PlannedSource", "Prepared", "Request", "detect_environment", "prepare"]
