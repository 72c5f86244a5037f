"""Memory of results: a finished run that is taken instead of executing the same again.

``find`` looks for a run with the same plan whose inputs are still what they were. It would rather execute once more
than take a result that might be another today: what nobody saw, or nothing pins, is a reason not to take a run.
"""

from __future__ import annotations

from bis.reuse.finding import Decision, Policy, find
from bis.reuse.taking import TakenRun

__all__ = ["Decision", "Policy", "TakenRun", "find"]
