"""Canonical JSON (RFC 8785): one text for one document, so that its digest can be an identity."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_LARGEST = 2**53 - 1


def canonical_json(document: Any) -> str:
    """The one text of a document of JSON types: keys by their UTF-16 code units, no spaces, the shortest escapes.

    Raises TypeError for numbers with a fraction and ValueError for those that JSON readers round: bis writes none
    into what it signs, so the number format of RFC 8785 (section 3.2.2.3) is not needed. Text that is no Unicode is
    escaped, as ES2019 does, where RFC 8785 would refuse it.
    """
    text = json.dumps(_ordered(document), separators=(",", ":"), ensure_ascii=False)
    return _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def digest_of(document: Any) -> str:
    """The SHA-256 of a document, 64 hex digits, over its canonical JSON in UTF-8."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value, key=_code_units)}
    if isinstance(value, (list, tuple)):
        return [_ordered(each) for each in value]
    if isinstance(value, float):
        raise TypeError(f"{value} has no place in canonical JSON here")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ValueError(f"{value} is beyond what every JSON reader keeps")
    return value


def _code_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
