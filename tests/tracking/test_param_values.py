"""Which texts are one value of a parameter."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.tracking.param_values import same_value


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.10", "0.1"),
        ("0.1", "1e-1"),
        ("10", "10.0"),
        ("+5", "5"),
        ("-0", "0"),
        ("007", "7"),
        (".5", "0.50"),
        ("1E3", "1000"),
        ("inf", "Infinity"),
        ("nan", "NaN"),
        ("true", "True"),
        ("'hello world'", "hello world"),
        ("''", ""),
        ("'it'\"'\"'s'", "it's"),
        ("123456789012345678901234567890", "0123456789012345678901234567890"),
    ],
)
def test_equal(one: str, other: str) -> None:
    assert same_value(one, other)
    assert same_value(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("0.1", "0.2"),
        ("a", "A"),
        ("true", "1"),
        ("", "0"),
        ("'a", "a"),
        ("'a'", "a"),  # a shell would quote nothing here, so the quotes are the user's own
        ("1_0", "10"),
        ("-7", "7"),
        ("9007199254740993", "9007199254740992"),
        ("none", "None"),
        ("1 ", "1"),
        ("x" * 10, "x" * 11),
    ],
)
def test_different(one: str, other: str) -> None:
    assert not same_value(one, other)
    assert not same_value(other, one)


@given(st.floats())
def test_a_float_equals_its_text_however_it_is_written(value: float) -> None:
    assert same_value(repr(value), f"{value:.17e}")


@given(st.text())
def test_a_text_equals_itself_in_the_quotes_of_a_shell(text: str) -> None:
    assert same_value(shlex.quote(text), text)


@given(st.integers(), st.integers())
def test_whole_numbers_are_equal_when_they_are(one: int, other: int) -> None:
    assert same_value(str(one), str(other)) == (one == other)
