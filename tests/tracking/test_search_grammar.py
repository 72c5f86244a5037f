"""The language of searches: what is read, and the place of every mistake."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.tracking import RefusedError, search_grammar
from bis.tracking.search_grammar import (
    AllOf,
    AnyOf,
    Comparison,
    Identifier,
    Not,
    Order,
    parse_filter,
    parse_order,
)
from bis.tracking.search_tokens import LONGEST


@pytest.mark.parametrize(
    ("text", "comparison"),
    [
        ("metrics.loss < 1", Comparison(Identifier("metric", "loss", 1), "<", (1,), 14)),
        ("metric.a.b/c>=-1.5e3", Comparison(Identifier("metric", "a.b/c", 1), ">=", (-1500.0,), 13)),
        ("metrics.val-loss=+1", Comparison(Identifier("metric", "val-loss", 1), "=", (1,), 17)),
        ("metrics.m == 1e-3", Comparison(Identifier("metric", "m", 1), "=", (0.001,), 11)),
        ("metrics.m <> -inf", Comparison(Identifier("metric", "m", 1), "!=", (-math.inf,), 11)),
        ("metrics.m < Infinity", Comparison(Identifier("metric", "m", 1), "<", (math.inf,), 11)),
        ("params.`my key` = 'x'", Comparison(Identifier("param", "my key", 1), "=", ("x",), 17)),
        ("params.größe = 'x'", Comparison(Identifier("param", "größe", 1), "=", ("x",), 14)),
        ('parameter."a" != "b"', Comparison(Identifier("param", "a", 1), "!=", ("b",), 15)),
        ("status = 'RUNNING'", Comparison(Identifier("attribute", "status", 1), "=", ("RUNNING",), 8)),
        ("`run name` ilike '%x'", Comparison(Identifier("attribute", "run name", 1), "ILIKE", ("%x",), 12)),
        ("tags.t NOT LIKE '%x'", Comparison(Identifier("tag", "t", 1), "NOT LIKE", ("%x",), 8)),
        ("tags.t = 'it''s'", Comparison(Identifier("tag", "t", 1), "=", ("it's",), 8)),
        ('tags.t = "a ""b"""', Comparison(Identifier("tag", "t", 1), "=", ('a "b"',), 8)),
        ("run_id in ('a', 'b')", Comparison(Identifier("attribute", "run_id", 1), "IN", ("a", "b"), 8)),
        ("run_id NOT IN ('a')", Comparison(Identifier("attribute", "run_id", 1), "NOT IN", ("a",), 8)),
        ("metrics.m not between 1 AND 2", Comparison(Identifier("metric", "m", 1), "NOT BETWEEN", (1, 2), 11)),
        ("tags.t IS NOT NULL", Comparison(Identifier("tag", "t", 1), "IS NOT NULL", (), 8)),
        ("tags.t is null", Comparison(Identifier("tag", "t", 1), "IS NULL", (), 8)),
        ("dataset.name = 'x'", Comparison(Identifier("dataset", "name", 1), "=", ("x",), 14)),
        ("(((tags.t is null)))", Comparison(Identifier("tag", "t", 4), "IS NULL", (), 11)),
        ("end_time > 9223372036854775807", Comparison(Identifier("attribute", "end_time", 1), ">", (2**63 - 1,), 10)),
        ("end_time > 9223372036854775808", Comparison(Identifier("attribute", "end_time", 1), ">", (2.0**63,), 10)),
    ],
)  # fmt: skip
def test_a_comparison_is_read(text: str, comparison: Comparison) -> None:
    assert parse_filter(text) == comparison


def _shown(tree: search_grammar.Condition) -> str:
    """The tree with the keys of its comparisons, everything in parentheses."""
    if isinstance(tree, Comparison):
        return tree.identifier.key
    if isinstance(tree, Not):
        return f"!{_shown(tree.condition)}"
    return "(" + ("|" if isinstance(tree, AnyOf) else "&").join(map(_shown, tree.conditions)) + ")"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A and B", "(a&b)"),
        ("A OR B AND C OR D", "(a|(b&c)|d)"),
        ("(A OR B) AND C", "((a|b)&c)"),
        ("NOT A AND B", "(!a&b)"),
        ("NOT (A AND not B)", "!(a&!b)"),
        ("A AND B AND", "(a&b)"),
        ("metrics.a between 1 and 2 and B", "(a&b)"),
    ],
)
def test_and_binds_closer_than_or_and_not_closer_than_both(text: str, shown: str) -> None:
    written = re.sub(r"\b[A-D]\b", lambda found: f"metrics.{found[0].lower()} > 1", text)
    assert _shown(parse_filter(written)) == shown


