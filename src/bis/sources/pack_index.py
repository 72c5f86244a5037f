"""The index of a Git pack, asked whether it lists an object (gitformat-pack(5), version 2): no process is started."""

from __future__ import annotations

import bisect
import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

_MAGIC = b"\xfftOc\x00\x00\x00\x02"
_FANOUT = len(_MAGIC)
_NAMES = _FANOUT + 256 * 4
_NAME_BYTES = 20


def lists(index: str | os.PathLike[str], name: str) -> bool:
    """Whether the pack index lists the object with this id (40 hex digits); False for one that is no index."""
    try:
        with open(index, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:  # noqa: PTH123
            return data[:_FANOUT] == _MAGIC and _is_in(data, bytes.fromhex(name))
    except (OSError, ValueError):
        return False


def _is_in(data: mmap.mmap, wanted: bytes) -> bool:
    def count(first_byte: int) -> int:
        place = _FANOUT + 4 * first_byte
        return int.from_bytes(data[place : place + 4], "big")

    def at(number: int) -> bytes:
        place = _NAMES + number * _NAME_BYTES
        return data[place : place + _NAME_BYTES]

    low = count(wanted[0] - 1) if wanted[0] else 0
    high = count(wanted[0])
    found = bisect.bisect_left(range(high), wanted, low, high, key=at)
    return found < high and at(found) == wanted
