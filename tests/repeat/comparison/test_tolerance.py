"""How far numbers may be apart, and how that is said."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.errors import UsageError
from bis.repeat.comparison import Bounds, Tolerance


def test_words_hold_for_all_numbers_or_for_one_metric() -> None:
    tolerance = Tolerance.read(rtol=["1e-6", "loss=1e-3"], atol=["val=auc=1e-9"])
    assert tolerance.everywhere == Bounds(1e-6, 0.0)
    assert tolerance.of_metric("loss") == Bounds(1e-3, 0.0)
    assert tolerance.of_metric("val=auc") == Bounds(1e-6, 1e-9)
    assert tolerance.of_metric("other") == Bounds(1e-6, 0.0)


@pytest.mark.parametrize("word", ["", "x", "-1", "nan", "inf", "loss=", "1"])
def test_what_is_no_tolerance_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="--rtol"):
        Tolerance.read(rtol=[word])


def test_an_absolute_tolerance_may_be_large() -> None:
    assert Tolerance.read(atol=["5"]).everywhere.holds(1.0, 6.0)


@given(st.floats(), st.floats(), st.floats(0, 0.5), st.floats(0, 1e3))
def test_it_is_the_same_both_ways_round(first: float, second: float, rtol: float, atol: float) -> None:
    bounds = Bounds(rtol, atol)
    assert bounds.holds(first, second) == bounds.holds(second, first)
    assert bounds.holds(first, first)


def test_nothing_is_near_to_nan_but_nan() -> None:
    assert Bounds(0.5, 1e9).holds(math.nan, math.nan)
    assert not Bounds(0.5, 1e9).holds(math.nan, 1.0)
