"""Logged models and the registry over REST, by the paths of each generation of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from raw_http import Wire

MLFLOW = "/api/2.0/mlflow"
OLD = "/api/2.0/preview/mlflow"


@pytest.fixture
def model(wire: Wire, run_id: str) -> dict[str, Any]:
    """A logged model of a run."""
    body = {
        "experiment_id": "0",
        "name": "net",
        "source_run_id": run_id,
        "params": [{"key": "a", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    found: dict[str, Any] = wire.ask("POST", f"{MLFLOW}/logged-models", body).json["model"]
    return found


def test_the_life_of_a_logged_model(wire: Wire, run_id: str, model: dict[str, Any]) -> None:
    info = model["info"]
    number, path = info["model_id"], f"{MLFLOW}/logged-models/{info['model_id']}"
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/models/{number}/artifacts"
    assert (info["status"], info["source_run_id"]) == ("LOGGED_MODEL_PENDING", run_id)
    ready = wire.ask("PATCH", path, {"model_id": number, "status": "LOGGED_MODEL_READY"}).json
    assert ready["model"]["info"]["status"] == "LOGGED_MODEL_READY"
    wire.ask("PATCH", f"{path}/tags", {"tags": [{"key": "u", "value": "2"}]})
    assert wire.ask("DELETE", f"{path}/tags/t").status == 200
    wire.ask("POST", f"{path}/params", {"params": [{"key": "b", "value": "2"}]})
    outputs = {"run_id": run_id, "models": [{"model_id": number, "step": 1}]}
    wire.ask("POST", f"{MLFLOW}/runs/outputs", outputs)
    metric = {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1, "model_id": number}
    wire.ask("POST", f"{MLFLOW}/runs/log-metric", metric)
    found = wire.ask("GET", path).json["model"]
    assert found["info"]["tags"] == [{"key": "u", "value": "2"}]
    assert [param["key"] for param in found["data"]["params"]] == ["a", "b"]
    assert found["data"]["metrics"][0]["run_id"] == run_id
    run = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]
    assert run["outputs"] == {"model_outputs": [{"model_id": number, "step": 1}]}
    assert wire.ask("DELETE", path).status == 200
    assert wire.ask("GET", path).code == "RESOURCE_DOES_NOT_EXIST"


def test_logged_models_are_searched_and_listed(wire: Wire, model: dict[str, Any]) -> None:
    number = model["info"]["model_id"]
    body = {
        "experiment_ids": ["0"],
        "filter": "name = 'net'",
        "order_by": [{"field_name": "creation_time", "ascending": False}],
    }
    found = wire.ask("POST", f"{MLFLOW}/logged-models/search", body).json
    assert [item["info"]["model_id"] for item in found["models"]] == [number]
    wire.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/models/{number}/artifacts/sub/MLmodel", b"x")
    listed = wire.ask(
        "GET", f"{MLFLOW}/logged-models/{number}/artifacts/directories?artifact_directory_path=sub"
    ).json
    assert listed["files"] == [{"path": "sub/MLmodel", "is_dir": False, "file_size": 1}]


def test_logged_models_are_searched_by_the_datasets_of_their_metrics(
    wire: Wire, run_id: str, model: dict[str, Any]
) -> None:
    number = model["info"]["model_id"]
    point = {"run_id": run_id, "key": "acc", "value": 0.5, "timestamp": 1, "model_id": number}
    wire.ask("POST", f"{MLFLOW}/runs/log-metric", {**point, "dataset_name": "a", "dataset_digest": "1"})
    search = {"experiment_ids": ["0"], "filter": "metrics.acc > 0"}
    for datasets, found in (
        ([{"dataset_name": "a"}], 1),
        ([{"dataset_name": "b"}, {"dataset_name": "a", "dataset_digest": "1"}], 1),
        ([{"dataset_name": "a", "dataset_digest": "2"}], 0),
    ):
        reply = wire.ask("POST", f"{MLFLOW}/logged-models/search", {**search, "datasets": datasets})
        assert len(reply.json.get("models", ())) == found
    order = [{"field_name": "metrics.acc", "dataset_name": "b"}]
    reply = wire.ask("POST", f"{MLFLOW}/logged-models/search", {**search, "order_by": order})
    assert len(reply.json["models"]) == 1
    for wrong in ([{"dataset_digest": "1"}], [{"dataset_name": "a"}] * 21):
        reply = wire.ask("POST", f"{MLFLOW}/logged-models/search", {**search, "datasets": wrong})
        assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")


def test_models_and_datasets_are_inputs(wire: Wire, run_id: str, model: dict[str, Any]) -> None:
    dataset = {"name": "iris", "digest": "d", "source_type": "local", "source": "{}"}
    body = {
        "run_id": run_id,
        "datasets": [{"tags": [{"key": "mlflow.data.context", "value": "eval"}], "dataset": dataset}],
        "models": [{"model_id": model["info"]["model_id"]}],
    }
    assert wire.ask("POST", f"{MLFLOW}/runs/log-inputs", body).json == {}
    inputs = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]["inputs"]
    assert inputs["dataset_inputs"] == [{"dataset": dataset, "tags": body["datasets"][0]["tags"]}]  # type: ignore[index]
    assert inputs["model_inputs"] == [{"model_id": model["info"]["model_id"]}]


def test_a_model_of_mlflow_1_and_2_is_a_tag(wire: Wire, run_id: str) -> None:
    body = {"run_id": run_id, "model_json": '{"artifact_path": "model"}'}
    assert wire.ask("POST", f"{MLFLOW}/runs/log-model", body).json == {}
    tags = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]["data"]["tags"]
    assert {"key": "mlflow.log-model.history", "value": '[{"artifact_path": "model"}]'} in tags


@pytest.mark.parametrize("root", [MLFLOW, OLD])
def test_the_registry(wire: Wire, root: str) -> None:
    models, versions = f"{root}/registered-models", f"{root}/model-versions"
    created = wire.ask("POST", f"{models}/create", {"name": "iris", "description": "flowers"}).json
    assert created["registered_model"]["description"] == "flowers"
    assert wire.ask("POST", f"{models}/create", {"name": "iris"}).code == "RESOURCE_ALREADY_EXISTS"
    source = {"name": "iris", "source": "mlflow-artifacts:/0/r/artifacts/model", "run_id": "r"}
    version = wire.ask("POST", f"{versions}/create", source).json["model_version"]
    assert (version["version"], version["status"], version["current_stage"]) == ("1", "READY", "None")
    wire.ask("POST", f"{versions}/create", source)
    one = {"name": "iris", "version": "1"}
    moved = wire.ask("POST", f"{versions}/transition-stage", {**one, "stage": "Production"}).json
    assert moved["model_version"]["current_stage"] == "Production"
    wire.ask("POST", f"{versions}/set-tag", {**one, "key": "a", "value": "b"})
    wire.ask("PATCH", f"{versions}/update", {**one, "description": "first"})
    wire.ask("POST", f"{models}/alias", {**one, "alias": "best"})
    wire.ask("POST", f"{models}/set-tag", {"name": "iris", "key": "c", "value": "d"})
    wire.ask("PATCH", f"{models}/update", {"name": "iris", "description": "roses"})
    found = wire.ask("GET", f"{versions}/get?name=iris&version=1").json["model_version"]
    assert (found["tags"], found["aliases"]) == ([{"key": "a", "value": "b"}], ["best"])
    assert found["description"] == "first"
    assert wire.ask("GET", f"{models}/alias?name=iris&alias=best").json["model_version"]["version"] == "1"
    latest = wire.ask(
        "POST", f"{models}/get-latest-versions", {"name": "iris", "stages": ["Production"]}
    ).json
    assert [item["version"] for item in latest["model_versions"]] == ["1"]
    uri = wire.ask("GET", f"{versions}/get-download-uri?name=iris&version=1").json
    assert uri == {"artifact_uri": source["source"]}
    assert len(wire.ask("GET", f"{versions}/search?filter=name='iris'").json["model_versions"]) == 2
    (listed,) = wire.ask("GET", f"{models}/list").json["registered_models"]
    assert (listed["description"], listed["aliases"]) == ("roses", [{"alias": "best", "version": "1"}])
    wire.ask("DELETE", f"{models}/alias", {"name": "iris", "alias": "best"})
    wire.ask("DELETE", f"{models}/delete-tag", {"name": "iris", "key": "c"})
    wire.ask("DELETE", f"{versions}/delete-tag", {**one, "key": "a"})
    wire.ask("DELETE", f"{versions}/delete", {"name": "iris", "version": "2"})
    renamed = wire.ask("POST", f"{models}/rename", {"name": "iris", "new_name": "rose"}).json[
        "registered_model"
    ]
    assert [item["version"] for item in renamed["latest_versions"]] == ["1"]
    assert "tags" not in renamed
    wire.ask("DELETE", f"{models}/delete", {"name": "rose"})
    assert wire.ask("GET", f"{models}/search").json == {}


@pytest.mark.parametrize("version", ["x", "1.0", "-1", "9" * 30])
def test_a_version_is_a_number(wire: Wire, version: str) -> None:
    reply = wire.ask("GET", f"{MLFLOW}/model-versions/get?name=iris&version={version}")
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")


def test_a_version_has_the_run_of_its_logged_model_and_the_files_of_another(
    wire: Wire, run_id: str, model: dict[str, Any]
) -> None:
    for name in ("iris", "copy"):
        wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": name})
    number = model["info"]["model_id"]
    version = {"name": "iris", "source": f"models:/{number}", "model_id": number}
    made = wire.ask("POST", f"{MLFLOW}/model-versions/create", version).json["model_version"]
    assert (made["run_id"], made["source"]) == (run_id, f"models:/{number}")
    uri = f"mlflow-artifacts:/0/models/{number}/artifacts"
    found = wire.ask("GET", f"{MLFLOW}/model-versions/get-download-uri?name=iris&version=1").json
    assert found == {"artifact_uri": uri}
    wire.ask("POST", f"{MLFLOW}/model-versions/create", {"name": "copy", "source": "models:/iris/1"})
    found = wire.ask("GET", f"{MLFLOW}/model-versions/get-download-uri?name=copy&version=1").json
    assert found == {"artifact_uri": uri}
    wire.ask("PUT", f"/api/2.0/mlflow-artifacts/artifacts/0/models/{number}/artifacts/MLmodel", b"x")
    path = "/model-versions/get-artifact?name=copy&version=1&path=MLmodel"
    assert wire.ask("GET", path).body == b"x"
    path = f"/ajax-api/2.0/mlflow/logged-models/{number}/artifacts/files?artifact_file_path=MLmodel"
    assert wire.ask("GET", path).body == b"x"


@pytest.mark.parametrize("source", ["models:/m-0123456789abcdef", "models:/no/1", "models:/iris/7"])
def test_a_version_of_what_is_not_there_is_refused(wire: Wire, source: str) -> None:
    wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "iris"})
    reply = wire.ask("POST", f"{MLFLOW}/model-versions/create", {"name": "iris", "source": source})
    assert (reply.status, reply.code) == (404, "RESOURCE_DOES_NOT_EXIST")


@pytest.mark.parametrize("source", ["dummy-source", "prompt-template"])
def test_a_prompt_is_a_version_without_files(wire: Wire, source: str) -> None:
    tags = [
        {"key": "mlflow.prompt.is_prompt", "value": "true"},
        {"key": "mlflow.prompt.text", "value": "Hello {x}"},
    ]
    wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "hello", "tags": tags[:1]})
    made = wire.ask(
        "POST", f"{MLFLOW}/model-versions/create", {"name": "hello", "source": source, "tags": tags}
    )
    assert made.json["model_version"]["tags"] == tags


def test_a_path_on_a_disk_is_no_source_but_of_the_runs_own_files(wire: Wire, tmp_path: Any) -> None:
    wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "iris"})
    old = "mlflow-python-client/1.20.2"  # it is given paths instead of mlflow-artifacts:
    run = wire.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"}, User_Agent=old).json["run"][
        "info"
    ]
    body = {"name": "iris", "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
    assert wire.ask("POST", f"{MLFLOW}/model-versions/create", body, User_Agent=old).status == 200
    for source in ("/etc", f"{run['artifact_uri']}-other", tmp_path.as_uri(), f"{run['artifact_uri']}/../x"):
        reply = wire.ask(
            "POST", f"{MLFLOW}/model-versions/create", {**body, "source": source}, User_Agent=old
        )
        assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
