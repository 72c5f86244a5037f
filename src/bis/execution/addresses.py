"""Address randomization, which decides the order of sets of objects that are hashed by their address.

Linux alone lets a process give it up for its children, and some containers forbid that.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ADDR_NO_RANDOMIZE = 0x0040000  # personality(2)
_ASK = 0xFFFFFFFF


@contextlib.contextmanager
def fixed_addresses() -> Iterator[bool]:
    """Programs that this thread starts within have the same addresses each time; gives whether that is so."""
    if not sys.platform.startswith("linux"):
        yield False
        return
    import ctypes  # at the level `strict` only

    personality = ctypes.CDLL(None).personality
    personality.argtypes = [ctypes.c_ulong]
    before = personality(_ASK)
    if before == -1 or personality(before | _ADDR_NO_RANDOMIZE) == -1:
        yield False
        return
    try:
        yield bool(personality(_ASK) & _ADDR_NO_RANDOMIZE)
    finally:
        personality(before)
