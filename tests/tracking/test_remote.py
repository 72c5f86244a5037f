"""Speaking to a server: credentials, repetitions, and what is said when it does not answer as it should."""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bis.errors import RunNotFoundError, TrackingError
from bis.tracking import Metric, RefusedError, RunStatus
from bis.tracking.remote import RemoteStore
from bis.tracking.rest import RestClient

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = {"run": {"info": {"run_id": "a" * 32, "status": "FINISHED", "experiment_id": "0", "end_time": "5"}}}


@dataclass
class Script:
    """Answers in turn, the last one for ever; ``seen`` are the requests."""

    answers: list[tuple[int, object]]
    seen: list[tuple[str, str, str | None]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    location: str = ""
    url: str = ""

    def next(self) -> tuple[int, bytes]:
        status, body = self.answers[0]
        if len(self.answers) > 1:
            del self.answers[0]
        return status, body if isinstance(body, bytes) else json.dumps(body).encode()


@contextmanager
def scripted(*answers: tuple[int, object], location: str = "") -> Iterator[Script]:
    """A server that answers by the script."""
    script = Script(list(answers), location=location)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            script.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            script.seen.append((self.command, self.path, self.headers.get("Authorization")))
            status, body = script.next()
            self.send_response(status)
            if script.location:
                self.send_header("Location", script.location)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.tracking.rest._PAUSES_S", (0.0, 0.0, 0.0))
    monkeypatch.setattr("bis.tracking.rest._MORE_PAUSES_S", (0.001,) * 6)
    for name in ("TOKEN", "USERNAME", "PASSWORD", "INSECURE_TLS", "SERVER_CERT_PATH"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("variables", "sent"),
    [
        ({}, None),
        ({"MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
        ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_PASSWORD": "ü"}, _basic("ada:ü")),
        ({"MLFLOW_TRACKING_USERNAME": "ada", "MLFLOW_TRACKING_TOKEN": "t"}, "Bearer t"),
    ],
)
def test_the_variables_of_mlflow_say_how_to_log_in(variables: dict[str, str], sent: str | None) -> None:
    with scripted((200, RUN)) as script:
        RestClient(script.url, variables).get("mlflow/runs/get", run_id="a")
    assert script.seen == [("GET", "/api/2.0/mlflow/runs/get?run_id=a", sent)]


def test_credentials_in_the_address_are_used_and_never_shown() -> None:
    with scripted((403, {"error_code": "PERMISSION_DENIED", "message": "no"})) as script:
        store = RemoteStore(script.url.replace("//", "//ada:secret@") + "/prefix/")
        with pytest.raises(TrackingError, match="refuses access") as caught:
            store.run("a")
    assert script.seen == [
        ("GET", "/prefix/api/2.0/mlflow/runs/get?run_id=a&run_uuid=a", _basic("ada:secret")),
    ]
    assert "secret" not in str(caught.value)
    assert "secret" not in store.uri


@pytest.mark.parametrize(
    ("status", "hint"), [(401, "Set MLFLOW_TRACKING_TOKEN"), (403, None)], ids=["unknown", "not allowed"]
)
def test_what_a_server_says_about_a_token_is_passed_on(status: int, hint: str | None) -> None:
    said = {"error_code": "PERMISSION_DENIED", "message": "This needs a token of the role write."}
    with scripted((status, said)) as script, pytest.raises(TrackingError) as caught:
        RemoteStore(script.url).run("a")
    assert caught.value.message.endswith(f"refuses access ({status}): This needs a token of the role write.")
    assert (caught.value.hint or "").startswith(hint or "")
    assert bool(caught.value.hint) is bool(hint)


@pytest.mark.parametrize("token", ["secret\n", "secret\r\nX-Evil: 1", "secret\u2603", "sécret"])
def test_what_is_no_token_is_refused_without_showing_it(token: str) -> None:
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_TOKEN is no token") as caught:
        RestClient("http://127.0.0.1:9", {"MLFLOW_TRACKING_TOKEN": token})
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize("seconds", ["-1", "0", "nan", "inf", "1e12"])
def test_what_is_no_time_limit_is_refused(seconds: str) -> None:
    with pytest.raises(TrackingError, match="MLFLOW_HTTP_REQUEST_TIMEOUT"):
        RestClient("http://127.0.0.1:9", {"MLFLOW_HTTP_REQUEST_TIMEOUT": seconds})


def test_credentials_do_not_follow_to_another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret")
    with scripted((200, RUN)) as other, scripted((302, b""), location=other.url + "/x") as script:
        RemoteStore(script.url).run("a")
    assert other.seen == [("GET", "/x", None)]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_question_is_asked_again_after_a_passing_trouble(status: int) -> None:
    with scripted((status, b"busy"), (status, b"busy"), (200, RUN)) as script:
        assert RemoteStore(script.url).run("a").info.status is RunStatus.FINISHED
    assert len(script.seen) == 3


def test_trouble_that_does_not_pass_is_said() -> None:
    with scripted((503, b"busy")) as script, pytest.raises(TrackingError, match="answered 503"):
        RemoteStore(script.url).run("a")
    assert len(script.seen) == 4


@pytest.mark.parametrize(("status", "attempts"), [(503, 10), (500, 4)], ids=["away", "at fault"])
def test_a_server_that_has_answered_is_waited_for_while_it_is_away(status: int, attempts: int) -> None:
    with scripted((200, RUN), *[(status, b"busy")] * attempts, (200, RUN)) as script:
        store = RemoteStore(script.url)
        store.run("a")
        with pytest.raises(TrackingError, match=f"answered {status}"):
            store.run("a")
        assert len(script.seen) == 1 + attempts
        assert store.run("a").info.run_id == "a" * 32


def test_a_hung_server_is_not_waited_for_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.tracking.rest._PATIENCE_S", 0.0)
    with scripted((200, RUN), *[(503, b"busy")] * 4, (200, RUN)) as script:
        store = RemoteStore(script.url)
        store.run("a")
        with pytest.raises(TrackingError, match="answered 503"):
            store.run("a")
    assert len(script.seen) == 5


def test_a_run_is_not_created_twice() -> None:
    with scripted((503, b"busy"), (200, RUN)) as script, pytest.raises(TrackingError):
        RemoteStore(script.url).create_run("0")
    assert len(script.seen) == 1


def test_metrics_are_sent_again_because_that_does_no_harm() -> None:
    with scripted((503, b"busy"), (200, {})) as script:
        RemoteStore(script.url).log_batch("a", [Metric("m", 1.0, 1)])
    assert len(script.seen) == 2


def test_a_file_is_sent_again_from_its_beginning(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    info = {**RUN["run"]["info"], "artifact_uri": "mlflow-artifacts:/0/a/artifacts"}
    with scripted((200, {"run": {"info": info}}), (503, b"busy"), (200, {})) as script:
        RemoteStore(script.url).log_artifact("a", tmp_path / "f", "sub dir")
    path = "/api/2.0/mlflow-artifacts/artifacts/0/a/artifacts/sub%20dir/f"
    assert [(method, path) for method, path, _ in script.seen[1:]] == [("PUT", path)] * 2
    assert script.bodies[1:] == [b"content"] * 2


def test_a_refusal_is_not_repeated_and_keeps_its_code() -> None:
    refusal = {"error_code": "INVALID_PARAMETER_VALUE", "message": "bad"}
    with scripted((400, refusal)) as script, pytest.raises(RefusedError, match="bad") as caught:
        RemoteStore(script.url).set_tag("a", "b", "c")
    assert caught.value.code == "INVALID_PARAMETER_VALUE"
    assert len(script.seen) == 1


def test_an_unknown_run_is_told_from_other_refusals() -> None:
    refusal = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "Run with id=a not found"}
    with scripted((404, refusal)) as script, pytest.raises(RunNotFoundError):
        RemoteStore(script.url).run("a")


def test_a_server_that_is_not_there_is_said() -> None:
    with scripted((200, RUN)) as script:
        pass
    with pytest.raises(TrackingError, match="does not answer") as caught:
        RemoteStore(script.url).run("a")
    assert script.url in str(caught.value)
    assert caught.value.hint is not None


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b"\xff"])
def test_what_is_no_mlflow_server_is_said(body: bytes) -> None:
    with scripted((200, body)) as script, pytest.raises(TrackingError, match="did not answer in JSON"):
        RemoteStore(script.url).run("a")


def test_mlflows_own_server_cannot_move_a_run() -> None:
    with scripted((404, b"<html>")) as script, pytest.raises(TrackingError, match="cannot move a run"):
        RemoteStore(script.url).move_run("a", "1")


@pytest.mark.parametrize("address", ["http:///x", "http://[::1"])
def test_an_address_without_a_host_is_refused(address: str) -> None:
    with pytest.raises(TrackingError, match="names no host"):
        RemoteStore(address)


@pytest.mark.parametrize("name", ["MLFLOW_TRACKING_SERVER_CERT_PATH", "MLFLOW_TRACKING_CLIENT_CERT_PATH"])
def test_certificates_that_cannot_be_read_are_said(name: str) -> None:
    with pytest.raises(TrackingError, match=r"/nowhere/ca\.pem"):
        RestClient("https://example.org", {name: "/nowhere/ca.pem"})


def test_a_time_limit_that_is_no_number_is_said() -> None:
    with pytest.raises(TrackingError, match="MLFLOW_HTTP_REQUEST_TIMEOUT=soon"):
        RestClient("https://example.org", {"MLFLOW_HTTP_REQUEST_TIMEOUT": "soon"})


def test_names_of_files_that_a_server_gives_stay_below_the_destination() -> None:
    listing = {"files": [{"path": "../../evil", "is_dir": False, "file_size": "3"}]}
    run = {"run": {"info": {**RUN["run"]["info"], "artifact_uri": "mlflow-artifacts:/0/a/artifacts"}}}
    with scripted((200, run), (200, listing)) as script:
        found = RemoteStore(script.url).list_artifacts("a")
    assert [file.path for file in found] == ["evil"]
