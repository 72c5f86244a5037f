"""The SHA-256 of files, and of what is left of a stream."""

from __future__ import annotations

import hashlib
import io
import os
from typing import TYPE_CHECKING

import pytest

from bis.file_digests import sha256_of, sha256_of_stream

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("size_bytes", [0, 1, 1 << 20, (1 << 20) + 1])
def test_a_file_of_any_size_is_read_to_its_end(tmp_path: Path, size_bytes: int) -> None:
    content = os.urandom(size_bytes)
    (tmp_path / "file").write_bytes(content)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_path_need_not_be_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    assert sha256_of(os.fsencode(tmp_path) + b"/file") == hashlib.sha256(b"content").hexdigest()


def test_a_stream_is_read_from_where_it_stands() -> None:
    stream = io.BytesIO(b"before after")
    stream.seek(7)
    assert sha256_of_stream(stream) == hashlib.sha256(b"after").hexdigest()
