"""What the command writes: shown as it comes, and kept."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 65536


@dataclass(frozen=True)
class Streams:
    """The file descriptors on which the command's output is shown; None shows nothing."""

    stdout: int | None
    stderr: int | None

    @classmethod
    def of_process(cls) -> Streams:
        """Our own standard output and standard error."""
        return cls(_descriptor(sys.stdout, 1), _descriptor(sys.stderr, 2))

    @classmethod
    def on_stderr(cls) -> Streams:
        """Both on our standard error: standard output is for the result (``--json``)."""
        descriptor = _descriptor(sys.stderr, 2)
        return cls(descriptor, descriptor)


class Channel:
    """One stream of the command: a pipe, or a terminal when it is shown on one, so that bars and colours stay."""

    def __init__(self, sink: int | None, log: BinaryIO) -> None:
        self._sink = sink
        self._log: BinaryIO | None = log
        self.fault: OSError | None = None
        """Why the log is not whole: a full disk."""
        self.read_end, self.write_end = _open_pair(sink)

    def started(self) -> None:
        """Close our copy of the command's end, once the command has its own."""
        os.close(self.write_end)

    def pump(self) -> bool:
        """Pass on what is there; False when the stream has ended."""
        try:
            data = os.read(self.read_end, _CHUNK)
        except OSError:  # a terminal whose other side is closed answers EIO
            return False
        if not data:
            return False
        self._keep(data)
        self._show(data)
        return True

    def close(self) -> None:
        """Close our end."""
        os.close(self.read_end)

    def _keep(self, data: bytes) -> None:
        if self._log is None:
            return
        try:
            self._log.write(data)
        except OSError as error:  # the run goes on: its output is less than its result
            self.fault, self._log = error, None

    def _show(self, data: bytes) -> None:
        view = memoryview(data)
        while view and self._sink is not None:
            try:
                view = view[os.write(self._sink, view) :]
            except BlockingIOError:  # a shared terminal may have been made non-blocking by another program
                _wait_writable(self._sink)
            except OSError:  # nobody reads any more (`bis run | head`): the run goes on and the log is whole
                self._sink = None


def open_log(path: Path) -> BinaryIO:
    """The log file, unbuffered: ``bis logs`` in another terminal sees each line at once."""
    return path.open("wb", buffering=0)


def _descriptor(stream: object, default: int) -> int:
    with contextlib.suppress(AttributeError, OSError, ValueError):  # a notebook's stream has no descriptor
        return int(stream.fileno())  # type: ignore[attr-defined]
    return default


def _open_pair(sink: int | None) -> tuple[int, int]:
    if sink is None or not _is_terminal(sink):
        return os.pipe()
    import fcntl  # only on a terminal
    import termios

    read_end, write_end = os.openpty()
    with contextlib.suppress(OSError, termios.error):
        attributes = termios.tcgetattr(write_end)
        attributes[1] &= ~termios.OPOST  # our own terminal turns newlines into what it needs
        termios.tcsetattr(write_end, termios.TCSANOW, attributes)
        size = fcntl.ioctl(sink, termios.TIOCGWINSZ, b"\0" * 8)
        fcntl.ioctl(write_end, termios.TIOCSWINSZ, size)
    return read_end, write_end


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _wait_writable(descriptor: int) -> None:
    import select

    select.select([], [descriptor], [])
