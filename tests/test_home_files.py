"""Files of the home: there whole or not at all, and read so too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.home_files import read_document, replace_text

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_and_nothing_lies_beside_it(tmp_path: Path, durable: bool) -> None:
    replace_text(tmp_path / "file", "before")
    replace_text(tmp_path / "file", "after", durable=durable)
    assert (tmp_path / "file").read_text() == "after"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_document_is_read_back(tmp_path: Path) -> None:
    replace_text(tmp_path / "file", '{"name": "\\udcff"}')
    assert read_document(tmp_path / "file") == {"name": "\udcff"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff"])
def test_what_is_no_document_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    assert read_document(tmp_path / "file") is None


def test_a_file_that_is_not_there_is_none(tmp_path: Path) -> None:
    assert read_document(tmp_path / "file") is None
