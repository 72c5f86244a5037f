"""The Plan: what will be executed, decided and written down before anything starts.

``prepare`` goes from a URI to a plan: source, project, parameters, environment. A ``Plan`` is one immutable
JSON document; its digest is the identity of the run.
"""

from __future__ import annotations

from bis.plans.again import prepare_again, with_level, with_parameters
from bis.plans.containers import NO_OPTIONS, ContainerOptions, choose_engine
from bis.plans.levels import LEVELS, Level
from bis.plans.plan import Plan, PlannedSource
from bis.plans.prepare import Prepared, Request, as_of_source, detect_environment, lock_for, prepare
from bis.plans.seeds import chosen_level, chosen_seed, read_level, read_seed
from bis.plans.variables import core_count, decides

__all__ = [
    "LEVELS",
    "NO_OPTIONS",
    "ContainerOptions",
    "Level",
    "Plan",
    "PlannedSource",
    "Prepared",
    "Request",
    "as_of_source",
    "choose_engine",
    "chosen_level",
    "chosen_seed",
    "core_count",
    "decides",
    "detect_environment",
    "lock_for",
    "prepare",
    "prepare_again",
    "read_level",
    "read_seed",
    "with_level",
    "with_parameters",
]
