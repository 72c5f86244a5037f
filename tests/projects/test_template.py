"""Placeholders: ``str.format`` as far as it makes sense for a shell, and clear faults beyond it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.projects.shell import MARK
from bis.projects.template import parse

NAMES = {"x", "learning_rate", "a.b", "a[0]", "no"}


@pytest.mark.parametrize(
    ("command", "text", "names"),
    [
        ("", "", ()),
        ("{x}{no}", f"{MARK}{MARK}", ("x", "no")),
        ("{{x}} {{{x}}}", f"{{x}} {{{MARK}}}", ("x",)),
        ("{a.b} {a[0]}", f"{MARK} {MARK}", ("a.b", "a[0]")),
        ("{x!s} {x:s} {x!s:} {x:}", f"{MARK} {MARK} {MARK} {MARK}", ("x",) * 4),
        ("${HOME} ${1} ${@} ${#a[@]} ${A%.*}", "${HOME} ${1} ${@} ${#a[@]} ${A%.*}", ()),
        ("${x} ${{x}}", f"${MARK} ${{x}}", ("x",)),
        ("${{A:-{x}}}", f"${{A:-{MARK}}}", ("x",)),
        ("$(a) $b $", "$(a) $b $", ()),
    ],
)
def test_a_template_is_read(command: str, text: str, names: tuple[str, ...]) -> None:
    template = parse(command, NAMES)
    assert (template.text, template.names, template.fault) == (text, names, None)


@pytest.mark.parametrize(
    ("command", "found", "message"),
    [
        ("{y}", "{y}", "is not declared"),
        ("{}", "{}", "is not declared"),
        ("{ x }", "{ x }", "is not declared"),
        ("awk '{print $1}'", "{print $1}", "is not declared"),
        ("{x!r}", "{x!r}", "formats and attributes"),
        ("{x.__class__}", "{x.__class__}", "formats and attributes"),
        ("{x[0]}", "{x[0]}", "formats and attributes"),
        ("{x:.2f}", "{x:.2f}", "formats and attributes"),
        ("{x:{no}}", "{x:{no}", "formats and attributes"),
        ("a } b", "}", "a single '}'"),
        ("a { b", "{", "never closed"),
        ("a\0b", "command", "NUL"),
    ],
)
def test_a_fault_is_found(command: str, found: str, message: str) -> None:
    fault = parse(command, NAMES).fault
    assert fault is not None
    assert fault.text == found
    assert message in fault.message
    assert fault.hint


def test_a_misspelt_placeholder_is_guessed() -> None:
    fault = parse("{learning_rat}", NAMES).fault
    assert fault is not None
    assert fault.hint == "Did you mean 'learning_rate'?"


@given(st.text(alphabet="ab{} '\"\n", max_size=20))
def test_a_template_that_is_read_means_what_str_format_makes_of_it(command: str) -> None:
    values = {"a": "1", "b": "2", "ab": "3"}
    template = parse(command, values)
    if template.fault is None:
        text = template.text
        for name in template.names:
            text = text.replace(MARK, values[name], 1)
        assert text == command.format(**values)


@given(st.text(alphabet="ab{} ", max_size=12))
def test_what_str_format_reads_is_read(command: str) -> None:
    values = {"a": "1", "b": "2", "ab": "3"}
    try:
        command.format(**values)
    except (KeyError, IndexError, ValueError):
        return
    assert parse(command, values).fault is None
