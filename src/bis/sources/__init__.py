"""WHERE the code comes from: a path, a Git repository, an archive, brought into a directory that can be run.

``fetch`` gives a ``Source``; each has a snapshot, the Git tree id of all that runs, which ``restore`` puts
back. Nothing here ever writes into the user's directory or repository.
"""

from __future__ import annotations

from bis.sources.exclusions import is_generated, is_secret
from bis.sources.fetching import fetch
from bis.sources.membership import in_tree
from bis.sources.restoring import restore
from bis.sources.source import LargeFile, Source

__all__ = ["LargeFile", "Source", "fetch", "in_tree", "is_generated", "is_secret", "restore"]
