"""Executes a plan on this machine: process group, signals, output, probe, record.

The command runs in a process group of its own, with the environment active and an MLflow tracking server of its
own on loopback. However it ends, the group ends as a whole and the run is never left RUNNING.
"""

from __future__ import annotations

from bis.execution.execution import Execution, Options, Outcome
from bis.execution.output import Streams
from bis.execution.record import Record
from bis.execution.tracked import Placement, check_placement
from bis.execution.variables import read_env_file

__all__ = [
    "Execution",
    "Options",
    "Outcome",
    "Placement",
    "Record",
    "Streams",
    "check_placement",
    "read_env_file",
]
