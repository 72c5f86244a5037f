"""SHA-256 of files and streams, read in pieces."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import os

_PIECE_BYTES = 1 << 20


def sha256_of(path: str | bytes | os.PathLike[str]) -> str:
    """The SHA-256 of a whole file, in hexadecimal. Raises OSError."""
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - a path need not be text
        return sha256_of_stream(file)


def sha256_of_stream(stream: IO[bytes]) -> str:
    """The SHA-256 of what is left to read in ``stream``, in hexadecimal."""
    import hashlib  # a warm start hashes no file

    digest = hashlib.sha256()
    while piece := stream.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()
