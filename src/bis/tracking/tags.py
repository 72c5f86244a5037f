"""The tags that bis sets on a run, beside MLflow's own (``mlflow.*``)."""

from __future__ import annotations

PLAN_DIGEST = "bis.planDigest"
LOCK_DIGEST = "bis.lockDigest"
PYTHON = "bis.python"
"""The interpreter's full version."""
SOURCE_TREE = "bis.sourceTree"
"""The Git tree id of all that ran."""
EXIT_CODE = "bis.exitCode"
DURATION = "bis.durationSeconds"
"""From the start of the command to the end of its process group."""
ABANDONED = "bis.abandoned"
"""``true`` on a run whose bis was killed, and which a later bis marked FAILED."""
