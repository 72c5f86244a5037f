"""The API as a client may meet it: a server with something of everything, and requests that are right."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from bis.server.app import TABLE
from bis.server.openapi import document_json

if TYPE_CHECKING:
    from bis.server.routes import Route
    from raw_http import Wire

MLFLOW = "/api/2.0/mlflow"


@cache
def document() -> dict[str, Any]:
    """The OpenAPI document."""
    found: dict[str, Any] = json.loads(document_json(TABLE))
    return found


@dataclass(frozen=True)
class Known:
    """The names of what a server holds, by the names of the fields that ask for them."""

    names: dict[str, str]

    def value(self, field: str, schema: dict[str, Any]) -> Any:
        """A right value of a field."""
        if field in self.names:
            return self.names[field]
        return example(schema, self)


def fill(wire: Wire) -> Known:
    """Put an experiment, a run, files, a logged model and a registered one into the server."""
    run = wire.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"}).json["run"]["info"]
    run_id = run["run_id"]
    point = {"key": "m", "value": 1, "timestamp": 1}
    batch = {
        "run_id": run_id,
        "metrics": [point],
        "params": [{"key": "p", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    wire.ask("POST", f"{MLFLOW}/runs/log-batch", batch)
    wire.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/a.txt", b"a")
    model = wire.ask("POST", f"{MLFLOW}/logged-models", {"experiment_id": "0", "source_run_id": run_id})
    number = wire.ask("POST", f"{MLFLOW}/experiments/create", {"name": "second"}).json["experiment_id"]
    wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "iris"})
    source = {"name": "iris", "source": f"{run['artifact_uri']}/model", "run_id": run_id}
    wire.ask("POST", f"{MLFLOW}/model-versions/create", source)
    wire.ask("POST", f"{MLFLOW}/registered-models/alias", {"name": "iris", "alias": "best", "version": "1"})
    return Known(
        {
            "experiment_id": number,
            "run_id": run_id,
            "run_uuid": run_id,
            "source_run_id": run_id,
            "model_id": model.json["model"]["info"]["model_id"],
            "name": "iris",
            "version": "1",
            "alias": "best",
            "stage": "Staging",
            "experiment_name": "second",
            "metric_key": "m",
            "filter": "",
            "page_token": "",
            "model_json": "{}",
            "key": "k",
            "path": "a.txt",
            "source": "s3://bucket/model",
        }
    )


def example(schema: dict[str, Any], known: Known) -> Any:
    """A value that fits the schema."""
    if "$ref" in schema:
        return example(document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]], known)
    if "anyOf" in schema:
        return example(schema["anyOf"][0], known)
    if "enum" in schema:
        return schema["enum"][0]
    if schema["type"] == "array":
        return [example(schema["items"], known)]
    if schema["type"] == "object":
        return {name: known.value(name, of) for name, of in schema.get("properties", {}).items()}
    return {"string": "a", "integer": 1, "number": 0.5, "boolean": False}[schema["type"]]


def operation(route: Route) -> dict[str, Any]:
    """What the document says of a route."""
    found: dict[str, Any] = document()["paths"][f"/api/2.0/{route.path}"][route.method.lower()]
    return found


def body_schema(route: Route) -> dict[str, Any]:
    """The schema of the route's body, or of its query as an object."""
    described = operation(route)
    if "requestBody" in described:
        schema: dict[str, Any] = described["requestBody"]["content"]["application/json"]["schema"]
        return schema
    query = [one for one in described.get("parameters", ()) if one["in"] == "query"]
    return {"type": "object", "properties": {one["name"]: one["schema"] for one in query}}


def path_of(route: Route, known: Known) -> str:
    """The path of a route with the names of what is there."""
    path = route.path
    for name in ("model_id", "tag_key"):
        path = path.replace(f"{{{name}}}", known.names.get(name, "t"))
    return f"/api/2.0/{path}"
