"""The Source: where a project's code came from, and the directory in which it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from contextlib import ExitStack
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

Kind = Literal["directory", "git", "archive"]


@dataclass(frozen=True)
class LargeFile:
    """A file above the size limit of snapshots: known by its hash, not stored.

    ``path`` is relative to the root of the source, with ``/``.
    """

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """A project's code, ready to run.

    ``uri`` is what was asked for, without credentials; ``name`` what the tag ``mlflow.source.name`` says.
    ``root`` is the whole tree (of the repository, the archive, the directory), ``directory`` the project in
    it, and ``subdirectory`` the way from the one to the other ("" when they are the same). ``tree`` is the
    Git tree id of all that runs, uncommitted files included; None when there is no git to compute it.
    ``withheld`` names the untracked files that are not in the snapshot because they look like secrets.
    """

    uri: str
    name: str
    kind: Kind
    directory: Path
    root: Path
    subdirectory: str = ""
    version: str | None = None
    commit: str | None = None
    branch: str | None = None
    repo_url: str | None = None
    dirty: bool = False
    tree: str | None = None
    committed_at: datetime | None = None
    large_files: tuple[LargeFile, ...] = ()
    withheld: tuple[str, ...] = ()
    lease: ExitStack | None = field(default=None, repr=False, compare=False)

    def close(self) -> None:
        """Give a leased work tree back; its files must not be used any more."""
        if self.lease is not None:
            self.lease.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
