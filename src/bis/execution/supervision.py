"""From the start of a command to the end of its whole process group."""

from __future__ import annotations

import selectors
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.execution.group import ProcessGroup, Usage
from bis.execution.output import Channel, Streams, open_log

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.execution.group import Command
    from bis.execution.interruption import Interruption

KILL_AFTER_S = 5.0
"""Between TERM and KILL; a run inside another has less, so that it can say how it ended before that one kills it."""
_LINGER_S = 0.25
"""How long output may still come from a process that outlives the command's shell, before the group is ended."""


@dataclass(frozen=True)
class Ending:
    """How the command ended. ``stopped_by`` is None when it ended by itself, else ``timeout`` or a signal's name."""

    exit_code: int
    stopped_by: str | None
    duration_s: float
    log_fault: str | None = None
    """Why the output was not kept whole, if it was not."""
    usage: Usage = field(default_factory=Usage)
    addresses_fixed: bool = False
    """Whether address randomization was off."""


def supervise(
    command: Command,
    *,
    log: Path,
    streams: Streams,
    interruption: Interruption,
    timeout_s: float | None = None,
    on_start: Callable[[int], None] = lambda _session: None,
    on_stop: Callable[[str], None] = lambda _reason: None,
    kill_after_s: float = KILL_AFTER_S,
) -> Ending:
    """Run ``command`` until its group has ended; show and keep what it writes.

    ``on_start`` is called with the id of the session when the command has been started, ``on_stop`` with the reason
    when it is to be ended before its time. Durations are monotonic: a clock that jumps has no effect.
    """
    with open_log(log) as kept:
        channels = [Channel(streams.stdout, kept), Channel(streams.stderr, kept)]
        started = time.monotonic()
        group = ProcessGroup(command, stdout=channels[0].write_end, stderr=channels[1].write_end)
        for channel in channels:
            channel.started()
        loop = _Loop(
            group,
            channels,
            interruption,
            None if timeout_s is None else started + timeout_s,
            on_stop,
            kill_after_s,
        )
        try:
            on_start(group.session)
            loop.run()
        finally:
            loop.close()
        return Ending(
            group.exit_code(),
            loop.stopped_by,
            time.monotonic() - started,
            _log_fault(channels),
            group.usage,
            group.addresses_fixed,
        )


def _log_fault(channels: list[Channel]) -> str | None:
    faults = [channel.fault for channel in channels if channel.fault is not None]
    return faults[0].strerror or str(faults[0]) if faults else None


class _Loop:
    def __init__(
        self,
        group: ProcessGroup,
        channels: list[Channel],
        interruption: Interruption,
        deadline: float | None,
        on_stop: Callable[[str], None],
        kill_after_s: float,
    ) -> None:
        self._group = group
        self._channels = channels
        self._interruption = interruption
        self._deadline = deadline
        self._on_stop = on_stop
        self._kill_after_s = kill_after_s
        self._kill_at: float | None = None
        self._linger_until: float | None = None
        self._killed = False
        self._open = len(channels)
        self._selector = selectors.DefaultSelector()
        self.stopped_by: str | None = None
        for channel in channels:
            self._selector.register(channel.read_end, selectors.EVENT_READ, channel)
        self._selector.register(group.exited, selectors.EVENT_READ, "exited")
        self._selector.register(interruption.descriptor, selectors.EVENT_READ, "interrupted")

    def run(self) -> None:
        while not self._is_over():
            for key, _ in self._selector.select(self._patience()):
                if isinstance(key.data, Channel):
                    self._read(key.data)
                elif key.data == "exited":
                    self._selector.unregister(self._group.exited)
                    self._linger_until = time.monotonic() + _LINGER_S
                else:
                    self._interruption.acknowledge()
                    self._stop(
                        self._interruption.reason or "interrupted", at_once=self._interruption.count > 1
                    )
            self._watch_time()

    def close(self) -> None:
        """Leave nothing behind, also when the loop itself failed."""
        if self._group.is_alive():
            self._group.kill()
        self._group.close()
        for channel in self._channels:
            channel.close()
        self._selector.close()

    def _is_over(self) -> bool:
        if self._linger_until is None:
            return False
        if not self._group.is_alive():
            self._drain()
            return True
        return self._killed and time.monotonic() > self._linger_until

    def _patience(self) -> float | None:
        moments = [m for m in (self._deadline, self._kill_at, self._linger_until) if m is not None]
        if not moments:
            return None
        return min(
            0.05 if self._linger_until is not None else 1e9, max(0.0, min(moments) - time.monotonic()) + 0.001
        )

    def _watch_time(self) -> None:
        now = time.monotonic()
        if self._deadline is not None and now >= self._deadline:
            self._deadline = None
            if self._linger_until is None:
                self._stop("timeout")
        if self._kill_at is not None and now >= self._kill_at:
            self._kill()
        elif (
            self._linger_until is not None
            and now >= self._linger_until
            and self._kill_at is None
            and not self._killed
        ):
            self._terminate()  # the shell has ended and left something running

    def _stop(self, reason: str, *, at_once: bool = False) -> None:
        first = self.stopped_by is None
        self.stopped_by = self.stopped_by or reason
        if at_once:
            self._kill()
        elif self._kill_at is None:
            self._terminate()
        if first:
            self._on_stop(reason)

    def _terminate(self) -> None:
        self._group.signal(signal.SIGTERM)
        self._kill_at = time.monotonic() + self._kill_after_s

    def _kill(self) -> None:
        self._group.kill()
        self._kill_at = None
        self._killed = True
        if self._linger_until is not None:
            self._linger_until = time.monotonic() + 1.0

    def _read(self, channel: Channel) -> bool:
        if channel.pump():
            return True
        self._selector.unregister(channel.read_end)
        self._open -= 1
        return False

    def _drain(self) -> None:
        """Read what the ended group has left in the pipes."""
        while self._open:
            ready = [k.data for k, _ in self._selector.select(0) if isinstance(k.data, Channel)]
            if not ready:
                return
            for channel in ready:
                self._read(channel)
