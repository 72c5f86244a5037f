"""What clients of MLflow do and expect beside the letter of the protocol: retries, threads, empty values."""

from __future__ import annotations

import json
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest

from raw_http import Wire

if TYPE_CHECKING:
    from bis.server.loopback import LoopbackServer

MLFLOW = "/api/2.0/mlflow"
AT = {"timestamp": 1}


def _run(wire: Wire, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = wire.ask("GET", f"{MLFLOW}/runs/get?run_id={run_id}").json["run"]
    return found


# Sending again: a client repeats every request after a lost connection, POSTs too


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("runs/log-metric", {"key": "m", "value": 1, **AT}),
        ("runs/log-metric", {"key": "m", "value": "NaN", **AT}),
        ("runs/log-parameter", {"key": "p", "value": "1"}),
        ("runs/set-tag", {"key": "t", "value": "1"}),
        (
            "runs/log-batch",
            {
                "metrics": [{"key": "m", "value": number, "step": number, **AT} for number in range(5)],
                "params": [{"key": "p", "value": "1"}],
                "tags": [{"key": "t", "value": "1"}],
            },
        ),
        (
            "runs/log-inputs",
            {
                "datasets": [
                    {
                        "dataset": {"name": "d", "digest": "1", "source_type": "s", "source": "{}"},
                        "tags": [{"key": "k", "value": "v"}],
                    }
                ]
            },
        ),
        ("runs/outputs", {"models": [{"model_id": "m-1", "step": 3}]}),
        ("runs/log-model", {"model_json": '{"a": 1}'}),
        ("runs/update", {"status": "FINISHED", "end_time": 5}),
        ("runs/delete", {}),
        ("runs/restore", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_sent_again_is_there_once(wire: Wire, run_id: str, path: str, body: dict[str, Any]) -> None:
    states = []
    for _ in range(3):
        assert wire.ask("POST", f"{MLFLOW}/{path}", {"run_id": run_id, **body}).status == 200
        history = wire.ask("GET", f"{MLFLOW}/metrics/get-history?run_id={run_id}&metric_key=m").json
        states.append((_run(wire, run_id), history))
    assert states[0] == states[1] == states[2]


def test_a_registered_model_that_is_there_is_told_so_that_the_client_goes_on(wire: Wire) -> None:
    for status, code in ((200, None), (400, "RESOURCE_ALREADY_EXISTS")):
        reply = wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "iris"})
        assert (reply.status, reply.code) == (status, code)


# Threads: an asynchronous client sends by ten connections, in any order


