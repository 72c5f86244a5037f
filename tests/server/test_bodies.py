"""Whatever stands in a request: it is taken, or refused in MLflow's JSON, and never a defect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.server.app import MOST_JSON_BYTES, TABLE
from bis.server.fields import MOST_JSON_DEPTH
from server.api import Known, body_schema, example, fill, path_of

if TYPE_CHECKING:
    from bis.server.routes import Route
    from bis_server import Served
    from raw_http import Reply, Wire

MLFLOW = "/api/2.0/mlflow"


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = {"a": [value]}
    return value


ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    1.5,
    2**63,
    10**30,
    float("inf"),
    "",
    "\0",
    "a\0b",
    "\ud800",
    "\U0001f600",
    "../../etc/passwd",
    "'; DROP TABLE runs; --",
    "x" * 100_000,
    [],
    [None],
    [[]],
    ["\0"],
    [{"key": None, "value": []}],
    {},
    {"a": {"b": 1}},
    _nested(20),
)
"""Values that a field may get although they are nothing for it."""


@pytest.fixture(scope="module")
def wire(served: Served) -> Wire:
    return served.wire()


@pytest.fixture(scope="module")
def known(wire: Wire) -> Known:
    return fill(wire)


def _is_well_answered(reply: Reply) -> bool:
    if reply.status == 200:
        return isinstance(reply.json, dict)
    return 400 <= reply.status < 500 and sorted(reply.json) == ["error_code", "message"]


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


WITH_BODIES = [route for route in TABLE.routes if route.method != "GET"]


@pytest.mark.parametrize("route", WITH_BODIES, ids=_name)
def test_every_field_may_hold_anything(wire: Wire, known: Known, route: Route) -> None:
    body, path = example(body_schema(route), known), path_of(route, known)
    for field in body:
        for value in ODD:
            reply = wire.ask(route.method, path, {**body, field: value})
            assert _is_well_answered(reply), (field, value if len(str(value)) < 200 else "long", reply)


@pytest.mark.parametrize("route", WITH_BODIES, ids=_name)
def test_every_field_of_an_object_may_hold_anything(wire: Wire, known: Known, route: Route) -> None:
    body, path = example(body_schema(route), known), path_of(route, known)
    for field, items in body.items():
        for name in items[0] if isinstance(items, list) and isinstance(items[0], dict) else ():
            for value in ODD:
                reply = wire.ask(route.method, path, {**body, field: [{**items[0], name: value}]})
                assert _is_well_answered(reply), (field, name, value, reply)


@pytest.mark.parametrize("route", [route for route in TABLE.routes if route.method == "GET"], ids=_name)
def test_every_field_of_a_query_may_hold_anything(wire: Wire, known: Known, route: Route) -> None:
    query, path = example(body_schema(route), known), path_of(route, known)
    for field in query:
        for value in (
            "",
            "%00",
            "%ff",
            "%ED%A0%80",
            "-1",
            "9" * 30,
            "x" * 20_000,
            "..%2f..",
            "%2525",
            "true",
        ):
            rest = urlencode({name: of for name, of in query.items() if name != field}, doseq=True)
            for asked in (f"{rest}&{field}={value}", f"{rest}&{field}={value}&{field}={value}"):
                reply = wire.ask("GET", f"{path}?{asked}")
                assert _is_well_answered(reply), (asked[:300], reply)


@pytest.mark.parametrize("value", ["%00", "a%00b", "%ff", "%F0%9F%98%80", "..", "%2e%2e%2f", "'", "x" * 5000])
def test_a_name_in_a_path_may_be_anything(wire: Wire, value: str) -> None:
    for route in TABLE.routes:
        if "{" in route.path:
            path = path_of(route, Known({"model_id": value, "tag_key": value}))
            reply = wire.ask(route.method, path, None if route.method == "GET" else {"status": "x"})
            assert _is_well_answered(reply), (path, reply)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"[1]",
        b'"text"',
        b'"[1]"',
        b"3",
        b"null",
        b"true",
        b"NaN",
        b"{",
        b"{}{}",
        b"{'a': 1}",
        b'{"a": 1,}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf",
        b'{"a": "\xff"}',
        b"\0",
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"name":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"a":1' + b"0" * 5000 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_a_body_that_is_no_object_is_refused_everywhere(wire: Wire, known: Known, body: bytes) -> None:
    for route in WITH_BODIES:
        reply = wire.ask(route.method, path_of(route, known), body)
        assert (reply.status, reply.code in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")) == (400, True)


def test_objects_may_lie_in_each_other_as_deep_as_it_is_said(wire: Wire) -> None:
    for depth, status in ((MOST_JSON_DEPTH // 2 - 1, 200), (MOST_JSON_DEPTH // 2 + 1, 400), (2000, 400)):
        body = b'{"x":' + b'{"a":[' * depth + b"1" + b"]}" * depth + b"}"
        assert wire.ask("POST", f"{MLFLOW}/runs/create", body).status == status


@pytest.mark.parametrize("path", ["runs", "logged-models"])
def test_a_search_is_refused_before_a_database_has_too_many_values_to_compare(wire: Wire, path: str) -> None:
    datasets = [{"dataset_name": str(number), "dataset_digest": "x"} for number in range(20)]
    compared = " OR ".join(f"metrics.`{number}` > 1" for number in range(500))
    search = {"filter": compared, "datasets": datasets}
    for count, status in ((50_000, 200), (50_001, 400)):
        ids = [str(number) for number in range(count)]
        reply = wire.ask("POST", f"{MLFLOW}/{path}/search", {"experiment_ids": ids, **search})
        assert reply.status == status, reply


def test_of_a_key_that_is_there_twice_the_last_counts(wire: Wire) -> None:
    body = b'{"name": "a", "experiment_id": "0", "run_name": "one", "run_name": "two"}'
    run = wire.ask("POST", f"{MLFLOW}/runs/create", body).json["run"]
    assert run["info"]["run_name"] == "two"


def test_a_body_has_a_largest_size_and_a_batch_a_smaller_one(wire: Wire, known: Known) -> None:
    batch = {"run_id": known.names["run_id"], "x": "y" * 1_000_000}
    reply = wire.ask("POST", f"{MLFLOW}/runs/log-batch", batch)
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
    assert "Batched logging API requests must be at most 1000000 bytes" in reply.json["message"]
    wire.socket.sendall(
        f"POST {MLFLOW}/runs/create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {wire.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {MOST_JSON_BYTES + 1}\r\n\r\n".encode()
    )
    assert wire.reply().status == 400  # before it is sent
    wire.reconnect()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_is_well_answered(wire: Wire, known: Known, data: st.DataObject) -> None:
    route = data.draw(st.sampled_from(WITH_BODIES))
    body = example(body_schema(route), known)
    for field in data.draw(st.lists(st.sampled_from(sorted(body) or ["x"]), max_size=3)):
        body[field] = data.draw(JSON)
    reply = wire.ask(route.method, path_of(route, known), json.dumps(body).encode())
    assert _is_well_answered(reply), (body, reply)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), path=st.binary(max_size=60))
def test_any_bytes_are_well_answered(wire: Wire, content: bytes, path: bytes) -> None:
    reply = wire.ask("POST", f"{MLFLOW}/runs/log-batch", content)
    assert _is_well_answered(reply), (content, reply)
    reply = wire.ask("GET", f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}")
    assert reply.status in (200, 400, 404), (path, reply)
