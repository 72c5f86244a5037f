"""BIS_HOME: the one directory in which bis keeps its data, and the names of what lies there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bis.errors import HomeError


@dataclass(frozen=True)
class Home:
    """The layout of BIS_HOME. Nothing here touches the disk but ``ensure``."""

    root: Path

    @classmethod
    def locate(cls) -> Home:
        """The home named by ``BIS_HOME``, else the platform's user data directory, ``bis``."""
        named = os.environ.get("BIS_HOME")
        if named:
            return cls(Path(named).expanduser().absolute())
        from platformdirs import user_data_path  # only when BIS_HOME is not set

        return cls(user_data_path("bis", appauthor=False))

    @property
    def database(self) -> Path:
        """The SQLite file of the tracking store."""
        return self.root / "tracking.db"

    @property
    def artifacts(self) -> Path:
        """Artifacts: ``<experiment id>/<run id>/artifacts/...``."""
        return self.root / "artifacts"

    @property
    def snapshots(self) -> Path:
        """Git objects of source trees (a bare object store), and the indexes that make them quick."""
        return self.root / "snapshots"

    @property
    def repositories(self) -> Path:
        """One bare Git cache per remote, and work trees by commit."""
        return self.root / "repositories"

    @property
    def archives(self) -> Path:
        """Unpacked zip and tar archives, by content."""
        return self.root / "archives"

    @property
    def locks(self) -> Path:
        """Locks of environments, by what they were resolved from."""
        return self.root / "locks"

    @property
    def environments(self) -> Path:
        """Environments, by the digest of their lock."""
        return self.root / "environments"

    @property
    def running(self) -> Path:
        """One directory for each run that has not ended: its log, downloads, and the lock that shows it lives."""
        return self.root / "running"

    @property
    def reruns(self) -> Path:
        """Source trees restored to execute a run again, one directory a rerun."""
        return self.root / "reruns"

    @property
    def cache(self) -> Path:
        """What can be deleted at any time."""
        return self.root / "cache"

    def ensure(self, directory: Path | None = None) -> Path:
        """Make ``directory`` (default: the root) and its parents; raise HomeError when that cannot be."""
        wanted = directory or self.root
        try:
            wanted.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise HomeError(
                f"cannot make {wanted}: {error.strerror}",
                hint="Set BIS_HOME to a directory that you can write to.",
            ) from error
        return wanted
