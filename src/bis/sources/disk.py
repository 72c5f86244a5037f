"""What lies at a path below one root. Paths are bytes, relative, with ``/``: a file name need not be text."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from enum import Enum

from bis.errors import SourceError
from bis.file_stamps import Stamp


class Kind(Enum):
    """What a snapshot makes of a path."""

    FILE = "file"
    LINK = "link"
    REPOSITORY = "repository"


@dataclass(frozen=True)
class Disk:
    """The files below ``root``. Directories are remembered, so an instance serves for one look around."""

    root: bytes
    _links: dict[bytes, bool] = field(default_factory=dict)

    def place(self, path: bytes) -> bytes:
        """The absolute form of ``path``."""
        return os.path.join(self.root, path)  # noqa: PTH118 - bytes

    def status(self, path: bytes) -> os.stat_result | None:
        """What the file system says of ``path``, links not followed; None when there is nothing."""
        try:
            return os.lstat(self.place(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise unreadable(path, error) from error

    def stamp(self, path: bytes) -> Stamp | None:
        """The stamp of the file at ``path``."""
        status = self.status(path)
        return Stamp.of(status) if status else None

    def kind(self, path: bytes, status: os.stat_result | None) -> Kind | None:
        """What ``path`` is to a snapshot; None when it does not enter: it is gone, or lies behind a link."""
        if status is None or self._is_behind_link(path):
            return None
        if stat.S_ISREG(status.st_mode):
            return Kind.FILE
        if stat.S_ISLNK(status.st_mode):
            return Kind.LINK
        if stat.S_ISDIR(status.st_mode) and os.path.lexists(self.place(path.rstrip(b"/") + b"/.git")):
            return Kind.REPOSITORY
        return None

    def _is_behind_link(self, path: bytes) -> bool:
        parent = path.rstrip(b"/").rpartition(b"/")[0]
        if not parent:
            return False
        known = self._links.get(parent)
        if known is None:
            status = self.status(parent)
            is_link = status is not None and stat.S_ISLNK(status.st_mode)
            known = self._links[parent] = is_link or self._is_behind_link(parent)
        return known


def unreadable(path: bytes, error: OSError) -> SourceError:
    """The error for a file that cannot be read into a snapshot."""
    return SourceError(
        f"cannot read {os.fsdecode(path)!r} for the snapshot: {error.strerror}",
        hint="Make the file readable, or name it in .gitignore.",
    )
