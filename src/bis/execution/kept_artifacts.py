"""What a run has as artifacts, in a word that says later whether they are all there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.tracking import Store


def artifact_words(store: Store, run_id: str) -> str | None:
    """Number and bytes of the run's own artifacts (``3 files, 1024 bytes``); None where they lie elsewhere.

    What bis keeps beside them (``bis/``) is written later too, and not counted.
    """
    from bis.tracking.sql_store import SqlStore

    if not isinstance(store, SqlStore):
        return None
    top = os.fspath(store.artifact_path(run_id))
    files = size = 0
    folders = [top]
    while folders:
        try:
            with os.scandir(folders.pop()) as listing:
                entries = list(listing)
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.path != f"{top}/bis":
                    folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                files, size = files + 1, size + entry.stat(follow_symlinks=False).st_size
    return f"{files} files, {size} bytes"
