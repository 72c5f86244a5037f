"""Which values a type takes. Only what the user passes is checked; a default is passed as it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.errors import ParameterError
from bis.projects import Parameter
from bis.projects.parameters import has_scheme, is_known_type, type_fault

NUMBERS = ["0.01", "1e-3", "inf", "-inf", "nan", "5", "-5", ".5", "1_000.5"]
WHOLE = ["0", "-5", "+5", "007", "1_000"]
TRUTHS = ["true", "False", "TRUE", "1", "0", "yes", "No"]
TAKEN = {
    "float": NUMBERS,
    "number": NUMBERS,
    "int": WHOLE,
    "integer": WHOLE,
    "bool": TRUTHS,
    "boolean": TRUTHS,
    "str": ["", "a b", "5"],
    "string": ["", "a b", "5"],
    "list[int]": ["[1, 2]", "anything"],
    "enum": ["anything"],
    "uri": ["s3://b/k", "http://h", "runs:/1/a", "file:///x", "a:b"],
}
NOT_NUMBERS = ["", "abc", "1,5", "0x10", "1.2.3", "None"]
REFUSED = {
    "float": NOT_NUMBERS,
    "number": NOT_NUMBERS,
    "int": [*NOT_NUMBERS, "1.5", "10.0", "1e3"],
    "integer": [*NOT_NUMBERS, "1.5", "10.0", "1e3"],
    "bool": ["", "2", "maybe", "truee", "None"],
    "boolean": ["", "2"],
    "uri": ["", "data.csv", "/data", "://x", "1a:b"],
}


@pytest.mark.parametrize(("type_name", "value"), [(t, v) for t, values in TAKEN.items() for v in values])
def test_a_type_takes_its_values(type_name: str, value: str) -> None:
    assert type_fault(type_name, value) is None


@pytest.mark.parametrize(("type_name", "value"), [(t, v) for t, values in REFUSED.items() for v in values])
def test_a_type_refuses_other_values(type_name: str, value: str) -> None:
    with pytest.raises(ParameterError, match="for parameter 'x': expected"):
        Parameter("x", type_name, None).check(value)


@given(st.floats())
def test_every_float_is_a_float(number: float) -> None:
    assert type_fault("float", repr(number)) is None


@given(st.integers())
def test_every_whole_number_is_an_int(number: int) -> None:
    assert type_fault("int", repr(number)) is None


def test_the_text_of_the_default_is_always_taken() -> None:
    Parameter("x", "int", "None").check("None")


def test_choices_compare_numbers_as_numbers() -> None:
    parameter = Parameter("x", "float", None, choices=("0.1", "0.2"))
    parameter.check("0.10")
    with pytest.raises(ParameterError, match=r"'0\.3' for parameter 'x': expected one of 0\.1, 0\.2"):
        parameter.check("0.3")


@pytest.mark.parametrize(
    ("value", "message"),
    [("0", "expected at least 1"), ("11", "expected at most 10"), ("nan", "expected at least 1")],
)
def test_a_value_outside_of_the_limits_is_refused(value: str, message: str) -> None:
    parameter = Parameter("x", "float", None, minimum=1, maximum=10)
    parameter.check("1")
    parameter.check("10")
    with pytest.raises(ParameterError, match=message):
        parameter.check(value)


def test_limits_ask_for_a_number() -> None:
    with pytest.raises(ParameterError, match="expected a number"):
        Parameter("x", "string", None, minimum=1).check("a")


def test_a_long_value_is_not_shown_whole() -> None:
    with pytest.raises(ParameterError) as error:
        Parameter("x", "int", None).check("a" * 10_000)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("name", ["list[int]", "list[float]", "list[list[str]]", "int", "path"])
def test_a_type_is_known(name: str) -> None:
    assert is_known_type(name)


@pytest.mark.parametrize("name", ["Int", "list", "dict", ""])
def test_a_type_is_unknown(name: str) -> None:
    assert not is_known_type(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("s3://b", True), ("a+b-c.d:x", True), ("é:x", False), ("a b:c", False), (":x", False), ("C", False)],
)
def test_a_scheme_is_seen(value: str, expected: bool) -> None:
    assert has_scheme(value) is expected
