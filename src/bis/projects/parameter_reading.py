"""Reads the ``parameters`` of an entry point, in every spelling that people use.

``{type:float, default:0.5}`` (no space after the colon), ``default="x"`` and ``{type str}`` are one key
without a value to YAML, and MLflow silently takes another meaning. Here they are read as meant, with a
warning.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bis.errors import ProjectError, did_you_mean
from bis.projects.parameters import TYPES, Parameter, is_known_type
from bis.projects.reading import Entry, Value, parse_scalar

if TYPE_CHECKING:
    from bis.projects.reading import Warn

_KEYS = ("type", "default", "description", "choices", "min", "max")
_RUN_TOGETHER = re.compile(r"(type|default|description)\s*[:=\s]\s*(.+)", re.DOTALL)


def read_parameters(value: Value, warn: Warn) -> tuple[Parameter, ...]:
    """The parameters in the order of the file; none for an empty ``parameters:``. Raises ProjectError."""
    if value.is_null:
        return ()
    if not value.is_mapping:
        raise ProjectError(
            "'parameters' must be a mapping from names to types",
            hint="Write one parameter a line, as   learning_rate: {type: float, default: 0.01}",
            where=value.position,
        )
    return tuple(_read(entry, warn) for entry in value.entries(warn).values())


def _read(entry: Entry, warn: Warn) -> Parameter:
    if not entry.is_string:
        warn(
            f"YAML reads the parameter name {entry.key!r} as a value, which MLflow cannot find again; "
            f'write "{entry.key}" between quotes',
            entry.position,
        )
    parameter = _from_mapping(entry, warn) if entry.value.is_mapping else _from_scalar(entry, warn)
    _warn_of_type(parameter, entry, warn)
    return parameter


def _from_scalar(entry: Entry, warn: Warn) -> Parameter:
    value = entry.value
    if value.is_null:
        warn(f"parameter {entry.key!r} has no type; it is read as a required string", entry.position)
        return Parameter(entry.key, "string", None, position=entry.position)
    text = value.document.construct(value.node)
    if not isinstance(text, str):
        raise ProjectError(
            f"parameter {entry.key!r} needs a type, and this is a value",
            hint=f"Write   {entry.key}: {{type: string, default: {value.text or '...'}}}",
            where=value.position,
        )
    return Parameter(entry.key, text, None, position=entry.position)


def _from_mapping(entry: Entry, warn: Warn) -> Parameter:
    fields: dict[str, str | None] = {}
    choices: tuple[str, ...] | None = None
    limits: dict[str, float | None] = {}
    for key, field in entry.value.entries(warn).items():
        if key == "choices":
            choices = _choices(field.value)
        elif key in ("min", "max"):
            limits[key] = _limit(key, field.value)
        elif key in _KEYS:
            fields[key] = field.value.printed
        else:
            fields.update(_run_together(entry, field, warn))
    return Parameter(
        entry.key,
        fields.get("type") or "string",
        fields.get("default"),
        description=fields.get("description"),
        choices=choices,
        minimum=limits.get("min"),
        maximum=limits.get("max"),
        position=entry.position,
    )


def _run_together(entry: Entry, field: Entry, warn: Warn) -> dict[str, str | None]:
    found = _RUN_TOGETHER.fullmatch(field.key) if field.value.is_null else None
    if found is None:
        guess = did_you_mean(field.key, _KEYS) or ""
        message = f"unknown key {field.key!r} of parameter {entry.key!r} is ignored. {guess}"
        warn(message.rstrip(), field.position)
        return {}
    key, text = found.group(1), found.group(2)
    warn(
        f"{field.key!r} is read as '{key}: {text}'; MLflow ignores it. Write a space after the colon",
        field.position,
    )
    return {key: parse_scalar(text)}


def _choices(value: Value) -> tuple[str, ...] | None:
    if value.is_null:
        return None
    if not value.is_list:
        raise ProjectError(
            "'choices' must be a list", hint="Write   choices: [a, b, c]", where=value.position
        )
    return tuple(str(item.printed) for item in value.items())


def _limit(key: str, value: Value) -> float | None:
    if value.is_null:
        return None
    try:
        return float(value.text or "")
    except ValueError as error:
        raise ProjectError(f"'{key}' must be a number", where=value.position) from error


def _warn_of_type(parameter: Parameter, entry: Entry, warn: Warn) -> None:
    if not is_known_type(parameter.type):
        guess = did_you_mean(parameter.type.lower(), TYPES) or ""
        message = (
            f"unknown type {parameter.type!r} of parameter {parameter.name!r} is read as string. {guess}"
        )
        warn(message.rstrip(), entry.value.position)
    fault = parameter.default_fault
    # "" and None stand for "not given" in many files
    if fault and parameter.default not in ("", "None", "null"):
        warn(
            f"the default {parameter.default!r} of parameter {parameter.name!r}: {fault}",
            entry.value.position,
        )
