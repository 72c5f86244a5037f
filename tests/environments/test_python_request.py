from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from bis.environments.python_request import PythonRequest
from bis.errors import SpecError


@pytest.mark.parametrize(
    ("text", "admitted", "refused"),
    [
        ("3.8", (3, 8, 18), (3, 9, 0)),
        ("=3.8", (3, 8, 0), (3, 80, 0)),
        ("==3.8", (3, 8, 18), (3, 7, 9)),
        ("3.8.*", (3, 8, 5), (3, 9, 5)),
        ("3.8.10", (3, 8, 10), (3, 8, 11)),
        ("3.8.5=h7579374_1", (3, 8, 5), (3, 8, 6)),
        ("3.8.5 h7579374_1", (3, 8, 5), (3, 8, 6)),
        ("3", (3, 13, 0), (2, 7, 18)),
        (">=3.8,<3.12", (3, 11, 9), (3, 12, 0)),
        (">=3.8, <3.12", (3, 8, 0), (3, 7, 17)),
        (">= 3.8", (3, 13, 0), (3, 7, 17)),
        ("<=3.8", (3, 8, 18), (3, 9, 0)),
        (">3.8", (3, 9, 0), (3, 8, 18)),
        ("!=3.9.*,>=3.8", (3, 10, 0), (3, 9, 1)),
        ("~=3.8", (3, 11, 0), (4, 0, 0)),
        ("~=3.8.2", (3, 8, 3), (3, 9, 0)),
        ("3.8|3.10", (3, 10, 1), (3, 9, 1)),
    ],
)
def test_what_a_request_admits(text: str, admitted: tuple[int, ...], refused: tuple[int, ...]) -> None:
    request = PythonRequest.parse(text)
    assert request.admits(admitted)
    assert not request.admits(refused)


@pytest.mark.parametrize("text", [None, "", "*"])
def test_no_request_admits_every_python(text: str | None) -> None:
    assert PythonRequest.parse(text).admits((3, 6, 15))


@pytest.mark.parametrize("text", ["three", "3.8.1.2", "=>3.8", "~=3", ">=3.8;<4"])
def test_what_cannot_be_read_is_an_error_with_the_forms_that_can(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        PythonRequest.parse(text)
    assert "3" in (caught.value.hint or "")


_VERSIONS = st.tuples(st.just(3), st.integers(5, 15), st.integers(0, 20))


@given(st.sampled_from([">=", "<=", "<", "~="]), _VERSIONS, _VERSIONS)
def test_full_versions_compare_as_in_pep_440(
    operator: str, limit: tuple[int, ...], version: tuple[int, ...]
) -> None:
    written = operator + ".".join(map(str, limit))
    expected = SpecifierSet(written).contains(".".join(map(str, version)))
    assert PythonRequest.parse(written).admits(version) == expected
