"""Files above the size limit of snapshots: known by their hash, not stored.

In the tree stands a small pointer in the place of such a file, so that the tree id still depends on its
content.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from bis.errors import UsageError
from bis.file_stamps import Stamp
from bis.sources.source import LargeFile

LIMIT_VARIABLE = "BIS_SNAPSHOT_MAX_FILE_SIZE"
DEFAULT_LIMIT_BYTES = 50_000_000

_SIZE = re.compile(r"\s*(\d+)\s*([kmg]?)b?\s*", re.IGNORECASE)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_POINTER = re.compile(rb"bis large file v1\nsha256 ([0-9a-f]{64})\nsize (\d{20})\n")
POINTER_BYTES = 116


@dataclass(frozen=True)
class Known:
    """A large file as it was hashed, with its stamp then."""

    file: LargeFile
    stamp: Stamp


def limit_bytes() -> int:
    """The size above which a file is not stored: 50 MB, or ``BIS_SNAPSHOT_MAX_FILE_SIZE`` (as 2000 or 2K)."""
    text = os.environ.get(LIMIT_VARIABLE)
    if not text:
        return DEFAULT_LIMIT_BYTES
    return read_size(LIMIT_VARIABLE, text)


def read_size(name: str, text: str) -> int:
    """The bytes of ``2000``, ``2K``, ``50M`` or ``2GB``; raises UsageError, which calls what was given ``name``."""
    found = _SIZE.fullmatch(text)
    if not found:
        raise UsageError(f"{name} is not a size: {text!r}", hint="Write bytes, or a number with K, M or G.")
    return int(found[1]) * _UNITS[found[2].lower()]


def record(root: bytes, path: bytes) -> Known:
    """Hash the file at ``path`` below ``root``, in pieces."""
    from bis.file_digests import sha256_of_stream  # most projects have no large file

    place = os.path.join(root, path)  # noqa: PTH118 - bytes: a path need not be text
    with open(place, "rb", buffering=0) as file:  # noqa: PTH123
        stamp = Stamp.of(os.fstat(file.fileno()))
        digest = sha256_of_stream(file)
    return Known(LargeFile(os.fsdecode(path), stamp.size_bytes, digest), stamp)


def pointer(file: LargeFile) -> bytes:
    """The content that stands in the tree for ``file``; always ``POINTER_BYTES`` long."""
    return f"bis large file v1\nsha256 {file.sha256}\nsize {file.size_bytes:020d}\n".encode()


def read_pointer(path: str, content: bytes) -> LargeFile | None:
    """The file that ``content`` stands for; None when it is no pointer."""
    found = _POINTER.fullmatch(content)
    return LargeFile(path, int(found[2]), found[1].decode()) if found else None
