"""NumPy's .npy files, without NumPy: the header is read, and the elements are compared as numbers.

The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import ast
import re
import struct
import sys
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.repeat.comparison.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.repeat.comparison.tally import Context, Finding

MAGIC = b"\x93NUMPY"
_TYPE = re.compile(r"([<>|=]?)([biufc?SU])(\d*)")
_CODES = {
    "i1": "b", "i2": "h", "i4": "i", "i8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q",
    "f4": "f", "f8": "d", "c8": "f", "c16": "d", "b1": "B", "?": "B", "?1": "B",
}  # fmt: skip


@dataclass(frozen=True)
class Elements:
    """An array as it lies in a file: what its elements are, its shape, its bytes."""

    dtype: str
    shape: tuple[int, ...]
    fortran: bool
    data: bytes


def compare_npy(first: bytes, second: bytes, context: Context) -> Finding | None:
    """Compare two .npy files; None when one cannot be read without NumPy (objects, records)."""
    try:
        ones, others = read_npy(first), read_npy(second)
    except (ValueError, SyntaxError, struct.error, KeyError, TypeError):
        return None
    tally = Tally(context.bounds)
    if not compare_elements("", ones, others, tally):
        return None
    return tally.finding("the same elements")


def read_npy(data: bytes) -> Elements:
    """The array of a .npy file; raises ValueError and its like when it is none."""
    if data[:6] != MAGIC:
        raise ValueError("not a .npy file")
    wide = data[6] >= 2
    (length,) = struct.unpack_from("<I" if wide else "<H", data, 8)
    start = 12 if wide else 10
    header = ast.literal_eval(data[start : start + length].decode("latin-1" if data[6] < 3 else "utf-8"))
    shape = tuple(int(size) for size in header["shape"])
    dtype = header["descr"] if isinstance(header["descr"], str) else repr(header["descr"])
    return Elements(dtype, shape, bool(header["fortran_order"]), data[start + length :])


def compare_elements(place: str, ones: Elements, others: Elements, tally: Tally) -> bool:
    """Note the differences of two arrays; False when their type is not one of numbers and texts."""
    if ones.shape != others.shape:
        tally.differ(f"{place or 'the array'} has the shapes {ones.shape} and {others.shape}")
        return True
    if _plain(ones.dtype) != _plain(others.dtype):
        tally.differ(f"{place or 'the array'} has the types {ones.dtype} and {others.dtype}")
        return True
    if ones == others:
        return True
    first, second = numbers_of(ones), numbers_of(others)
    if first is None or second is None or len(first) != len(second):
        if ones.dtype == others.dtype and re.fullmatch(r"[<>|=]?[SUVMm].*", ones.dtype):
            tally.differ(f"{place or 'the array'} has other elements")
            return True
        return False
    if ones.fortran != others.fortran and len(ones.shape) > 1:
        first, second = _in_c_order(first, ones), _in_c_order(second, others)
    tally.numbers(place, first, second)
    return True


def numbers_of(elements: Elements) -> Sequence[float] | None:
    """The elements as numbers, in the order in which they lie (complex ones as two); None for other types."""
    found = _TYPE.fullmatch(elements.dtype)
    if found is None:
        return None
    order, kind, size = found[1], found[2], found[3]
    big = order == ">" or (order in ("=", "") and sys.byteorder == "big")
    if kind == "f" and size == "2":
        return struct.unpack(f"{'>' if big else '<'}{len(elements.data) // 2}e", elements.data)
    code = _CODES.get(kind + size)
    if code is None:
        return None
    numbers = array(code)
    if len(elements.data) % numbers.itemsize:
        return None
    numbers.frombytes(elements.data)
    if big != (sys.byteorder == "big"):
        numbers.byteswap()
    return numbers


def _plain(dtype: str) -> str:
    """The type without its byte order, which is no difference in value."""
    return dtype.lstrip("<>|=")


def _in_c_order(numbers: Sequence[float], elements: Elements) -> Sequence[float]:
    if not elements.fortran:
        return numbers
    parts = 2 if _plain(elements.dtype).startswith("c") else 1
    strides, step = [], parts
    for size in elements.shape:
        strides.append(step)
        step *= size
    places = [0]
    for size, stride in zip(elements.shape, strides, strict=True):
        places = [place + i * stride for place in places for i in range(size)]
    return [numbers[place + part] for place in places for part in range(parts)]
