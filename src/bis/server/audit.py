"""The audit log: who changed what, when, from where, and with what result.

It is a file of JSON lines and no table: it takes no part in the store's transactions, it survives a store that is
restored to an earlier state, and what ships logs away can read it. It has ids and names of keys, never the values of
parameters, tags or tokens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.server.asgi import Scope
    from bis.server.fields import Fields

_IDENTITIES = (
    "run_id",
    "run_uuid",
    "experiment_id",
    "experiment_name",
    "model_id",
    "name",
    "new_name",
    "version",
    "alias",
    "stage",
    "key",
)
_LONGEST = 250
_MADE = re.compile(rb'"(run_id|experiment_id|model_id|version)"\s*:\s*"([^"\\]{1,64})"')


def identities(scope: Scope) -> dict[str, str]:
    """What a request names, without what it says about it."""
    fields: Fields | None = scope.get("bis.fields")
    found = {} if fields is None else fields.words(_IDENTITIES)
    return {name: word[:_LONGEST] for name, word in found.items()}


def made(reply: bytes) -> dict[str, str]:
    """The ids that the answer to a creation gives."""
    ids: dict[str, str] = {}
    for name, value in _MADE.findall(reply[:4096]):
        ids.setdefault(name.decode(), value.decode("utf-8", "replace"))
    return ids
