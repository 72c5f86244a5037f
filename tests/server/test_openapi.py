"""The OpenAPI document is current and whole, and the server keeps to it, whatever it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from bis.server.app import TABLE
from bis.server.openapi import PATH, document_json
from server.api import body_schema, document, example, fill, operation, path_of

if TYPE_CHECKING:
    from bis.server.routes import Route
    from bis_server import Served
    from raw_http import Wire
    from server.api import Known

FILE = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NEEDED = """
POST experiments/create; GET experiments/get; GET experiments/get-by-name; POST experiments/search;
GET experiments/search; GET experiments/list; POST experiments/delete; POST experiments/restore;
POST experiments/update; POST experiments/set-experiment-tag; POST experiments/delete-experiment-tag;
POST experiments/search-datasets; POST runs/create; GET runs/get; POST runs/update; POST runs/delete;
POST runs/restore; POST runs/search; POST runs/log-metric; POST runs/log-parameter; POST runs/set-tag;
POST runs/delete-tag; POST runs/log-batch; POST runs/log-inputs; POST runs/outputs; POST runs/log-model;
GET metrics/get-history; GET metrics/get-history-bulk; GET metrics/get-history-bulk-interval; GET artifacts/list;
POST logged-models; POST logged-models/search; GET logged-models/{model_id}; PATCH logged-models/{model_id};
DELETE logged-models/{model_id}; PATCH logged-models/{model_id}/tags;
DELETE logged-models/{model_id}/tags/{tag_key}; POST logged-models/{model_id}/params;
GET logged-models/{model_id}/artifacts/directories; POST registered-models/create; GET registered-models/get;
POST registered-models/rename; PATCH registered-models/update; DELETE registered-models/delete;
GET registered-models/search; GET registered-models/list; POST registered-models/get-latest-versions;
GET registered-models/get-latest-versions; POST registered-models/set-tag; DELETE registered-models/delete-tag;
POST registered-models/alias; DELETE registered-models/alias; GET registered-models/alias;
POST model-versions/create; GET model-versions/get; PATCH model-versions/update;
POST model-versions/transition-stage; DELETE model-versions/delete; GET model-versions/search;
GET model-versions/get-download-uri; POST model-versions/set-tag; DELETE model-versions/delete-tag;
GET server-info
"""
"""What MLflow's clients call in the groups (i) to (v) of issue 4, below ``mlflow/``."""


@pytest.fixture(scope="module")
def wire(served: Served) -> Wire:
    return served.wire()


@pytest.fixture(scope="module")
def known(wire: Wire) -> Known:
    return fill(wire)


def test_the_file_is_current() -> None:
    assert FILE.read_bytes() == document_json(TABLE), "run `make docs`"


def test_the_server_has_it(wire: Wire) -> None:
    assert wire.ask("GET", PATH).body == document_json(TABLE)


def test_every_endpoint_that_mlflows_clients_need_is_there() -> None:
    wanted = {tuple(word.split()) for word in NEEDED.split(";")}
    have = {(route.method, route.path.removeprefix("mlflow/")) for route in TABLE.routes}
    assert wanted <= have
    assert {path for _, path in have - wanted} == {"bis/runs/move", "mlflow-artifacts/artifacts"}


def _name(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.mark.parametrize("root", ["/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0", "/api/2.0/preview"])
def test_every_endpoint_is_reached_by_every_root(wire: Wire, known: Known, root: str) -> None:
    for route in TABLE.routes:
        path = path_of(route, known).replace("/api/2.0", root)
        reply = wire.ask(route.method, path, None if route.method == "GET" else {"name": "no"})
        assert reply.code != "ENDPOINT_NOT_FOUND", path


LAST_DELETES: list[Route] = sorted(TABLE.routes, key=lambda route: route.method == "DELETE")


@pytest.mark.parametrize("route", LAST_DELETES, ids=_name)
def test_an_answer_has_the_shape_that_the_document_says(wire: Wire, known: Known, route: Route) -> None:
    body, path = example(body_schema(route), known), path_of(route, known)
    if route.method == "GET":
        path, body = f"{path}?{urlencode(body, doseq=True)}", None
    reply = wire.ask(route.method, path, body)
    assert reply.status < 500
    described = operation(route)["responses"]["200"]["content"]["application/json"]["schema"]
    if reply.status != 200:
        described = {"$ref": "#/components/schemas/Error"}
    jsonschema.validate(reply.json, {**described, "components": document()["components"]})


schema = schemathesis.openapi.from_dict(document())


def _hold(case: Any, served: Served, known: Known) -> None:
    """Ask, with names of what is there in most requests, and hold the answer against the document."""
    if isinstance(case.body, dict):
        case.body.update(
            {name: known.names[name] for name in ("run_id", "name", "version") if name in case.body}
        )
    headers = {"Authorization": f"Bearer {served.token}"} if served.token else {}
    case.call_and_validate(base_url=served.url, headers=headers, checks=CHECKS)


@schema.parametrize()
@settings(max_examples=2, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_some_requests_of_every_kind(case: Any, served: Served, known: Known) -> None:
    _hold(case, served, known)


@pytest.mark.slow
@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_many_requests_of_every_kind(case: Any, served: Served, known: Known) -> None:
    _hold(case, served, known)
