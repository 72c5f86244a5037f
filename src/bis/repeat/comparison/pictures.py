"""PNG: the same pixels, whatever the file says of its maker and date.

8-bit PNGs that are not interlaced are decoded here (https://www.w3.org/TR/png-3/); of others the image data are
compared as they are packed.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.repeat.comparison.archives import MOST_BYTES
from bis.repeat.comparison.tally import Finding
from bis.repeat.comparison.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.repeat.comparison.tally import Context

MAGIC = b"\x89PNG\r\n\x1a\n"
_SHOWN = (b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP")
"""Chunks that decide the colours, beside the pixels."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True)
class Picture:
    """A picture as its file has it, its rows still filtered."""

    header: bytes
    colours: tuple[tuple[bytes, bytes], ...]
    rows: bytes

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, in pixels."""
        return struct.unpack(">II", self.header[:8])

    @property
    def channels(self) -> int | None:
        """Bytes of a pixel; None for a picture that is not decoded here."""
        depth, colour, _, _, interlaced = self.header[8:13]
        return _CHANNELS.get(colour) if depth == 8 and not interlaced else None

    @property
    def complete(self) -> bool:
        """Whether it can be decoded here, and has all its rows."""
        width, height = self.size
        return self.channels is not None and len(self.rows) == height * (width * self.channels + 1)


def compare_png(first: bytes, second: bytes, context: Context) -> Finding | None:  # noqa: ARG001  pixels are exact
    """Compare the pixels of two PNGs; None when one cannot be read."""
    try:
        one, other = _read(first), _read(second)
    except (ValueError, struct.error, zlib.error):
        return None
    if one.size != other.size:
        sizes = [f"{width} by {height}" for width, height in (one.size, other.size)]
        return Finding(Verdict.DIFFERENT, f"{sizes[0]} and {sizes[1]} pixels")
    if one == other:
        return Finding(Verdict.EQUAL, "the same pixels")
    if one.header != other.header or one.colours != other.colours or not (one.complete and other.complete):
        return None
    return _compare_pixels(_pixels(one), _pixels(other), one.channels or 1)


def _compare_pixels(first: bytes, second: bytes, channels: int) -> Finding:
    if first == second:
        return Finding(Verdict.EQUAL, "the same pixels")
    apart = [i for i, (a, b) in enumerate(zip(first, second, strict=True)) if a != b]
    count = len({i // channels for i in apart})
    largest = max(abs(first[i] - second[i]) for i in apart)
    share = count / (len(first) // channels)
    reason = f"{count} pixels differ ({share:.2%}), by up to {largest} of 255"
    return Finding(Verdict.DIFFERENT, reason, float(largest), largest / 255)


def _read(data: bytes) -> Picture:
    if not data.startswith(MAGIC):
        raise ValueError("not a PNG")
    header, colours, packed = b"", [], []
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            header = content
        elif kind == b"IDAT":
            packed.append(content)
        elif kind in _SHOWN:
            colours.append((kind, content))
    if len(header) != 13:
        raise ValueError("no header")
    stream = zlib.decompressobj()
    rows = stream.decompress(b"".join(packed), MOST_BYTES)
    if not stream.eof:
        raise ValueError("cut off, or too large")
    return Picture(header, tuple(colours), rows)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(MAGIC)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        content = data[place + 8 : place + 8 + length]
        if len(content) != length:
            raise ValueError("cut off")
        yield kind, content
        place += 12 + length


def _pixels(picture: Picture) -> bytes:
    """The bytes of all pixels, unfiltered."""
    channels = picture.channels or 1
    width, height = picture.size
    length = width * channels
    before, rows = bytes(length), []
    for number in range(height):
        start = number * (length + 1)
        before = _unfilter(
            picture.rows[start], picture.rows[start + 1 : start + 1 + length], before, channels
        )
        rows.append(before)
    return b"".join(rows)


def _unfilter(kind: int, row: bytes, above: bytes, channels: int) -> bytes:
    if kind == 0:
        return row
    out = bytearray(row)
    if kind == 1:
        for i in range(channels, len(out)):
            out[i] = (out[i] + out[i - channels]) & 255
    elif kind == 2:
        out[:] = bytes((a + b) & 255 for a, b in zip(row, above, strict=True))
    elif kind == 3:
        for i in range(len(out)):
            left = out[i - channels] if i >= channels else 0
            out[i] = (out[i] + (left + above[i]) // 2) & 255
    else:
        _unfilter_paeth(out, above, channels)
    return bytes(out)


def _unfilter_paeth(out: bytearray, above: bytes, channels: int) -> None:
    for i in range(len(out)):
        left, corner = (out[i - channels], above[i - channels]) if i >= channels else (0, 0)
        up = above[i]
        guess = left + up - corner
        apart = abs(guess - left), abs(guess - up), abs(guess - corner)
        nearest = (
            left if apart[0] <= apart[1] and apart[0] <= apart[2] else up if apart[1] <= apart[2] else corner
        )
        out[i] = (out[i] + nearest) & 255