@pytest.mark.parametrize("text", ["", "  \n ", "\t"])
def test_a_blank_filter_is_none(text: str) -> None:
    assert parse_filter(text) == AllOf(())


def test_an_and_at_the_end_is_taken_as_mlflow_takes_it() -> None:
    assert parse_filter("tags.a = 'b' and  ") == parse_filter("tags.a = 'b'")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("metrics.loss", 13),
        ("metrics.loss <", 15),
        ("metrics.loss ~ 3", 14),
        ("metrics.loss < three", 16),
        ("metrics.loss < 3x", 16),
        ("tags.a = 'b' tags.c = 'd'", 14),
        ("tags.a = 'b' OR", 16),
        ("(tags.a = 'b'", 14),
        ("(tags.a = 'b' AND)", 18),
        ("tags.a = 'b')", 13),
        ("()", 2),
        ("NOT", 4),
        ("tags.a = 'open", 10),
        ("tag.`open = 'x'", 5),
        ("things.a = 'b'", 1),
        ("metrics. < 3", 1),
        ("run_id IN 'a'", 11),
        ("run_id IN ('a'", 15),
        ("run_id IN ()", 12),
        ("run_id IN ('a',)", 16),
        ("tags.a IS 3", 11),
        ("tags.a NOT = 3", 12),
        ("metrics.a BETWEEN 1 OR 2", 21),
        ("AND tags.a = 'b'", 5),
        ("'a' = 'b'", 1),
        ("3 < metrics.loss", 1),
        ("tags.a = 'b\0'", 12),
    ],
)
def test_a_mistake_is_shown_by_its_column(text: str, column: int) -> None:
    with pytest.raises(RefusedError, match=rf"\(column {column}\)"):
        parse_filter(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(" * 10_000, "more than 50 parentheses"),
        ("NOT " * 10_000 + "tags.a = 'b'", "more than 50 parentheses"),
        (" OR ".join(["metrics.a > 1"] * 5_000), "more than 500 comparisons"),
        ("run_id IN (" + ",".join(["'a'"] * 6_000) + ")", "more than 5000 values"),
        ("tags.a = '" + "x" * LONGEST + "'", f"more than {LONGEST}"),
    ],
)
def test_what_is_too_large_is_refused_with_words(text: str, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        parse_filter(text)


@given(st.text(max_size=60) | st.text(alphabet="metricsparamstag.`'\"<>=!() ,0129andIN%\\\n", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_filter, parse_order):
        with contextlib.suppress(RefusedError):  # and nothing else is raised
            read(text)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("metrics.loss", Order(Identifier("metric", "loss", 1), ascending=True)),
        ("start_time desc", Order(Identifier("attribute", "start_time", 1), ascending=False)),
        (
            "params.`a b` AS NUMBER DESC",
            Order(Identifier("param", "a b", 1), ascending=False, as_number=True),
        ),
    ],
)
def test_an_order_is_read(text: str, order: Order) -> None:
    assert parse_order(text) == order


@pytest.mark.parametrize(
    "text", ["metrics.loss down", "metrics.loss as", "", "metrics.a, metrics.b", "metrics.a DESC ASC"]
)
def test_an_order_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RefusedError, match="order_by"):
        parse_order(text)


def test_the_page_about_searching_shows_this_grammar() -> None:
    page = Path(__file__).parents[2] / "docs" / "search.md"
    assert search_grammar.__doc__ is not None
    rules = [line.strip() for line in search_grammar.__doc__.splitlines() if line.startswith("    ")]
    shown = page.read_text(encoding="utf-8")
    assert rules
    assert [rule for rule in rules if rule not in shown] == []
