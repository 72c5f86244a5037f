"""When two texts are the same value of a parameter.

A project's parameters are logged by bis as the user wrote them, and again by the script as it read them:
``0.10`` comes back as ``0.1``, ``'hello world'`` without its quotes, ``true`` as ``True``. None of these is a
change.
"""

from __future__ import annotations

import math
import re

_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(
    r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf(inity)?|nan)", re.IGNORECASE
)


def same_value(one: str, other: str) -> bool:
    """Whether the texts mean one value: equal as text, as number, as truth value, or without a shell's
    quotes.

    >>> same_value("1e-1", "0.10"), same_value("''", ""), same_value("a", "A") (True, True, False)
    """
    if one == other:
        return True
    one, other = _unquoted(one), _unquoted(other)
    return one == other or _same_number(one, other) or _same_truth(one, other)


def _unquoted(text: str) -> str:
    """The text without the quotes that a shell would take off, when it has exactly these."""
    if not text.startswith("'"):
        return text
    import shlex  # only for a value that differs

    inner = text[1:-1].replace("'\"'\"'", "'")
    return inner if shlex.quote(inner) == text else text


def _same_number(one: str, other: str) -> bool:
    if not (_NUMBER.fullmatch(one) and _NUMBER.fullmatch(other)):
        return False
    if _INTEGER.fullmatch(one) and _INTEGER.fullmatch(other):
        return one.lstrip("+-0") == other.lstrip("+-0") and (
            _is_zero(one) or (one[0] == "-") == (other[0] == "-")
        )
    left, right = float(one), float(other)
    return left == right or (math.isnan(left) and math.isnan(right))


def _is_zero(integer: str) -> bool:
    return not integer.lstrip("+-0")


def _same_truth(one: str, other: str) -> bool:
    return one.lower() == other.lower() and one.lower() in ("true", "false")
