"""Which part of a file a request asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.server.byte_ranges import UnsatisfiableError, asked_range, is_known

ETAG = '"v1"'


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", (0, 1)),
        ("bytes=2-5", (2, 6)),
        ("bytes=2-", (2, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-99", (0, 10)),
        ("bytes=5-99", (5, 10)),
        ("Bytes= 1-2 ", (1, 3)),
        ("bytes=0-1,4-5", None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("items=0-1", None),
        ("", None),
    ],
)
def test_a_range_is_read(asked: str, part: tuple[int, int] | None) -> None:
    assert asked_range({b"range": asked.encode()}, 10, ETAG) == part


@pytest.mark.parametrize(
    ("asked", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0)]
)
def test_a_range_without_bytes_cannot_be_had(asked: str, size: int) -> None:
    with pytest.raises(UnsatisfiableError):
        asked_range({b"range": asked.encode()}, size, ETAG)


@given(st.binary(max_size=30), st.integers(0, 100))
def test_no_header_leads_outside_of_the_file(header: bytes, size: int) -> None:
    for value in (header, b"bytes=" + header):
        try:
            part = asked_range({b"range": value}, size, ETAG)
        except UnsatisfiableError:
            continue
        assert part is None or 0 <= part[0] < part[1] <= size


def test_a_range_of_another_version_is_the_whole_file() -> None:
    assert asked_range({b"range": b"bytes=1-2", b"if-range": b'"v0"'}, 10, ETAG) is None
    assert asked_range({b"range": b"bytes=1-2", b"if-range": b'"v1"'}, 10, ETAG) == (1, 3)


@pytest.mark.parametrize(
    ("header", "known"),
    [('"v1"', True), ('W/"v1"', True), ('"v0", "v1"', True), ("*", True), ('"v0"', False), ("", False)],
)
def test_a_version_that_the_client_has_is_known(header: str, known: bool) -> None:
    assert is_known({b"if-none-match": header.encode()}, ETAG) is known
