"""What the steps write, line by line, each with the name of its step: several write at the same time."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, BinaryIO

from bis.execution import Streams

if TYPE_CHECKING:
    from collections.abc import Callable


class StepOutput:
    """A pipe for one step: its lines go to ``show``, and into the log of the pipeline."""

    def __init__(self, name: str, log: BinaryIO, show: Callable[[str, str], None]) -> None:
        self._name = name
        self._log = log
        self._show = show
        read_end, self._write_end = os.pipe()
        self._thread = threading.Thread(target=self._copy, args=(read_end,), daemon=True)
        self._thread.start()

    @property
    def streams(self) -> Streams:
        """Both streams of the step, in the order in which it writes."""
        return Streams(self._write_end, self._write_end)

    def close(self) -> None:
        """Wait for the last line."""
        os.close(self._write_end)
        self._thread.join()

    def _copy(self, read_end: int) -> None:
        with os.fdopen(read_end, "rb") as lines:
            for line in lines:
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                self._log.write(f"[{self._name}] {text}\n".encode())
                self._show(self._name, text)
