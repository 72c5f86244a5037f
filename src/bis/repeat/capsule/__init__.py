"""The capsule: a run packed as one zip, a Process Run Crate, from which it is executed again where it was never seen.

Importing one executes nothing. All digests are checked first, and code that came from elsewhere waits for the user's
yes (``must_consent``).
"""

from __future__ import annotations

from bis.repeat.capsule.exporting import Exported, export_capsule
from bis.repeat.capsule.importing import ImportedCapsule, consent, import_capsule, must_consent
from bis.repeat.capsule.inputs import packed_input
from bis.repeat.capsule.layout import CapsuleError

__all__ = [
    "CapsuleError",
    "Exported",
    "ImportedCapsule",
    "consent",
    "export_capsule",
    "import_capsule",
    "must_consent",
    "packed_input",
]
