"""MLflow's protocol over raw sockets: its quirks, its refusals, and what nobody may do."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from bis.server.loopback import LoopbackServer
    from raw_http import Wire

MLFLOW = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"


def _metric(run_id: str, value: object, **more: object) -> dict[str, object]:
    return {"run_id": run_id, "key": "m", "value": value, "timestamp": 1, **more}


# Routes


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/experiments/get?experiment_id=0",
        "/ajax-api/2.0/mlflow/experiments/get?experiment_id=0",
        "/api/2.0/preview/mlflow/experiments/get?experiment_id=0",
        "/api/3.0/mlflow/experiments/get?experiment_id=0",
        "/ajax-api/3.0/mlflow/experiments/get?experiment_id=0&unknown=field",
    ],
)
def test_a_path_is_known_by_all_its_names(wire: Wire, path: str) -> None:
    assert wire.ask("GET", path).json["experiment"]["name"] == "Default"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", f"{MLFLOW}/nothing"),
        ("POST", "/graphql"),
        ("POST", "/api/3.0/mlflow/traces"),
        ("GET", "/api/4.0/mlflow/runs/get"),
        ("GET", "/mlflow/experiments/get?experiment_id=0"),
        ("PUT", "/get-artifact"),
    ],
)
def test_what_is_no_endpoint_is_said_in_json(wire: Wire, method: str, path: str) -> None:
    reply = wire.ask(method, path, {} if method == "POST" else None)
    assert (reply.status, reply.code) == (404, "ENDPOINT_NOT_FOUND")


@pytest.mark.parametrize(
    "path",
    [
        "/api/2.0/mlflow/traces",
        "/api/3.0/mlflow/traces/search",
        "/v1/traces",
        "/api/3.0/mlflow/traces/tr-1/assessments",
        "/api/3.0/mlflow/scorers/register",
        "/api/3.0/mlflow/issues",
        "/api/3.0/mlflow/label-schemas/create",
        "/api/3.0/mlflow/review-queues/create",
        "/api/3.0/mlflow/datasets/create",
        "/api/3.0/mlflow/gateway/secrets/create",
        "/api/3.0/mlflow/prompt-optimization/jobs",
        "/ajax-api/3.0/jobs/",
        "/api/2.0/mlflow/webhooks",
        "/api/3.0/mlflow/workspaces",
        "/api/2.0/mlflow/users/create",
        "/api/2.0/mlflow/artifacts/presigned-upload-url",
        "/api/2.0/mlflow-artifacts/mpu/create/a",
        "/api/2.0/mlflow-artifacts/presigned/a",
    ],
)
def test_what_mlflow_has_beside_tracking_is_said_to_be_no_endpoint(wire: Wire, path: str) -> None:
    """Clients try another way, or do without, on this code."""
    for method in ("GET", "POST"):
        reply = wire.ask(method, path, {} if method == "POST" else None)
        assert (reply.status, reply.code) == (404, "ENDPOINT_NOT_FOUND")
        assert reply.headers["content-type"] == "application/json"


def test_a_client_that_would_upload_in_parts_is_told_to_upload_whole(wire: Wire) -> None:
    reply = wire.ask("POST", "/api/2.0/mlflow-artifacts/mpu/create/0/a", {"path": "x", "num_parts": 2})
    assert (reply.status, reply.code) == (404, "ENDPOINT_NOT_FOUND")
    assert reply.json["message"].startswith("Multipart upload is not supported")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", f"{MLFLOW}/runs/get", "GET"),
        ("OPTIONS", f"{MLFLOW}/runs/get", "GET"),
        ("GET", f"{MLFLOW}/runs/create", "POST"),
        ("PUT", f"{MLFLOW}/experiments/search", "GET, POST"),
        ("POST", f"{MLFLOW}/logged-models/m-1", "DELETE, GET, PATCH"),
    ],
)
def test_another_method_is_told_which_there_are(wire: Wire, method: str, path: str, allowed: str) -> None:
    reply = wire.ask(method, path, {} if method != "OPTIONS" else None)
    assert (reply.status, reply.code, reply.headers["allow"]) == (405, "ENDPOINT_NOT_FOUND", allowed)


def test_a_head_is_a_get_without_its_body(wire: Wire) -> None:
    for path in ("/health", f"{MLFLOW}/experiments/get?experiment_id=0"):
        wire.socket.sendall(
            f"HEAD {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {wire.token}\r\n\r\n".encode()
        )
        assert wire.head()[0] == 200
    assert wire.ask("GET", "/health").body == b"OK"


def test_health_and_version_are_texts_that_need_no_token(wire: Wire) -> None:
    assert wire.ask("GET", "/health", Authorization=None).body == b"OK"
    assert wire.ask("GET", "/version", Authorization=None).status == 200


def test_the_servers_information_offers_no_multipart(wire: Wire) -> None:
    assert wire.ask("GET", "/api/3.0/mlflow/server-info").json["multipart_uploads_enabled"] is False


# JSON


def test_numbers_come_as_numbers_or_texts_and_leave_as_numbers(wire: Wire, run_id: str) -> None:
    for value, time in ((0.5, 10**15), ("0.25", str(10**15 + 1)), (1, 10**15 + 2.0)):
        body = {"run_uuid": run_id, "key": "m", "value": value, "timestamp": time, "step": "-3"}
        assert wire.ask("POST", f"{MLFLOW}/runs/log-metric", body).json == {}
    reply = wire.ask("GET", f"{MLFLOW}/metrics/get-history?run_id={run_id}&metric_key=m")
    assert reply.json == {
        "metrics": [
            {"key": "m", "value": 0.5, "timestamp": 10**15, "step": -3},
            {"key": "m", "value": 0.25, "timestamp": 10**15 + 1, "step": -3},
            {"key": "m", "value": 1.0, "timestamp": 10**15 + 2, "step": -3},
        ]
    }


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_has_not_travel_as_texts(wire: Wire, run_id: str, value: str) -> None:
    assert wire.ask("POST", f"{MLFLOW}/runs/log-metric", _metric(run_id, value)).status == 200
    reply = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}")
    assert reply.json["run"]["data"]["metrics"][0]["value"] == value


def test_a_bare_nan_of_old_clients_is_taken(wire: Wire, run_id: str) -> None:
    body = json.dumps(_metric(run_id, float("nan"))).encode()
    assert b": NaN" in body
    assert wire.ask("POST", f"{MLFLOW}/runs/log-metric", body).status == 200


def test_what_is_empty_is_absent(wire: Wire, run_id: str) -> None:
    run = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]
    assert sorted(run["data"]) == ["tags"]
    assert (run["inputs"], run["outputs"], "end_time" in run["info"]) == ({}, {}, False)
    assert run["info"]["run_uuid"] == run_id
    assert wire.ask("POST", f"{MLFLOW}/runs/search", {"experiment_ids": []}).json == {}


def test_lists_repeat_in_a_query(wire: Wire) -> None:
    for name in ("a", "b"):
        wire.ask("POST", f"{MLFLOW}/experiments/create", {"name": name})
    query = "filter=name%20!=%20'Default'&order_by=name%20DESC&order_by=creation_time&max_results=1"
    reply = wire.ask("GET", f"{MLFLOW}/experiments/search?{query}").json
    assert [item["name"] for item in reply["experiments"]] == ["b"]
    token = reply["next_page_token"].replace("=", "%3D")
    reply = wire.ask("GET", f"{MLFLOW}/experiments/search?{query}&page_token={token}").json
    assert [item["name"] for item in reply["experiments"]] == ["a"]
    assert "next_page_token" not in reply


def test_the_list_of_experiments_of_mlflow_1(wire: Wire) -> None:
    reply = wire.ask("GET", "/api/2.0/preview/mlflow/experiments/list?view_type=ALL").json
    assert [item["experiment_id"] for item in reply["experiments"]] == ["0"]


# Refusals


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("runs/log-metric", {"key": "m"}, "Missing value for required parameter 'value'"),
        ("runs/log-metric", {"value": 1, "timestamp": 1}, "Missing value for required parameter 'key'"),
        ("runs/log-metric", {"key": 31, "value": 1, "timestamp": 1}, "Invalid value 31 for parameter 'key'"),
        (
            "runs/log-metric",
            {"key": "m", "value": "x", "timestamp": 1},
            'Invalid value "x" for parameter \'va',
        ),
        ("runs/log-metric", {"key": "m", "value": True, "timestamp": 1}, "Invalid value true"),
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": 1.5}, "Invalid value 1.5"),
        ("runs/log-metric", {"key": "m", "value": 1, "timestamp": -1}, "invalid timestamp -1"),
        (
            "runs/log-metric",
            {"key": "m", "value": 1, "timestamp": 2**63},
            "Invalid value 9223372036854775808",
        ),
        ("runs/log-metric", {"key": "m", "value": 10**400, "timestamp": 1}, "parameter 'value'"),
        ("runs/log-metric", {"key": "../m", "value": 1, "timestamp": 1}, "Invalid metric name"),
        ("runs/log-metric", {"key": "m" * 251, "value": 1, "timestamp": 1}, "length limit of 250"),
        ("runs/log-parameter", {"key": "a/./b", "value": "x"}, "Invalid parameter name"),
        ("runs/log-parameter", {"key": "a", "value": "\0"}, "cannot be stored"),
        ("runs/log-parameter", {"key": "a", "value": "\ud800"}, "cannot be stored"),
        ("runs/set-tag", {"key": ";drop", "value": "x"}, "Invalid tag name"),
        ("runs/log-batch", {"metrics": {}}, "Invalid value {} for parameter 'metrics'"),
        ("runs/log-batch", {"params": [3]}, "Invalid value [3] for parameter 'params'"),
        (
            "runs/log-batch",
            {"params": [{"key": str(n), "value": ""} for n in range(101)]},
            "at most 100 params",
        ),
        ("runs/update", {"status": "DONE"}, "Invalid value 'DONE'"),
        ("runs/search", {"experiment_ids": "0"}, "Invalid value"),
        ("runs/search", {"max_results": 50001}, "at most 50000"),
        ("runs/search", {"filter": "metrics.x >"}, "(column 12)"),
        ("runs/search", {"page_token": "x"}, "page token"),
        ("runs/search", {"run_view_type": "SOME"}, "run_view_type"),
        ("runs/log-model", {"model_json": "[]"}, "not a JSON object"),
        ("runs/log-inputs", {"datasets": [{}]}, "Missing value for required parameter 'dataset'"),
        ("experiments/create", {"name": "x" * 501}, "length limit of 500"),
        ("experiments/create", {"name": "  "}, "not empty"),
    ],
)
def test_a_mistake_is_refused_with_the_words_that_clients_know(
    wire: Wire, run_id: str, path: str, body: dict[str, object], message: str
) -> None:
    reply = wire.ask("POST", f"{MLFLOW}/{path}", {"run_id": run_id, **body})
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
    assert message in reply.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "runs/get?run_id=abc", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "experiments/get?experiment_id=77", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "experiments/get-by-name?experiment_name=no", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "logged-models/m-1", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "registered-models/get?name=no", 404, "RESOURCE_DOES_NOT_EXIST"),
        ("GET", "runs/get", 400, "INVALID_PARAMETER_VALUE"),
        ("GET", "experiments/search?filter=x", 400, "INVALID_PARAMETER_VALUE"),
    ],
)
def test_what_is_not_there_is_told_from_what_is_wrong(
    wire: Wire, method: str, path: str, status: int, code: str
) -> None:
    reply = wire.ask(method, f"{MLFLOW}/{path}")
    assert (reply.status, reply.code) == (status, code)


def test_a_name_that_is_taken_is_a_400(wire: Wire) -> None:
    reply = wire.ask("POST", f"{MLFLOW}/experiments/create", {"name": "Default"})
    assert (reply.status, reply.code) == (400, "RESOURCE_ALREADY_EXISTS")


@pytest.mark.parametrize(
    "body",
    [
        b"[1]",
        b'"text"',
        b"3",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'"[1]"',
        b"NaN",
    ],
)
def test_a_body_that_is_no_object_is_refused(wire: Wire, body: bytes) -> None:
    reply = wire.ask("POST", f"{MLFLOW}/runs/create", body)
    assert reply.status == 400
    assert reply.code in ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")


def test_an_object_in_a_text_is_taken_as_mlflow_does(wire: Wire) -> None:
    body = json.dumps(json.dumps({"experiment_id": "0"})).encode()
    assert wire.ask("POST", f"{MLFLOW}/runs/create", body).status == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_only_json_changes_anything(wire: Wire, kind: str | None) -> None:
    reply = wire.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"}, Content_Type=kind)
    assert (reply.status, reply.code) == (400, "BAD_REQUEST")


def test_a_body_that_is_too_large_is_refused(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.server.app.MOST_JSON_BYTES", 1000)
    assert wire.ask("POST", f"{MLFLOW}/runs/create", {"x": "y" * 2000}).status == 400


def test_a_second_value_of_a_parameter_is_refused_in_mlflows_words(wire: Wire, run_id: str) -> None:
    wire.ask("POST", f"{MLFLOW}/runs/log-parameter", {"run_id": run_id, "key": "a", "value": "1"})
    again = wire.ask("POST", f"{MLFLOW}/runs/log-parameter", {"run_id": run_id, "key": "a", "value": "2"})
    assert (again.status, again.code) == (400, "INVALID_PARAMETER_VALUE")
    assert again.json["message"] == (
        f"Changing param values is not allowed. Param with key='a' was already logged with value='1' for run"
        f" ID='{run_id}'. Attempted logging new value '2'."
    )


def test_a_long_value_is_cut_as_mlflow_does_and_can_be_sent_again(wire: Wire, run_id: str) -> None:
    for _ in range(2):
        body = {"run_id": run_id, "key": "a", "value": "x" * 6000 + "y"}
        assert wire.ask("POST", f"{MLFLOW}/runs/log-parameter", body).status == 200
        assert wire.ask("POST", f"{MLFLOW}/runs/set-tag", {**body, "value": "ü" * 8001}).status == 200
    batch = {"params": [{"key": "b", "value": "x" * 7000}], "tags": [{"key": "b", "value": "x" * 9000}]}
    assert wire.ask("POST", f"{MLFLOW}/runs/log-batch", {"run_id": run_id, **batch}).status == 200
    data = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]["data"]
    assert data["params"][0]["value"] == "x" * 6000
    assert sorted(len(tag["value"]) for tag in data["tags"])[-2:] == [8000, 8000]
    assert len(data["params"][1]["value"]) == 6000


def test_a_defect_is_no_traceback(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.tracking.sql_store.SqlStore.run", lambda *_: 1 / 0)
    reply = wire.ask("GET", f"{MLFLOW}/runs/get?run_id=a")
    assert (reply.status, reply.code) == (500, "INTERNAL_ERROR")
    assert b"Traceback" not in reply.body
    assert b"ZeroDivision" not in reply.body


# Who may ask


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic !", "Basic " + "QQ==", "Token x"])
def test_the_token_is_required(wire: Wire, header: str | None) -> None:
    for path in (f"{MLFLOW}/runs/get?run_id=a", PROXY, f"{PROXY}/a", "/nothing"):
        reply = wire.ask("GET", path, Authorization=header)
        assert (reply.status, reply.code) == (401, "CUSTOMER_UNAUTHORIZED")


def test_the_token_may_be_the_password_of_basic(wire: Wire, server: LoopbackServer) -> None:
    credential = base64.b64encode(f"anyone:{server.token}".encode()).decode()
    path = f"{MLFLOW}/experiments/get?experiment_id=0"
    assert wire.ask("GET", path, Authorization=f"Basic {credential}").status == 200


@pytest.mark.parametrize(
    "host", ["evil.com", "127.0.0.1.evil.com", "10.0.0.1", "localhost@evil.com", "[", "", "evil.com:80"]
)
def test_only_names_of_the_loopback_address_are_answered(wire: Wire, host: str) -> None:
    assert wire.ask("GET", "/health", Host=host).status == 403


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "[::1]:80", "LOCALHOST"])
def test_every_name_of_the_loopback_address_is_answered(wire: Wire, host: str) -> None:
    assert wire.ask("GET", "/health", Host=host).status == 200


def test_a_page_of_another_site_changes_nothing(wire: Wire) -> None:
    for origin in ("https://evil.com", "null", "http://localhost.evil.com"):
        assert wire.ask("POST", f"{MLFLOW}/runs/create", {}, Origin=origin).status == 403


# Artifacts


def test_a_file_comes_back_as_an_attachment(wire: Wire, tmp_path: Path) -> None:
    assert wire.ask("PUT", f"{PROXY}/0/r/artifacts/%C3%BC%201.html", b"<script>").json == {}
    reply = wire.ask("GET", f"{PROXY}/0/r/artifacts/%C3%BC%201.html")
    assert reply.body == b"<script>"
    assert reply.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%BC%201.html"
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in reply.headers["content-security-policy"]
    assert (tmp_path / "artifacts" / "0" / "r" / "artifacts" / "ü 1.html").exists()


def test_an_empty_file_in_chunks_without_length_is_taken(wire: Wire, server: LoopbackServer) -> None:
    head = f"PUT {PROXY}/0/empty HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    reply = wire.send(f"{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode())
    assert reply.status == 200
    reply = wire.ask("GET", f"{PROXY}/0/empty")
    assert (reply.status, reply.body) == (200, b"")


def test_a_large_file_goes_both_ways_in_pieces(wire: Wire) -> None:
    content = bytes(range(256)) * 20_000
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece)
        for piece in (content[at : at + 70_000] for at in range(0, len(content), 70_000))
    )
    reply = wire.ask(
        "PUT", f"{PROXY}/big", chunks + b"0\r\n\r\n", Content_Length=None, Transfer_Encoding="chunked"
    )
    assert reply.status == 200
    assert wire.ask("GET", f"{PROXY}/big").body == content


def test_listed_names_are_relative_to_what_is_listed(wire: Wire) -> None:
    wire.ask("PUT", f"{PROXY}/0/r/a.txt", b"abc")
    wire.ask("PUT", f"{PROXY}/0/r/sub/b.txt", b"")
    expected = [{"path": "a.txt", "is_dir": False, "file_size": 3}, {"path": "sub", "is_dir": True}]
    assert wire.ask("GET", f"{PROXY}?path=0/r").json["files"] == expected
    assert wire.ask("GET", f"{PROXY}?path=0%2Fr%2Fsub").json["files"][0]["file_size"] == 0
    assert wire.ask("GET", f"{PROXY}?path=0/none").json["files"] == []


def test_artifacts_of_a_run_are_listed_from_its_root(wire: Wire, run_id: str) -> None:
    wire.ask("PUT", f"{PROXY}/0/{run_id}/artifacts/a/b.txt", b"abc")
    reply = wire.ask("GET", f"{MLFLOW}/artifacts/list?run_uuid={run_id}&path=a").json
    assert reply["root_uri"] == f"mlflow-artifacts:/0/{run_id}/artifacts"
    assert reply["files"] == [{"path": "a/b.txt", "is_dir": False, "file_size": 3}]


def test_artifacts_are_deleted(wire: Wire) -> None:
    wire.ask("PUT", f"{PROXY}/0/r/a.txt", b"abc")
    assert wire.ask("DELETE", f"{PROXY}/0/r").status == 200
    assert wire.ask("GET", f"{PROXY}/0/r/a.txt").status == 404
    assert wire.ask("DELETE", f"{PROXY}/0/r").status == 404


@pytest.mark.parametrize(
    "path",
    [
        "../../secret",
        "..%2f..%2fsecret",
        "%2e%2e/%2e%2e/secret",
        "a/../../secret",
        "%2Fetc%2Fpasswd",
        "/etc/passwd",
        "a%00b",
        "..%5csecret",
        "file:%2F%2F%2Fetc%2Fpasswd",
        "link/secret",
    ],
)
def test_no_request_leaves_the_root(wire: Wire, tmp_path: Path, path: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "link").symlink_to(tmp_path)
    for method in ("GET", "PUT", "DELETE"):
        reply = wire.ask(method, f"{PROXY}/{path}", b"evil" if method == "PUT" else None)
        assert reply.status in (400, 404), method
    assert wire.ask("GET", f"{PROXY}?path={path}").status == 400
    assert secret.read_text() == "secret"
    assert sorted(path.name for path in tmp_path.iterdir() if "tracking" not in path.name) == [
        "artifacts",
        "secret",
    ]


def test_what_was_decoded_once_is_a_name(wire: Wire, tmp_path: Path) -> None:
    assert wire.ask("PUT", f"{PROXY}/%252e%252e", b"x").status == 200
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["%2e%2e"]


def test_a_name_that_mlflows_clients_have_decoded_is_found_by_the_list(wire: Wire, tmp_path: Path) -> None:
    named = "steps%1795%09%e8.png"  # as mlflow.log_image makes them; a URL loses the tab
    assert wire.ask("PUT", f"{PROXY}/0/{quote(named)}", b"x").status == 200
    decoded = quote("steps\x1795\ufffd.png")
    assert wire.ask("GET", f"{PROXY}/0/{decoded}").status == 404
    agent = "mlflow-python-client/2.17.2"
    assert wire.ask("GET", f"{PROXY}/0/{decoded}", User_Agent=agent).body == b"x"
    assert wire.ask("PUT", f"{PROXY}/0/%252e%252e", b"x").status == 200
    assert wire.ask("GET", f"{PROXY}/0/..", User_Agent=agent).status in (400, 404)


def test_an_experiment_elsewhere_is_not_read_by_the_server(wire: Wire, tmp_path: Path) -> None:
    body = {"name": "etc", "artifact_location": "file:///etc"}
    number = wire.ask("POST", f"{MLFLOW}/experiments/create", body).json["experiment_id"]
    run = wire.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": number}).json["run"]
    assert run["info"]["artifact_uri"].startswith("file:///etc/")
    reply = wire.ask("GET", f"{MLFLOW}/artifacts/list?run_id={run['info']['run_id']}&path=../..")
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    ("agent", "local"),
    [
        ("mlflow-python-client/1.20.2", True),
        ("mlflow-python-client/1.23.1", True),
        ("mlflow-python-client/1.24.0", False),
        ("mlflow-python-client/3.17.2", False),
        ("curl", False),
        (None, False),
    ],
)
def test_clients_that_do_not_know_the_proxy_get_a_path(
    wire: Wire, tmp_path: Path, agent: str | None, local: bool
) -> None:
    run = wire.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": "0"}, User_Agent=agent).json["run"][
        "info"
    ]
    root = (tmp_path / "artifacts").as_uri() if local else "mlflow-artifacts:"
    assert run["artifact_uri"] == f"{root}/0/{run['run_id']}/artifacts"


# What bis adds


def test_a_run_moves_to_an_experiment_by_id_or_name(wire: Wire, run_id: str) -> None:
    number = wire.ask("POST", f"{MLFLOW}/experiments/create", {"name": "iris"}).json["experiment_id"]
    body = {"run_id": run_id, "experiment_name": "iris"}
    assert wire.ask("POST", "/api/2.0/bis/runs/move", body).json == {"experiment_id": number}
    info = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]["info"]
    assert info["experiment_id"] == number
    assert info["artifact_uri"] == f"mlflow-artifacts:/0/{run_id}/artifacts"
    assert wire.ask("POST", "/api/2.0/bis/runs/move", {"run_id": run_id, "experiment_id": "0"}).status == 200
    assert wire.ask("POST", "/api/2.0/bis/runs/move", {**body, "experiment_name": "no"}).status == 404
