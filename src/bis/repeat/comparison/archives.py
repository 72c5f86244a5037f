"""Files that hold files: zip (.npz, .pt, .keras), gzip and its kin. When they were packed does not count."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING

from bis.repeat.comparison.tally import Tally
from bis.repeat.comparison.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.repeat.comparison.tally import Context, Finding

    CompareNamed = Callable[[str, bytes, bytes, Context], Finding]

MOST_BYTES = 1 << 29
"""What is unpacked of one file at most: a few kilobytes can unpack to terabytes."""


def compare_zip(first: bytes, second: bytes, context: Context, compare: CompareNamed) -> Finding | None:
    """Compare two zip files member by member; ``compare`` is given name and bytes of those that differ."""
    import zipfile  # only for archives that differ

    try:
        ones, others = _members(first), _members(second)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError, OSError):
        return None
    tally = Tally(context.bounds)
    for name in sorted({*ones, *others}):
        if name not in ones or name not in others:
            tally.differ(f"{name} is only in the {'second' if name in others else 'first'}")
        elif ones[name] != others[name]:
            tally.add(name, compare(name, ones[name], others[name], context))
    return tally.finding("the same members")


def _members(data: bytes) -> dict[str, bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as file:
        entries = file.infolist()
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise ValueError("too large")
        return {entry.filename: file.read(entry) for entry in entries}


def unpack(data: bytes) -> bytes | None:
    """What a zlib, gzip, bzip2, xz or lzma stream holds; None when it is none of them, or too large."""
    for begin, decompress in (
        (b"\x1f\x8b", _zlib),
        (b"x", _zlib),
        (b"BZ", _bzip2),
        (b"\xfd7zXZ", _lzma),
        (b"\x5d\x00", _lzma),
    ):
        if data.startswith(begin):
            return decompress(data)
    return None


def _zlib(data: bytes) -> bytes | None:
    pieces, total = [], 0
    try:
        while data:
            stream = zlib.decompressobj(wbits=47)  # zlib's or gzip's head
            pieces.append(stream.decompress(data, MOST_BYTES - total + 1))
            total += len(pieces[-1])
            if total > MOST_BYTES or not stream.eof:
                return None
            data = stream.unused_data  # gzip files may follow each other
    except zlib.error:
        return None
    return b"".join(pieces)


def _bzip2(data: bytes) -> bytes | None:
    import bz2

    return _bounded(bz2.BZ2Decompressor(), data)


def _lzma(data: bytes) -> bytes | None:
    import lzma

    return _bounded(lzma.LZMADecompressor(memlimit=MOST_BYTES), data)


def _bounded(stream: object, data: bytes) -> bytes | None:
    import lzma

    try:
        found: bytes = stream.decompress(data, MOST_BYTES)  # type: ignore[attr-defined]
    except (OSError, EOFError, ValueError, lzma.LZMAError):
        return None
    return found if stream.eof else None  # type: ignore[attr-defined]


def compare_packed(
    name: str, first: bytes, second: bytes, context: Context, compare: CompareNamed
) -> Finding | None:
    """Compare what two compressed files hold, under the name without its last suffix."""
    ones, others = unpack(first), unpack(second)
    if ones is None or others is None:
        return None
    tally = Tally(context.bounds)
    if ones != others:
        finding = compare(name.rpartition(".")[0] or name, ones, others, context)
        return finding if finding.verdict is not Verdict.IDENTICAL else None
    return tally.finding("the same content, packed at another time")
