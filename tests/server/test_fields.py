"""What a request asks for, checked as it is taken."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bis.server.fields import Fields
from bis.tracking import RefusedError, View


@pytest.mark.parametrize(
    ("value", "number"), [(5, 5), ("5", 5), (5.0, 5), (["4", "5"], 5), (None, 7), (-(2**63), -(2**63))]
)
def test_a_whole_number_has_many_faces(value: object, number: int) -> None:
    assert Fields({"n": value}).integer("n", 7) == number


@pytest.mark.parametrize("value", [True, "x", 5.5, "5.5", 2**63, "", [], {}, "1" * 30, math.inf])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(RefusedError, match="for parameter 'n' supplied"):
        Fields({"n": value}).integer("n")


@pytest.mark.parametrize(
    ("value", "truth"),
    [(True, True), ("true", True), (["True"], True), (False, False), ("false", False), (None, False)],
)
def test_a_truth_value_may_be_a_text(value: object, truth: bool) -> None:
    assert Fields({"b": value}).boolean("b") is truth


@pytest.mark.parametrize(
    ("method", "value"),
    [
        ("boolean", "perhaps"),
        ("text", 3),
        ("text", []),
        ("texts", "a"),
        ("texts", [1]),
        ("objects", [1]),
        ("nested", []),
        ("required_number", {}),
        ("required_number", "one"),
    ],
)
def test_what_is_of_another_kind_is_refused(method: str, value: object) -> None:
    with pytest.raises(RefusedError, match="for parameter 'x' supplied"):
        getattr(Fields({"x": value}), method)("x")


@pytest.mark.parametrize("method", ["required", "required_number", "required_integer", "nested"])
def test_what_must_be_there_is_missed(method: str) -> None:
    fields: Any = Fields({})
    with pytest.raises(RefusedError, match="Missing value for required parameter 'x'"):
        getattr(fields, method)("x")


def test_a_run_is_named_by_either_field() -> None:
    assert Fields({"run_uuid": "a"}).run_id() == "a"
    assert Fields({"run_uuid": "a", "run_id": "b"}).run_id() == "b"
    with pytest.raises(RefusedError, match="'run_id'"):
        Fields({"run_id": ""}).run_id()


def test_a_choice_is_one_of_its_names() -> None:
    assert Fields({"v": "ALL"}).choice("v", View, View.ACTIVE_ONLY) is View.ALL
    assert Fields({}).choice("v", View, View.ACTIVE_ONLY) is View.ACTIVE_ONLY


def test_the_number_of_results_has_bounds() -> None:
    assert Fields({}).max_results(100, 1000) == 100
    assert Fields({"max_results": "1000"}).max_results(100, 1000) == 1000
    for value in (0, 1001, -1):
        with pytest.raises(RefusedError, match="at least 1 and at most 1000"):
            Fields({"max_results": value}).max_results(100, 1000)
