"""Those who send wrong tokens wait: longer each time, and only they."""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.25, 4.0
_FORGOTTEN_AFTER_S = 300.0
_MOST_ADDRESSES = 10_000
_MOST_WAITING, _MOST_WAITING_OF_ONE = 200, 8


class Guessing:
    """Counts wrong tokens by address.

    A right token from the same address is answered at once: behind one address there may be a whole team. What is
    limited is the memory that guesses take, the number of them that wait, and their rate.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._waiting: dict[str, int] = {}

    def delay_s(self, address: str) -> float | None:
        """How long a wrong token waits for its answer; None when too many wait: then refuse at once."""
        count, last = self._failures.pop(address, (0, 0.0))
        now = self._clock()
        count = 1 if now - last > _FORGOTTEN_AFTER_S else count + 1
        self._failures[address] = (count, now)
        if len(self._failures) > _MOST_ADDRESSES:
            self._failures.popitem(last=False)
        mine = self._waiting.get(address, 0)
        if mine >= _MOST_WAITING_OF_ONE or sum(self._waiting.values()) >= _MOST_WAITING:
            return None
        return float(min(_FIRST_DELAY_S * 2 ** min(count - 1, 10), _LONGEST_DELAY_S))

    @contextmanager
    def waiting(self, address: str) -> Iterator[None]:
        """While one more of that address waits."""
        self._waiting[address] = self._waiting.get(address, 0) + 1
        try:
            yield
        finally:
            left = self._waiting.pop(address) - 1
            if left:
                self._waiting[address] = left
