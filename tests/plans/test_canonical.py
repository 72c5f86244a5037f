from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.plans.canonical import canonical_json, digest_of

DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"b": 1, "a": [True, None, "x"]}, '{"a":[true,null,"x"],"b":1}'),
        ((), "[]"),
        # RFC 8785, 3.2.2.2: the escapes of strings
        ("€$\x0f\nA'B\"\\\\\"/", '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
        ("\b\t\n\f\r\x7f\u2028", '"\\b\\t\\n\\f\\r\x7f\u2028"'),
        ("\ud800", '"\\ud800"'),
        # RFC 8785, 3.2.3: names are sorted by UTF-16 code units
        (
            {
                "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh",
                "1": "One", "\U0001f600": "Emoji: Grinning Face", "\x80": "Control",
                "\u00f6": "Latin Small Letter O With Diaeresis",
            },
            '{"\\r":"Carriage Return","1":"One","\x80":"Control","\u00f6":"Latin Small Letter O With Diaeresis",'
            '"\u20ac":"Euro Sign","\U0001f600":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
        ),
    ],
)  # fmt: skip
def test_a_document_has_the_text_of_rfc_8785(document: object, text: str) -> None:
    assert canonical_json(document) == text


@given(DOCUMENTS)
def test_the_text_is_read_back_as_the_document(document: object) -> None:
    assert json.loads(canonical_json(document)) == document


@given(st.dictionaries(st.text(), st.integers(0, 9)))
def test_the_order_of_keys_does_not_count(document: dict[str, int]) -> None:
    turned = dict(reversed(list(document.items())))
    assert digest_of(turned) == digest_of(document)


def test_numbers_that_readers_would_round_are_refused() -> None:
    with pytest.raises(TypeError, match=r"0\.5"):
        canonical_json({"a": 0.5})
    with pytest.raises(ValueError, match="9007199254740992"):
        canonical_json(2**53)


def test_a_digest_is_that_of_the_text() -> None:
    assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
