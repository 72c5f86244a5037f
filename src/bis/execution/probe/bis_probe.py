"""What bis does inside the user's interpreter, one subject a module.

Standard library only, Python 3.7 to 3.14, no import of the rest of bis, nothing heavy before it is needed.
"""

from __future__ import annotations

import bis_client_finder
import bis_kernels
import bis_lineage
import bis_mlflow
import bis_nested
import bis_seed
import bis_threads
import bis_watch


def install() -> None:
    """Install each part, in a process that belongs to a run of bis."""
    bis_lineage.install()  # first: the others ask for this process's place
    bis_seed.install()
    bis_threads.install()
    bis_kernels.install()
    bis_watch.install()
    bis_mlflow.install()
    bis_client_finder.install()
    bis_nested.install()
