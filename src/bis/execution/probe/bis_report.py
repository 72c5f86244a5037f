"""The file in which one process of a run reports, in the directory ``BIS_REPORT``: one JSON object a line.

It holds no descriptor that the program could take for its own. Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any

MOST = 100_000  # things said by one process, so that a program that makes files without end fills no disk


class Report:
    """The file of one process. Each line is one write, so a process that is killed loses nothing."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._pid = -1
        self._descriptor = -1
        self._left = MOST
        self._open()

    def say(self, kind: str, **values: Any) -> None:
        """Write one line; after the last that there is room for, nothing more."""
        if self._left <= 0:
            return
        self._left -= 1
        if not self._left:
            kind, values = "cut", {}
        if self._pid != os.getpid():  # a child that no Python function made: os.fork in a C extension
            self._open()
        words = ['{"kind":"' + kind + '"']
        words.extend('"' + name + '":' + _json(value) for name, value in values.items())
        line = (",".join(words) + "}\n").encode("ascii")
        try:
            os.write(self._descriptor, line)
        except OSError:  # the program has closed all descriptors, as daemons do
            self._open()
            os.write(self._descriptor, line)

    def reopen(self) -> None:
        """In a child: write to a file of its own."""
        try:
            os.close(self._descriptor)
        except OSError:
            pass
        self._open()

    def _open(self) -> None:
        self._pid = os.getpid()
        name = "{}/{}-{}.jsonl".format(self._directory, self._pid, os.urandom(4).hex())
        self._descriptor = _raised(
            os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        )


def _raised(descriptor: int) -> int:
    """The descriptor under a high number: a program that closes all and opens anew is never given it again."""
    try:
        import fcntl
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        high = 900 if limit < 0 else min(900, limit - 10)
        if high <= descriptor:
            return descriptor
        raised: int = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, high)
    except (ImportError, OSError, ValueError):
        return descriptor
    os.close(descriptor)
    return raised


def _json(value: Any) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, int):
        return str(value)
    return "[" + ",".join(map(_json, value)) + "]"


try:  # the json module itself would add to the start of every process
    from _json import encode_basestring_ascii as _quoted
except ImportError:
    from json import dumps as _quoted
