"""Logs of JSON lines: one write a line, so that several processes may share a file and none is cut."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bis.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_COMPLAIN_EVERY_S = 60.0


class JsonLines:
    """A file, or standard output for ``-``, that gets one JSON object a line.

    JSON escapes line ends, so no value can forge a line. A line that cannot be written is counted in ``lost`` and
    told of once a minute: what was asked has been done by then. Raises UsageError when the file cannot be opened.
    """

    def __init__(self, name: str, notify: Callable[[str], None]) -> None:
        self._name, self._notify = name, notify
        self._complained = float("-inf")
        self.lost = 0
        try:
            self._descriptor = self._open()
        except OSError as error:
            raise UsageError(
                f"cannot write the log {name}: {error.strerror}",
                hint="Name a file that this user can write, with --audit or --access-log.",
            ) from error

    def write(self, entry: Mapping[str, object]) -> None:
        """Append one line."""
        line = json.dumps(entry, separators=(",", ":")).encode() + b"\n"
        try:
            written = os.write(self._descriptor, line)
            if written < len(line):
                os.write(self._descriptor, line[written:])
        except OSError as error:
            self.lost += 1
            self._complain(error)

    def reopen(self) -> None:
        """Go on in a new file of that name: the old one was moved away by a rotation."""
        if self._name == "-":
            return
        try:
            fresh = self._open()
        except OSError as error:
            self._complain(error)
            return
        os.close(self._descriptor)
        self._descriptor = fresh

    def close(self) -> None:
        """Give the file back."""
        if self._name != "-":
            os.close(self._descriptor)

    def _open(self) -> int:
        if self._name == "-":
            return sys.stdout.fileno()
        Path(self._name).parent.mkdir(parents=True, exist_ok=True)
        return os.open(self._name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _complain(self, error: OSError) -> None:
        now = time.monotonic()
        if now - self._complained >= _COMPLAIN_EVERY_S:
            self._complained = now
            self._notify(f"cannot write to {self._name}: {error.strerror}; {self.lost} lines were lost")


def moment() -> str:
    """The time as logs have it: ``2026-05-01T12:00:00.123Z``."""
    now = time.time_ns() // 1_000_000
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now // 1000))}.{now % 1000:03}Z"
