"""Checks a document against the published JSON Schema of plans, and names the place that is wrong.

It knows the words of JSON Schema that ``plan.schema.json`` uses and no others: a plan is read on the way of each
repetition, where a library for all of JSON Schema would cost more than the rest.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE = Path(__file__).with_name("plan.schema.json")

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}


@cache
def plan_schema() -> dict[str, Any]:
    """The JSON Schema of the format that this bis writes."""
    schema: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return schema


def first_fault(document: Any) -> str | None:
    """What is wrong with a plan, with its place (``inputs.local.data is no text``), or None when nothing is."""
    return next(_faults(document, plan_schema(), ""), None)


def _faults(value: Any, schema: Mapping[str, Any], place: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = plan_schema()["$defs"][schema["$ref"].rpartition("/")[2]]
    wrong = _own_fault(value, schema)
    if wrong:
        yield f"{place or 'the document'} {wrong}"
    elif isinstance(value, dict):
        yield from _object_faults(value, schema, place)
    elif isinstance(value, list) and "items" in schema:
        for index, each in enumerate(value):
            yield from _faults(each, schema["items"], f"{place}[{index}]")


def _own_fault(value: Any, schema: Mapping[str, Any]) -> str | None:
    types = schema.get("type", ())
    names = [types] if isinstance(types, str) else types
    if names and not any(_is(value, name) for name in names):
        return f"is not of the type {' or '.join(names)}"
    if "const" in schema and value != schema["const"]:
        return f"is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        return f"is none of {', '.join(map(repr, schema['enum']))}"
    if isinstance(value, str) and "pattern" in schema and not re.search(schema["pattern"], value):
        return "is not written as it has to be"
    if _is(value, "integer") and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return "is too small or too large"
    return None


def _object_faults(value: dict[str, Any], schema: Mapping[str, Any], place: str) -> Iterator[str]:
    before = f"{place}." if place else ""
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{before}{name} is missing"
    others = schema.get("additionalProperties", {})
    for name, each in value.items():
        if name not in properties and others is False:
            yield f"{before}{name} is not known"
        else:
            yield from _faults(each, properties.get(name, others), f"{before}{name}")


def _is(value: Any, name: str) -> bool:
    return isinstance(value, _TYPES[name]) and (name == "boolean" or not isinstance(value, bool))
