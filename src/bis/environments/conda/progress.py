"""The progress of an installation, one line on a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAUSE_S = 0.1


class Progress:
    """Counts what rattler reports, from any of its threads: the methods are those of its InstallerReporter.

    It is drawn on ``stream``, and only counted without one.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.failed_scripts: list[str] = []
        """Packages whose script that follows linking has failed; rattler goes on then."""
        self._stream = stream
        self._lock = threading.Lock()
        self._total = self._done = self._bytes = 0
        self._by_download: dict[int, int] = {}
        self._drawn = 0.0
        self._scripts: list[str] = []

    def on_transaction_start(self, total_operations: int) -> None:
        """Learn how many packages there are."""
        self._total = total_operations

    def on_transaction_operation_complete(self, operation: int) -> None:  # noqa: ARG002  # rattler's words
        """Count a package."""
        with self._lock:
            self._done += 1
        self._draw()

    def on_download_progress(self, download_idx: int, progress: int, total: int | None) -> None:  # noqa: ARG002
        """Count bytes."""
        with self._lock:
            self._by_download[download_idx] = progress
            self._bytes = sum(self._by_download.values())
        self._draw()

    def on_post_link_start(self, package_name: str, script_path: str) -> int:  # noqa: ARG002
        """Remember whose script it is."""
        with self._lock:
            self._scripts.append(package_name)
            return len(self._scripts) - 1

    def on_post_link_complete(self, index: int, success: bool) -> None:
        """Note a failure."""
        if not success:
            self.failed_scripts.append(self._scripts[index])

    def _draw(self) -> None:
        now = time.monotonic()
        if self._stream is None or now - self._drawn < _PAUSE_S:
            return
        self._drawn = now
        got = f", {self._bytes / 1e6:.1f} MB" if self._bytes else ""
        plural = "" if self._total == 1 else "s"
        width = 24
        filled = width * self._done // self._total if self._total else 0
        bar = "#" * filled + "-" * (width - filled)
        self._stream.write(f"\r\033[K  [{bar}] {self._done} of {self._total} package{plural}{got}")
        self._stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._stream is not None:
            self._stream.write("\r\033[K")
            self._stream.flush()

    def _ignore(self, *_: object) -> int:
        return 0

    on_transaction_operation_start = on_populate_cache_start = on_validate_start = _ignore
    on_validate_complete = on_download_start = on_download_completed = on_populate_cache_complete = _ignore
    on_unlink_start = on_unlink_complete = on_link_start = on_link_complete = _ignore
    on_transaction_complete = on_pre_unlink_start = on_pre_unlink_complete = _ignore


@contextlib.contextmanager
def progress(*, show: bool) -> Iterator[Progress]:
    """Give what counts, and draws where there is a terminal to draw on."""
    found = Progress(sys.stderr if show and sys.stderr.isatty() else None)
    try:
        yield found
    finally:
        found.clear()