def test_the_latest_value_is_that_of_the_last_step_whatever_came_last(
    wire: Wire, server: LoopbackServer, run_id: str
) -> None:
    steps = list(range(200))
    random.Random(0).shuffle(steps)

    def send(own: list[int]) -> None:
        one = Wire(server)
        for step in own:
            point = {"key": "m", "value": -step, "timestamp": 10**12 - step, "step": step}
            assert (
                one.ask("POST", f"{MLFLOW}/runs/log-batch", {"run_id": run_id, "metrics": [point]}).status
                == 200
            )
        one.close()

    threads = [threading.Thread(target=send, args=(steps[start::10],)) for start in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _run(wire, run_id)["data"]["metrics"][0]["value"] == -199
    history = wire.ask("GET", f"{MLFLOW}/metrics/get-history?run_id={run_id}&metric_key=m").json["metrics"]
    assert [point["step"] for point in history] == list(range(200))


@pytest.mark.parametrize(
    ("points", "latest"),
    [
        ([(2, 1, 5), (1, 9, 9)], 5),
        ([(1, 5, 1), (1, 4, 9)], 1),
        ([(1, 5, 1), (1, 5, 3), (1, 5, 2)], 3),
        ([(-2, 1, 1), (-3, 1, 2)], 1),
        ([(1, 5, 1), (2, 1, "NaN")], "NaN"),
    ],
)
def test_step_then_time_then_value_decide(
    wire: Wire, run_id: str, points: list[tuple[int, int, Any]], latest: Any
) -> None:
    for order in (points, points[::-1]):
        key = "a" if order is points else "b"
        for step, time, value in order:
            body = {"run_id": run_id, "key": key, "value": value, "timestamp": time, "step": step}
            wire.ask("POST", f"{MLFLOW}/runs/log-metric", body)
    assert [item["value"] for item in _run(wire, run_id)["data"]["metrics"]] == [latest, latest]


# A batch is whole or nothing


@pytest.mark.parametrize(
    "wrong",
    [
        {"metrics": [{"key": "a", "value": 1, **AT}, {"key": "../b", "value": 1, **AT}]},
        {"metrics": [{"key": "a", "value": 1, "timestamp": -1}]},
        {"params": [{"key": "a", "value": "1"}, {"key": "p", "value": "2"}]},
        {"params": [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]},
        {"tags": [{"key": "", "value": "1"}]},
        {"tags": [{"key": "x" * 251, "value": "1"}]},
    ],
)
def test_a_batch_with_one_mistake_leaves_nothing(wire: Wire, run_id: str, wrong: dict[str, Any]) -> None:
    wire.ask("POST", f"{MLFLOW}/runs/log-parameter", {"run_id": run_id, "key": "p", "value": "1"})
    before = _run(wire, run_id)
    right = {
        "metrics": [{"key": "m", "value": 1, **AT}],
        "params": [{"key": "q", "value": "1"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    body = {"run_id": run_id, **{name: items + wrong.get(name, []) for name, items in right.items()}}
    reply = wire.ask("POST", f"{MLFLOW}/runs/log-batch", body)
    assert (reply.status, reply.code) == (400, "INVALID_PARAMETER_VALUE")
    assert _run(wire, run_id) == before


def test_a_batch_may_hold_as_much_as_mlflows_and_not_more(wire: Wire, run_id: str) -> None:
    metrics = [{"key": "m", "value": n, "step": n, "run_id": "ignored", **AT} for n in range(1000)]
    pairs = [{"key": str(n), "value": "v"} for n in range(100)]
    for name, items, status in (
        ("metrics", metrics, 200),
        ("metrics", [*metrics, metrics[0]], 400),
        ("params", pairs, 200),
        ("params", [*pairs, pairs[0]], 400),
        ("tags", pairs, 200),
        ("tags", [*pairs, pairs[0]], 400),
    ):
        reply = wire.ask("POST", f"{MLFLOW}/runs/log-batch", {"run_id": run_id, name: items})
        assert reply.status == status, reply
    both = {"run_id": run_id, "metrics": metrics[:801], "params": pairs, "tags": pairs}
    reply = wire.ask("POST", f"{MLFLOW}/runs/log-batch", both)
    assert "at most 1000 metrics, params, and tags" in reply.json["message"]


# Fields


def test_a_run_without_a_name_gets_one_that_is_its_tag_too(wire: Wire, run_id: str) -> None:
    run = _run(wire, run_id)
    name = run["info"]["run_name"]
    assert name
    assert {"key": "mlflow.runName", "value": name} in run["data"]["tags"]
    wire.ask("POST", f"{MLFLOW}/runs/update", {"run_id": run_id, "run_name": "other"})
    wire.ask("POST", f"{MLFLOW}/runs/set-tag", {"run_id": run_id, "key": "mlflow.runName", "value": "third"})
    assert _run(wire, run_id)["info"]["run_name"] == "third"


def test_a_run_that_is_resumed_has_no_end(wire: Wire, run_id: str) -> None:
    ended = {"run_id": run_id, "status": "FINISHED", "end_time": 7}
    assert wire.ask("POST", f"{MLFLOW}/runs/update", ended).json["run_info"]["end_time"] == 7
    resumed = wire.ask("POST", f"{MLFLOW}/runs/update", {"run_uuid": run_id, "status": "RUNNING"}).json[
        "run_info"
    ]
    assert (resumed["status"], "end_time" in resumed) == ("RUNNING", False)


@pytest.mark.parametrize("empty", [None, ""])
def test_what_is_null_is_absent(wire: Wire, empty: str | None) -> None:
    body = {"experiment_id": "0", "run_name": empty, "user_id": empty, "start_time": None, "tags": None}
    assert wire.ask("POST", f"{MLFLOW}/runs/create", body).json["run"]["info"]["user_id"] == ""
    search = {"experiment_ids": ["0"], "filter": empty, "order_by": None, "page_token": empty}
    assert len(wire.ask("POST", f"{MLFLOW}/runs/search", search).json["runs"]) == 1


def test_a_parameter_may_be_empty(wire: Wire, run_id: str) -> None:
    for body in ({"key": "a", "value": ""}, {"key": "b"}):
        assert wire.ask("POST", f"{MLFLOW}/runs/log-parameter", {"run_id": run_id, **body}).status == 200
    assert [param["value"] for param in _run(wire, run_id)["data"]["params"]] == ["", ""]


@pytest.mark.parametrize(
    "kind", ["application/json", "application/json;charset=UTF-8", "Application/JSON; x=y"]
)
def test_json_may_say_how_it_is_written(wire: Wire, kind: str) -> None:
    assert wire.ask("POST", f"{MLFLOW}/runs/search", {"experiment_ids": []}, Content_Type=kind).status == 200


def test_a_body_may_come_in_chunks(wire: Wire, server: LoopbackServer) -> None:
    body = json.dumps({"experiment_id": "0", "run_name": "in chunks"}).encode()
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(body[at : at + 7]), body[at : at + 7]) for at in range(0, len(body), 7)
    )
    head = (
        f"POST {MLFLOW}/runs/create HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    )
    kind = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    reply = wire.send((head + kind).encode() + chunks + b"0\r\n\r\n")
    assert reply.json["run"]["info"]["run_name"] == "in chunks"


def test_a_client_that_waits_for_leave_to_send_gets_it(wire: Wire, server: LoopbackServer) -> None:
    head = (
        f"POST {MLFLOW}/runs/search HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.token}\r\n"
    )
    wire.socket.sendall(
        f"{head}Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n".encode()
    )
    assert wire.head()[0] == 100
    assert wire.send(b"{}").status == 200


def test_requests_may_follow_each_other_without_waiting(wire: Wire) -> None:
    wire.socket.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n" * 5)
    assert [wire.reply().body for _ in range(5)] == [b"OK"] * 5


# Searches


def test_models_without_the_tag_match_that_it_is_not_so(wire: Wire) -> None:
    """As every client since 2.21 asks, lest prompts are shown as models (mlflow#15550)."""
    for name, tags in (("model", []), ("prompt", [{"key": "mlflow.prompt.is_prompt", "value": "true"}])):
        wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": name, "tags": tags})
    query = "filter=tag.%60mlflow.prompt.is_prompt%60%20!=%20%27true%27"
    found = wire.ask("GET", f"{MLFLOW}/registered-models/search?{query}").json["registered_models"]
    assert [model["name"] for model in found] == ["model"]


def test_a_history_comes_whole_or_in_pages_as_it_is_asked(wire: Wire, run_id: str) -> None:
    for start in range(0, 3000, 1000):
        points = [{"key": "m", "value": n, "step": n, **AT} for n in range(start, start + 1000)]
        wire.ask("POST", f"{MLFLOW}/runs/log-batch", {"run_id": run_id, "metrics": points})
    path = f"{MLFLOW}/metrics/get-history?run_id={run_id}&metric_key=m"
    whole = wire.ask("GET", path).json
    assert (len(whole["metrics"]), "next_page_token" in whole) == (3000, False)
    steps, token, pages = list[int](), "", 0
    while pages == 0 or token:
        reply = wire.ask("GET", f"{path}&max_results=1200&page_token={token.replace('=', '%3D')}").json
        steps += [point["step"] for point in reply["metrics"]]
        token, pages = reply.get("next_page_token", ""), pages + 1
    assert (steps, pages) == (list(range(3000)), 3)


def test_a_page_of_a_history_has_a_size_whatever_is_asked_for(
    wire: Wire, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = [{"key": "m", "value": "NaN" if n == 9 else n, "step": n, **AT} for n in range(1000)]
    wire.ask("POST", f"{MLFLOW}/runs/log-batch", {"run_id": run_id, "metrics": points})
    path = f"{MLFLOW}/metrics/get-history?run_id={run_id}&metric_key=m"
    whole = wire.ask("GET", path).json
    monkeypatch.setattr("bis.server.histories.MOST_POINTS", 300)
    assert wire.ask("GET", path).json == whole  # of which a client of MLflow 1 reads no second page
    page = wire.ask("GET", f"{path}&max_results=1000").json
    assert page["metrics"] == whole["metrics"][:300]
    rest = f"{path}&page_token={page['next_page_token'].replace('=', '%3D')}"
    assert wire.ask("GET", rest).json["metrics"] == whole["metrics"][300:]


@pytest.mark.parametrize(
    ("key", "taken"),
    [
        ("a/b/c", True),
        ("a b:c-d.e_f", True),
        ("größe", True),
        ("x" * 250, True),
        ("x" * 251, False),
        ("/a", False),
        ("a//b", False),
        ("a/../b", False),
        ("./a", False),
        ("a/", False),
        ("..", False),
        (".", False),
        ("a;b", False),
        ("a\nb", False),
        ("a%2fb", False),
    ],
)
def test_a_key_reads_as_a_path_below_its_run(wire: Wire, run_id: str, key: str, taken: bool) -> None:
    for path, body in (
        ("log-metric", {"key": key, "value": 1, **AT}),
        ("log-parameter", {"key": key, "value": "1"}),
        ("set-tag", {"key": key, "value": "1"}),
    ):
        reply = wire.ask("POST", f"{MLFLOW}/runs/{path}", {"run_id": run_id, **body})
        assert (reply.status, reply.code) == ((200, None) if taken else (400, "INVALID_PARAMETER_VALUE"))


@pytest.mark.parametrize(
    ("path", "field", "most"),
    [
        ("experiments/set-experiment-tag", "key", 250),
        ("experiments/set-experiment-tag", "value", 20_000),
        ("registered-models/create", "name", 256),
        ("registered-models/set-tag", "value", 100_000),
        ("registered-models/alias", "alias", 255),
        ("logged-models", "name", 256),
    ],
)
def test_a_text_is_as_long_as_mlflow_takes_it(wire: Wire, path: str, field: str, most: int) -> None:
    wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "iris"})
    wire.ask("POST", f"{MLFLOW}/model-versions/create", {"name": "iris", "source": "s3://a/b"})
    body = {"experiment_id": "0", "name": "iris", "version": "1", "key": "k", "value": "v", "alias": "best"}
    for length, status in ((most, 200), (most + 1, 400)):
        reply = wire.ask("POST", f"{MLFLOW}/{path}", {**body, field: "x" * length})
        assert (reply.status, reply.code) == (status, None if status == 200 else "INVALID_PARAMETER_VALUE")


@pytest.mark.parametrize(
    ("field", "most"),
    [
        ("name", 500),
        ("digest", 36),
        ("source", 65_535),
        ("schema", 1_048_575),
        ("profile", 16_777_215),
    ],
)
def test_a_dataset_is_described_at_such_length(wire: Wire, run_id: str, field: str, most: int) -> None:
    dataset = {"name": "d", "digest": "1", "source_type": "local", "source": "{}"}
    for length, status in ((most, 200), (most + 1, 400)):
        used = {"dataset": {**dataset, field: "x" * length}}
        reply = wire.ask("POST", f"{MLFLOW}/runs/log-inputs", {"run_id": run_id, "datasets": [used]})
        assert reply.status == status, reply


@pytest.mark.parametrize(("name", "status"), [("x" * 500, 200), ("x" * 501, 400), ("a/../b", 200), ("", 400)])
def test_the_name_of_an_experiment_is_a_text_of_500_letters(wire: Wire, name: str, status: int) -> None:
    assert wire.ask("POST", f"{MLFLOW}/experiments/create", {"name": name}).status == status


@pytest.mark.parametrize(
    ("alias", "taken"),
    [("best", True), ("a-b_1", True), ("latest", False), ("v1", False), ("a b", False), ("a@b", False)],
)
def test_an_alias_reads_as_nothing_else(wire: Wire, alias: str, taken: bool) -> None:
    wire.ask("POST", f"{MLFLOW}/registered-models/create", {"name": "iris"})
    wire.ask("POST", f"{MLFLOW}/model-versions/create", {"name": "iris", "source": "s3://a/b"})
    body = {"name": "iris", "alias": alias, "version": "1"}
    assert wire.ask("POST", f"{MLFLOW}/registered-models/alias", body).status == (200 if taken else 400)
