"""Keys and values as a server takes them: refused at the call, where the mistake is."""

from __future__ import annotations

import re

from bis.client.connection import say
from bis.client.errors import RefusedError

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KEY = re.compile(r"[/\w.\- :]+")
_KEY_LENGTH, _PARAM_LENGTH, _TAG_LENGTH = 250, 6000, 8000  # MLflow's limits (3.17)
_INT64 = 2**63


def checked_key(key: Any, what: str) -> str:
    """The key, which a server takes: MLflow's rules."""
    text = str(key)
    if not _KEY.fullmatch(text):
        raise _refusal(
            "{!r} is no name of a {}: there may be letters, digits, and _ - . : / and spaces in it".format(
                text[:100], what
            )
        )
    if "/" in text or "." in text:
        parts = text.split("/")
        if not {"", ".", ".."}.isdisjoint(parts):
            raise _refusal(
                "{!r} is no name of a {}: it would be no path below its run".format(text[:100], what)
            )
    if len(text) > _KEY_LENGTH:
        raise _refusal(
            "the name of a {} has at most {} characters: {!r}...".format(what, _KEY_LENGTH, text[:100])
        )
    return text


def metric_value(key: str, value: Any) -> float:
    """The value of a metric as a number; arrays and tensors with one element are numbers."""
    if not isinstance(value, (str, bytes)):
        try:
            return float(value)
        except (TypeError, ValueError, OverflowError):
            pass
    shown = repr(value)
    raise _refusal("the metric {!r} is no number: {}".format(key, shown[:100]))


def whole_number(what: str, value: Any, least: int = -_INT64) -> int:
    """A step or a time, as a 64-bit integer."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = _INT64
    if not least <= number < _INT64:
        raise _refusal(
            "{} {!r} is no whole number of 64 bits{}".format(what, value, "" if least else " from 0 on")
        )
    return number


def text_of_param(key: str, value: Any) -> str:
    """The text of a parameter, cut at what a server takes, as MLflow's client does."""
    return _cut("parameter", key, str(value), _PARAM_LENGTH)


def checked_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """The tags as text."""
    return {checked_key(key, "tag"): _cut("tag", key, str(value), _TAG_LENGTH) for key, value in tags.items()}


def _cut(what: str, key: str, text: str, most: int) -> str:
    if len(text) <= most:
        return text
    say("the {} {!r} has {} characters: the first {} are kept".format(what, key, len(text), most))
    return text[:most]


def _refusal(message: str) -> RefusedError:
    return RefusedError(message, "INVALID_PARAMETER_VALUE")
