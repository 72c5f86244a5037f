"""What an observer of system calls notes, in the form in which the probe reports."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

from bis.execution.watch.places import SYSTEM_FOLDERS

if TYPE_CHECKING:
    from pathlib import Path

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_NOT_A_FILE = os.O_DIRECTORY | getattr(os, "O_PATH", 0)
_FILE = "0-trace.jsonl"


class Notes:
    """Notes each thing once; ``passed_over`` are folders whose files need no word."""

    def __init__(self, passed_over: tuple[str, ...] = ()) -> None:
        self._passed_over = (*SYSTEM_FOLDERS, *passed_over)
        self._read: dict[str, dict[str, int]] = {}
        self._written: set[str] = set()
        self._connected: set[tuple[str, int]] = set()
        self._executed: dict[tuple[int, str], list[str]] = {}

    def opened(self, path: str, flags: int) -> None:
        """A file is about to be opened with the flags of open(2)."""
        if flags & _NOT_A_FILE or path.startswith(self._passed_over) or path in self._written:
            return
        if not flags & _WRITING:
            self._reads(path)
            return
        if flags & os.O_RDWR and not flags & os.O_TRUNC:
            self._reads(path)
        self._written.add(path)

    def read(self, path: str) -> None:
        """A file was opened to be read, nobody knows in what state."""
        if not path.startswith(self._passed_over) and path not in self._written:
            self._read.setdefault(path, {})

    def written(self, path: str) -> None:
        """A file came to be under this name."""
        if not path.startswith(self._passed_over):
            self._written.add(path)

    def executed(self, pid: int, argv: list[str]) -> None:
        """A process becomes another program; only the last one counts."""
        self._executed[pid, _start_time(pid)] = argv

    def connected(self, host: str, port: int) -> None:
        """A process connects to an address."""
        self._connected.add((host, port))

    def write(self, report: Path) -> None:
        """Put all of it beside the reports of the processes."""
        lines: list[dict[str, Any]] = [
            *({"kind": "read", "path": path, **stamp} for path, stamp in self._read.items()),
            *({"kind": "write", "path": path} for path in self._written),
            *({"kind": "connect", "host": host, "port": str(port)} for host, port in self._connected),
            *({"kind": "exec", "pid": pid, "argv": argv} for (pid, _), argv in self._executed.items()),
        ]
        (report / _FILE).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")

    def _reads(self, path: str) -> None:
        if path in self._read:
            return
        try:
            status = os.stat(path)  # noqa: PTH116 (text is what it is, and many)
        except OSError:
            return
        if stat.S_ISREG(status.st_mode):
            self._read[path] = {
                "size": status.st_size,
                "mtime_ns": status.st_mtime_ns,
                "ctime_ns": status.st_ctime_ns,
                "inode": status.st_ino,
            }


def _start_time(pid: int) -> str:
    """When the process was started, which tells it from a later one of the same number."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
