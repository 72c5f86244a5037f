"""The OpenAPI document of the server, made from the table of routes."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from bis._version import __version__
from bis.server.shapes import CHOICES, OBJECTS, REQUEST_OBJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.server.routes import Route, Table

Schema = dict[str, Any]

PATH = "/api/openapi.json"
"""Where the server has it."""

ROOT = "/api/2.0"
"""Where the document has the endpoints; it says by which other paths they are reached."""

_FIELD = re.compile(r"(?P<name>\w+)(?P<list1>\[\])?(?::(?P<type>\w+))?(?P<list2>\[\])?(?P<required>!)?")
_INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
_INTEGER_TEXT = {"type": "string", "pattern": "^[+-]?[0-9]{1,18}$"}
_NUMBER_TEXT = {"type": "string", "enum": ["NaN", "Infinity", "-Infinity"]}

_DESCRIPTION = """MLflow's REST protocol, for clients of every version from 1.20 on, and what bis adds to it.

Every path below `/api/2.0` is answered below `/api/3.0`, `/ajax-api/2.0` and `/ajax-api/3.0` as well, and each of them
with `/preview` after it, as MLflow 1.x has it. Fields that are not named here are ignored. A field that is null is
absent. Numbers of 64 bits may be sent as texts; NaN and the infinities are texts.

Every write can be sent again without harm, `log-batch` is whole or nothing, and the latest value of a metric is the one
with the highest step, then time, then value."""


def document_json(table: Table) -> bytes:
    """The document as it is served, and kept in ``docs/reference/openapi.json``."""
    return _document_json(table.routes)


@cache
def _document_json(routes: tuple[Route, ...]) -> bytes:
    return json.dumps(document(routes), indent=1, ensure_ascii=False).encode() + b"\n"


def document(routes: tuple[Route, ...]) -> Schema:
    """The OpenAPI 3.1 document."""
    paths: dict[str, Schema] = dict(_other_paths())
    for route in routes:
        paths.setdefault(f"{ROOT}/{route.path}", {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "The tracking server of bis",
            "version": __version__,
            "description": _DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"basic": []}, {}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "basic": {"type": "http", "scheme": "basic", "description": "The password is the token."},
            },
            "schemas": {
                **{name: {"type": "string", "enum": list(words)} for name, words in CHOICES.items()},
                **{name: _object(fields, sent=False) for name, fields in OBJECTS.items()},
                **{name: _object(fields, sent=True) for name, fields in REQUEST_OBJECTS.items()},
            },
            "responses": {
                "Refused": {
                    "description": "Why it is refused; `error_code` is one of MLflow's",
                    "content": _json({"$ref": "#/components/schemas/Error"}),
                }
            },
        },
    }


def _operation(route: Route) -> Schema:
    name = re.sub(r"\W+", "_", f"{route.method.lower()} {route.path}").strip("_")
    operation: Schema = {
        "operationId": name,
        "tags": [route.path.split("/")[1]],
        "x-bis-writes": route.writes,
        "responses": _answers(_json(_object(route.gives, sent=False))),
    }
    parameters = _names(route.path)
    if route.method == "GET":
        parameters += _query(route.takes)
    elif route.takes:
        body = _object(route.takes, sent=True)
        operation["requestBody"] = {"required": bool(body.get("required")), "content": _json(body)}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _answers(content: Schema) -> Schema:
    return {
        "200": {"description": "Done", "content": content},
        "4XX": {"$ref": "#/components/responses/Refused"},
        "503": {"$ref": "#/components/responses/Refused"},
        "507": {"$ref": "#/components/responses/Refused"},
    }


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}


def _names(path: str) -> list[Schema]:
    return [
        {"name": part, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for part in re.findall(r"{(\w+)}", path)
    ]


def _query(fields: str) -> list[Schema]:
    return [
        {"name": name, "in": "query", "required": required, "schema": _schema(type_name, is_list, sent=False)}
        for name, type_name, is_list, required in _fields(fields)
    ]


def _object(fields: str, *, sent: bool) -> Schema:
    """The schema of an object; what clients send may have other fields, what they get has not."""
    properties, required = {}, []
    for name, type_name, is_list, must in _fields(fields):
        properties[name] = _schema(type_name, is_list, sent=sent)
        if must:
            required.append(name)
    found: Schema = {"type": "object", "properties": properties}
    if required:
        found["required"] = required
    if not sent:
        found["additionalProperties"] = False
    return found


def _fields(text: str) -> Iterator[tuple[str, str, bool, bool]]:
    """Name, type, whether it is a list, and whether it must be there."""
    for word in text.split():
        match = _FIELD.fullmatch(word)
        if match is None:
            raise ValueError(f"no field: {word}")
        is_list = bool(match["list1"] or match["list2"])
        yield match["name"], match["type"] or "text", is_list, bool(match["required"])


def _schema(type_name: str, is_list: bool, *, sent: bool) -> Schema:
    if is_list:
        return {"type": "array", "items": _schema(type_name, False, sent=sent)}
    if type_name == "text":
        return {"type": "string"}
    if type_name == "bool":
        return {"type": "boolean"}
    if type_name == "int":
        whole = {"type": "integer", "format": "int64", **_INT64}
        return {"anyOf": [whole, _INTEGER_TEXT]} if sent else whole
    if type_name == "number":
        return {"anyOf": [{"type": "number"}, _NUMBER_TEXT]}
    return {"$ref": f"#/components/schemas/{type_name}"}


def _other_paths() -> Iterator[tuple[str, Schema]]:
    """What is no JSON: texts, files, and this document."""
    for path in ("/health", "/version"):
        yield path, {"get": {"security": [{}], "responses": {"200": _content("text/plain", "A text")}}}
    yield (
        PATH,
        {"get": {"responses": {"200": _content("application/json", "This document", {"type": "object"})}}},
    )
    for path, fields in FILE_PATHS.items():
        yield path, {"get": {"parameters": [*_names(path), *_query(fields)], "responses": _file_answers()}}
    done = _answers(_json({"type": "object", "additionalProperties": False}))
    body = {"required": True, "content": {"application/octet-stream": {"schema": _BYTES}}}
    yield (
        f"{ROOT}/mlflow-artifacts/artifacts/{{path}}",
        {
            "parameters": _names("{path}"),
            "get": {"responses": _file_answers()},
            "put": {"requestBody": body, "responses": done},
            "delete": {"responses": done},
        },
    )


FILE_PATHS = {
    "/get-artifact": "path! run_id run_uuid",
    "/model-versions/get-artifact": "path! name! version!",
    "/ajax-api/2.0/mlflow/logged-models/{model_id}/artifacts/files": "artifact_file_path!",
}
"""Files by other names than their address, as MLflow's pages ask for them."""

_BYTES: Schema = {"type": "string", "format": "binary"}


def _content(kind: str, description: str, schema: Schema | None = None) -> Schema:
    return {"description": description, "content": {kind: {"schema": schema or {"type": "string"}}}}


def _file_answers() -> Schema:
    return {
        "200": _content("application/octet-stream", "The file, as an attachment", _BYTES),
        "206": _content("application/octet-stream", "The part of it that was asked for", _BYTES),
        "304": {"description": "The client has it already"},
        "416": {"description": "The file is shorter"},
        "4XX": {"$ref": "#/components/responses/Refused"},
        "507": {"$ref": "#/components/responses/Refused"},
    }
