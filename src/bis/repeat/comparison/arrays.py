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
from typing import TYPE_CHECKING, Any

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
class Field:
    """A field of an array of records, as the nodes of scikit-learn's trees are."""

    name: str
    dtype: str
    offset: int


@dataclass(frozen=True)
class Elements:
    """An array as it lies in a file: what its elements are, its shape, its bytes."""

    dtype: str
    shape: tuple[int, ...]
    fortran: bool
    data: bytes
    fields: tuple[Field, ...] = ()

    def field(self, wanted: Field) -> Elements:
        """The array of one field."""
        item, size = size_of(self.dtype), size_of(wanted.dtype)
        starts = range(wanted.offset, len(self.data), item)
        data = b"".join([self.data[start : start + size] for start in starts])
        return Elements(wanted.dtype, self.shape, self.fortran, data)


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
    dtype, fields = _described(header["descr"])
    return Elements(dtype, shape, bool(header["fortran_order"]), data[start + length :], fields)


def _described(descr: Any) -> tuple[str, tuple[Field, ...]]:
    """The type of a header: a text, or a list of (name, type) for records."""
    if isinstance(descr, str):
        return descr, ()
    fields, offset = [], 0
    for name, dtype in descr:  # a field that is an array itself has three parts, and is not read here
        fields.append(Field(str(name), dtype, offset))
        offset += size_of(dtype)
    return f"|V{offset}", tuple(field for field in fields if field.name)


def size_of(dtype: str) -> int:
    """The bytes of one element."""
    kind, digits = _plain(dtype)[0], _plain(dtype)[1:].partition("[")[0]
    return (int(digits) if digits else 1) * (4 if kind == "U" else 1)


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
    if ones.fields or others.fields:
        return _compare_records(place, ones, others, tally)
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


def _compare_records(place: str, ones: Elements, others: Elements, tally: Tally) -> bool:
    if ones.fields != others.fields or len(ones.data) != len(others.data):
        tally.differ(f"{place or 'the array'} has other fields")
        return True
    inside = f"{place}." if place else ""
    return all(
        compare_elements(f"{inside}{field.name}", ones.field(field), others.field(field), tally)
        for field in ones.fields
    )  # what lies between the fields has no meaning


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
