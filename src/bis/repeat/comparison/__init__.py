"""Whether two runs came to the same result: exactly, in value, within a tolerance, or not.

``compare_runs`` holds two recorded runs against each other, ``compare_rounds`` the rounds of a verification. Both are
pure: they read what ``RecordedRun`` gives and write nothing. Which comparer knows which format is the table in
``formats``; what is left aside, and why, are the tables in ``volatile``.
"""

from __future__ import annotations

from bis.repeat.comparison.comparing import compare_rounds, compare_runs
from bis.repeat.comparison.tolerance import Bounds, Tolerance
from bis.repeat.comparison.verdicts import Comparison, Difference, Verdict

__all__ = [
    "Bounds",
    "Comparison",
    "Difference",
    "Tolerance",
    "Verdict",
    "compare_rounds",
    "compare_runs",
]
