"""What can end a run before its command does: a signal to bis, a call of ``cancel``, the time limit."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Wakes the supervising loop and says why. Safe to use from a signal handler and from another thread."""

    def __init__(self) -> None:
        self.count = 0
        """How many signals have come."""
        self.reason: str | None = None
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)
        self._closed = False

    @property
    def descriptor(self) -> int:
        """Becomes readable at each interruption."""
        return self._read

    def interrupt(self, reason: str) -> None:
        """Ask for the end of the run. A second signal means at once, a call of ``cancel`` beside a signal does not: a
        run inside another gets both when that one is ended.
        """
        self.count += reason.startswith("SIG")
        self.reason = self.reason or reason
        with contextlib.suppress(OSError):  # a full or closed pipe has said it already
            os.write(self._write, b"!")

    def acknowledge(self) -> None:
        """Take note of what made ``descriptor`` readable."""
        os.read(self._read, 1024)

    def close(self) -> None:
        """Close the pipe."""
        if not self._closed:
            self._closed = True
            os.close(self._read)
            os.close(self._write)


@contextlib.contextmanager
def on_signals(act: Callable[[str], None]) -> Iterator[None]:
    """Give ``act`` the name of each SIGINT, SIGTERM and SIGHUP, in the main thread; elsewhere Python allows none."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: FrameType | None) -> None:
        act(signal.Signals(number).name)

    previous = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
