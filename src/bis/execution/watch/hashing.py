"""SHA-256 of files, remembered by what the file system says of them."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING

from bis.file_stamps import Stamp

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from bis.home import Home

_REMEMBERED_FROM_BYTES = 1 << 20  # smaller ones are hashed as fast as they are looked up
_SETTLED_NS = 2_000_000_000  # a file that changed just now may change again with the same time on it
_CHUNK = 1 << 20


class Hashes:
    """Hashes files; opens its cache in ``home.cache`` only when a large file comes."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._cache: sqlite3.Connection | None = None
        self._broken = False

    def of(self, path: str) -> tuple[str, Stamp] | None:
        """The hash and the stamp it holds for; None when the file cannot be read or changes while it is hashed."""
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (bytes that are no text, too)
                status = os.fstat(file.fileno())
                stamp = Stamp.of(status)
                known = self._recall(status) if stamp.size_bytes >= _REMEMBERED_FROM_BYTES else None
                if known is not None:
                    return known, stamp
                digest = hashlib.sha256()
                buffer = memoryview(bytearray(min(_CHUNK, stamp.size_bytes + 1)))
                while count := file.readinto(buffer):
                    digest.update(buffer[:count])
                if Stamp.of(os.fstat(file.fileno())) != stamp:
                    return None
        except OSError:
            return None
        if stamp.size_bytes >= _REMEMBERED_FROM_BYTES:
            self._remember(status, digest.hexdigest())
        return digest.hexdigest(), stamp

    def close(self) -> None:
        """Keep what was learned."""
        if self._cache is not None:
            self._cache.close()

    def _recall(self, status: os.stat_result) -> str | None:
        import sqlite3

        cache = self._open()
        if cache is None:
            return None
        try:
            row = cache.execute("SELECT sha256 FROM hashes WHERE key = ?", (_key(status),)).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else str(row[0])

    def _remember(self, status: os.stat_result, digest: str) -> None:
        import sqlite3

        cache = self._open()
        if cache is None or time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS:
            return
        try:
            cache.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?)", (_key(status), digest))
        except sqlite3.Error:  # full, locked, damaged: only a cache
            return

    def _open(self) -> sqlite3.Connection | None:
        import sqlite3  # only for large files

        if self._cache is None and not self._broken:
            try:
                self._cache = _connect(self._home.ensure(self._home.cache) / "hashes.db")
            except sqlite3.Error:
                self._broken = True
        return self._cache


def _connect(file: Path) -> sqlite3.Connection:
    import sqlite3

    cache = sqlite3.connect(file, timeout=5, isolation_level=None)
    cache.execute("PRAGMA synchronous = OFF")  # what a power failure damages is thrown away
    try:
        cache.execute(
            "CREATE TABLE IF NOT EXISTS hashes (key TEXT PRIMARY KEY, sha256 TEXT NOT NULL) WITHOUT ROWID"
        )
    except sqlite3.DatabaseError:
        cache.close()
        file.unlink(missing_ok=True)
        raise
    return cache


def _key(status: os.stat_result) -> str:
    """What says that a file is the same: its size and times, and its place on the disk."""
    parts = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)
    return " ".join(map(str, parts))
