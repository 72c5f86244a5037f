"""What a run read, wrote, started and connected to, put together after it has ended.

The probe reports from within each Python process (``probe/bis_watch.py``); ``tracing`` sees every program when that
is asked for. ``collect`` merges the reports, decides where each file belongs, and hashes what nothing else pins.
"""

from __future__ import annotations

from bis.execution.watch.collecting import Watched, collect
from bis.execution.watch.files import FileUse
from bis.execution.watch.host import fingerprint
from bis.execution.watch.network import HostUse
from bis.execution.watch.observers import AUDIT_HOOK, Observer
from bis.execution.watch.processes import ProcessUse

__all__ = [
    "AUDIT_HOOK",
    "FileUse",
    "HostUse",
    "Observer",
    "ProcessUse",
    "Watched",
    "collect",
    "fingerprint",
]
