"""The metrics that wait to be sent: taken at once, sent by a thread in batches, in the order of the calls.

Nothing that was taken is given up while the process lives: it waits until the server has it or refuses it.
"""

from __future__ import annotations

import os
import sys
import threading
import time

from bis.client.connection import say
from bis.client.errors import RefusedError, TrackingError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.client.connection import Server

    Point = tuple[str, float, int, int]  # key, value, timestamp in ms, step
    Owner = tuple[Server, str]  # where, and the run's id

BATCH = 1000
INTERVAL_S = 1.0
"""How long a metric waits for others at most; NEAR_INTERVAL_S for a server on this machine."""
NEAR_INTERVAL_S = 0.25
MOST_WAITING = 100_000
"""When so many metrics wait (some 20 MB), who logs another waits too."""
_PAUSE_S = 5.0  # of the thread, when the server has been away for longer than a request waits


class MetricQueue:
    """What the runs of this process have logged, and the server does not have yet."""

    def __init__(self) -> None:
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        """Empty, without a thread: at first, and in a forked child, whose parent keeps what waits."""
        self._changed = threading.Condition()
        self._sending = threading.RLock()  # a signal handler of the script may flush while its thread does
        self._waiting: dict[Owner, list[Point]] = {}
        self._count = 0
        self._latest: dict[tuple[str, str], tuple[int, int]] = {}
        self._refused: dict[Owner, tuple[int, str]] = {}
        self._away: TrackingError | None = None
        self._thread: threading.Thread | None = None
        self._has_thread = True

    def put(
        self, owner: Owner, values: Iterable[tuple[str, float]], step: int, timestamp: int | None
    ) -> None:
        """Take values that were logged now, or at ``timestamp``.

        Blocks while MOST_WAITING wait, and raises TrackingError when the server has been away for too long meanwhile.
        """
        with self._changed:
            while self._count >= MOST_WAITING and self._start():
                if self._away is not None:
                    raise self._away
                self._changed.wait(0.5)
            points = self._waiting.setdefault(owner, [])
            before = self._count
            for key, value in values:
                points.append((key, value, self._time(owner[1], key, step, timestamp), step))
                self._count += 1
            if before == 0 or before // BATCH != self._count // BATCH:
                self._changed.notify_all()
            has_thread = self._start()
        if not has_thread:
            self.flush()

    def flush(self, owner: Owner | None = None) -> None:
        """Send all that waits, of one run or of all; raise TrackingError when it cannot be sent, or was refused."""
        self._send(owner)
        for one in [one for one in list(self._refused) if owner in (None, one)]:
            number, reason = self._refused.pop(one)
            raise RefusedError(*_refusal(one, number, reason))

    def forget(self, owner: Owner) -> None:
        """The run has ended."""
        with self._changed:
            for known in [known for known in self._latest if known[0] == owner[1]]:
                del self._latest[known]

    def stop_thread(self) -> None:
        """From now on, what is put is sent at once: the process is about to end."""
        self._has_thread = False

    @property
    def waiting(self) -> int:
        """How many metrics the server does not have yet."""
        return self._count

    def _time(self, run_id: str, key: str, step: int, timestamp: int | None) -> int:
        """The time of a value. Two values of one step never share it: the later one is the latest.

        A server orders the values of one step and millisecond by size, and keeps equal ones once.
        """
        if timestamp is not None:
            return timestamp
        now = int(time.time() * 1000)
        last_step, last_time = self._latest.get((run_id, key), (step, 0))
        if last_step == step and last_time >= now:
            now = last_time + 1
        self._latest[run_id, key] = (step, now)
        return now

    def _start(self) -> bool:
        """Have the thread run; False where there is to be none, or none can be started any more."""
        if self._thread is None and self._has_thread:
            if _may_be_killed():
                self._has_thread = False
                return False
            thread = threading.Thread(target=self._work, name="bis-metrics", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is ending
                self._has_thread = False
                return False
            self._thread = thread
        return self._has_thread

    def _work(self) -> None:
        while True:
            with self._changed:
                while self._count == 0:
                    self._changed.wait()
                is_near = all(server.is_near for server, _ in self._waiting)
                until = time.monotonic() + (NEAR_INTERVAL_S if is_near else INTERVAL_S)
                while self._count < BATCH and time.monotonic() < until:
                    self._changed.wait(max(0.0, until - time.monotonic()))
            try:
                self._send(None)
            except TrackingError as error:
                if self._away is None:
                    say("{}; {} metrics wait".format(error, self._count))
                self._away = error
                time.sleep(_PAUSE_S)

    def _send(self, owner: Owner | None) -> None:
        """Send what waits now; one thread at a time, so that the order stays."""
        with self._sending:
            for one in list(self._waiting):
                if owner in (None, one):
                    while self._waiting.get(one):
                        self._send_batch(one, self._waiting[one][:BATCH])
                    with self._changed:
                        if not self._waiting.get(one):
                            self._waiting.pop(one, None)

    def _send_batch(self, owner: Owner, batch: list[Point]) -> None:
        """Send, then take out: what is interrupted between is sent again, which does no harm."""
        try:
            _log(owner, batch)
        except RefusedError as error:
            self._send_one_key_at_a_time(owner, batch, error)
        with self._changed:
            points = self._waiting.get(owner)
            if points and points[0] is batch[0]:  # else a signal handler has sent it meanwhile
                del points[: len(batch)]
            self._count = sum(map(len, self._waiting.values()))
            self._away = None
            self._changed.notify_all()

    def _send_one_key_at_a_time(self, owner: Owner, batch: list[Point], error: RefusedError) -> None:
        """A batch is taken whole or not at all: keep what is good in one that was refused."""
        keys = dict.fromkeys(point[0] for point in batch)
        for key in keys:
            points = [point for point in batch if point[0] == key]
            try:
                if len(keys) == 1:
                    raise error
                _log(owner, points)
            except RefusedError as refusal:
                number, reason = self._refused.get(owner, (0, str(refusal)))
                if not number:
                    say(_refusal(owner, len(points), reason)[0])
                self._refused[owner] = (number + len(points), reason)


def _log(owner: Owner, points: list[Point]) -> None:
    server, run_id = owner
    metrics = [
        {"key": key, "value": value if value - value == 0 else _word(value), "timestamp": when, "step": step}
        for key, value, when, step in points
    ]
    server.post("mlflow/runs/log-batch", {"run_id": run_id, "metrics": metrics})


def _word(value: float) -> str:
    """NaN and the infinities are words in the protocol's JSON."""
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _refusal(owner: Owner, number: int, reason: str) -> tuple[str, str]:
    words = "{} metric{} of run {} {} refused: {}"
    plural = ("s", "were") if number > 1 else ("", "was")
    return words.format(number, plural[0], owner[1][:8], plural[1], reason), "INVALID_PARAMETER_VALUE"


def _may_be_killed() -> bool:
    """Whether this is a daemonic process of multiprocessing, as a Pool's workers: they end without a warning."""
    processes = sys.modules.get("multiprocessing.process")
    return processes is not None and bool(processes.current_process().daemon)
