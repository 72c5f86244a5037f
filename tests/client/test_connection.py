"""How a server is spoken to that is slow, away, wrong, behind a proxy or behind TLS."""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from bis.client import connection
from bis.client.connection import Server
from bis.client.errors import RefusedError, TrackingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Stub:
    """A server that answers from a list, (status, body, headers) or a dropped connection (None), then with ``{}``."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, bytes, dict[str, str]] | None] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                stub.connections += 1
                super().setup()

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stub.asked.append((self.command, self.path, dict(self.headers), body))
                answer = stub.answers.pop(0) if stub.answers else (200, b"{}", {})
                if answer is None:
                    self.close_connection = True
                    return
                self.send_response(answer[0])
                for name, value in {"Content-Length": str(len(answer[1])), **answer[2]}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer[1])

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    made = Stub()
    yield made
    made.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., Server]]:
    """Makes servers, whose connections are closed after the test."""
    with contextlib.ExitStack() as made:
        yield lambda *given, **named: made.enter_context(contextlib.closing(Server(*given, **named)))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted and not made."""
    pauses: list[float] = []
    monkeypatch.setattr("bis.client.connection.time.sleep", pauses.append)
    return pauses


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_passes_is_waited_for(
    connect: Callable[..., Server], stub: Stub, quick: list[float], status: int
) -> None:
    stub.answers = [(status, b"", {})] * 5
    assert connect(stub.url).post("x", {"a": 1}) == {}
    assert [json.loads(body) for *_, body in stub.asked] == [{"a": 1}] * 6
    assert quick == sorted(quick)


def test_a_dropped_connection_is_made_anew(
    connect: Callable[..., Server], stub: Stub, quick: list[float]
) -> None:
    server = connect(stub.url)
    server.get("x")
    stub.answers = [None, None]
    assert server.get("x", a=1) == {}
    assert stub.connections == 3


def test_a_connection_is_kept(connect: Callable[..., Server], stub: Stub) -> None:
    server = connect(stub.url)
    for _ in range(5):
        server.post("x", {})
    assert stub.connections == 1


def test_a_server_says_how_long_to_wait(
    connect: Callable[..., Server], stub: Stub, quick: list[float]
) -> None:
    stub.answers = [(429, b"", {"Retry-After": "7"})]
    connect(stub.url).get("x")
    assert quick == [7]


def test_what_must_not_happen_twice_is_not_sent_twice(
    connect: Callable[..., Server], stub: Stub, quick: list[float]
) -> None:
    stub.answers = [None]
    with pytest.raises(TrackingError, match="does not answer"):
        connect(stub.url).post("runs/create", {}, repeat=False)
    assert len(stub.asked) == 1
    stub.answers = [(503, b"", {})]  # the server says that it did not begin
    assert connect(stub.url).post("runs/create", {}, repeat=False) == {}


def test_a_fault_of_the_server_is_not_waited_for_long(
    connect: Callable[..., Server], stub: Stub, quick: list[float]
) -> None:
    stub.answers = [(500, b"oops", {})] * 9
    with pytest.raises(TrackingError, match="answered 500"):
        connect(stub.url).get("x")
    assert len(stub.asked) == 4


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((401, b"", {}), "refuses access .401.. Set MLFLOW_TRACKING_TOKEN"),
        ((403, b"<html>", {}), "refuses access .403.. Set"),
        ((401, b'{"error_code": "A", "message": "It is revoked."}', {}), ".401.: It is revoked. Set MLFLOW"),
        ((403, b'{"error_code": "A", "message": "It may only read."}', {}), ".403.: It may only read.$"),
        ((301, b"", {"Location": "https://new.place/api/2.0/x"}), "has moved to https://new.place: set"),
        ((404, b"<html>", {}), "has nothing there"),
        ((400, b"[1]", {}), "answered 400"),
        ((200, b"<html>login", {}), "did not answer in JSON"),
        ((200, b"[1]", {}), "did not answer in JSON"),
        ((200, b'\xff"', {}), "did not answer in JSON"),
    ],
)
def test_what_is_wrong_is_said(
    connect: Callable[..., Server], stub: Stub, answer: tuple[int, bytes, dict[str, str]], words: str
) -> None:
    stub.answers = [answer]
    with pytest.raises(TrackingError, match=words):
        connect(stub.url.replace("//", "//user:secret@")).get("x")


def test_what_is_no_token_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "secret\n")
    with pytest.raises(TrackingError, match="MLFLOW_TRACKING_TOKEN is no token") as caught:
        Server("http://127.0.0.1:9")
    assert "secret" not in str(caught.value)


def test_a_refusal_has_the_code_of_the_server(connect: Callable[..., Server], stub: Stub) -> None:
    stub.answers = [(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "no"}', {})]
    with pytest.raises(RefusedError, match="no") as caught:
        connect(stub.url).get("x")
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_server_that_is_not_there_is_given_up_after_a_time(
    connect: Callable[..., Server],
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    stub.close()
    now = [0.0]
    monkeypatch.setattr("bis.client.connection.time.monotonic", lambda: now[0])
    monkeypatch.setattr("bis.client.connection.time.sleep", lambda pause: now.__setitem__(0, now[0] + pause))
    server = connect(stub.url.replace("//", "//user:secret@"))
    with pytest.raises(TrackingError, match="does not answer"):
        server.get("x")
    assert now[0] == connection.FIRST_PATIENCE_S
    said = capsys.readouterr().err
    assert said.count("trying for") == 1
    assert "secret" not in said
    with pytest.raises(TrackingError):  # the next one does not wait again
        server.get("x")
    assert now[0] == connection.FIRST_PATIENCE_S


@pytest.mark.parametrize("uri", ["", "sqlite:///x", "http://", "http://[::1", "http://h:port", "databricks"])
def test_an_address_that_is_none_is_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match="is no address of a server"):
        Server(uri)


def basic(pair: str) -> str:
    return "Basic " + base64.b64encode(pair.encode()).decode()


@pytest.mark.parametrize(
    ("user", "variables", "sent"),
    [
        ("", {}, None),
        ("", {"TOKEN": "t"}, "Bearer t"),
        ("", {"TOKEN": "t", "USERNAME": "a", "PASSWORD": "b"}, basic("a:b")),
        ("", {"TOKEN": "t", "USERNAME": "", "PASSWORD": ""}, "Bearer t"),
        ("u:p%40@", {"TOKEN": "t"}, basic("u:p@")),
    ],
)
def test_credentials_are_those_of_mlflows_client(
    connect: Callable[..., Server],
    stub: Stub,
    monkeypatch: pytest.MonkeyPatch,
    user: str,
    variables: dict[str, str],
    sent: str | None,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    connect(stub.url.replace("//", f"//{user}")).get("x")
    assert stub.asked[0][2].get("Authorization") == sent


def test_a_proxy_is_asked_but_for_the_hosts_that_are_left_out(
    connect: Callable[..., Server], stub: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", stub.url.replace("//", "//u:p@"))
    monkeypatch.setenv("no_proxy", "left.out")
    connect("http://some.where:81/root").get("x")
    _, path, headers, _ = stub.asked[0]
    assert path.startswith("http://some.where:81/root/api/2.0/x")
    assert headers["Proxy-Authorization"] == basic("u:p")
    assert connect("http://left.out")._proxy.place is None


def test_a_path_of_the_address_and_a_file_are_sent(
    connect: Callable[..., Server], stub: Stub, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"x" * 300_000)
    server = connect(stub.url + "/root/")
    stub.answers = [(503, b"", {})]
    with (tmp_path / "file").open("rb") as file:
        server.upload("mlflow-artifacts/artifacts/a b/ü", file, 300_000, "text/plain")
    server.upload("empty", b"", 0, "text/plain")
    assert [path for _, path, _, _ in stub.asked] == [
        "/root/api/2.0/mlflow-artifacts/artifacts/a%20b/%C3%BC",
        "/root/api/2.0/mlflow-artifacts/artifacts/a%20b/%C3%BC",
        "/root/api/2.0/empty",
    ]
    assert [len(body) for *_, body in stub.asked] == [300_000, 300_000, 0]


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    file = tmp_path / "both.pem"
    done = subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=localhost",
                "-days",
                "2",
            ),
            *("-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", tmp_path / "cert.pem"),
        ],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("openssl makes no certificate here")
    file.write_bytes(file.read_bytes() + (tmp_path / "cert.pem").read_bytes())
    return file


def test_tls_is_checked_as_the_variables_say(
    connect: Callable[..., Server], stub: Stub, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    stub.http.socket = context.wrap_socket(stub.http.socket, server_side=True)
    url = f"https://localhost:{stub.http.server_port}"

    def fails(make: Callable[[], Server]) -> None:
        with pytest.raises(TrackingError, match=r"certificate verify failed|CERTIFICATE_VERIFY_FAILED"):
            make().get("x")

    fails(lambda: connect(url, patience_s=0.01))
    monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
    assert connect(url).get("x") == {}
    monkeypatch.delenv("MLFLOW_TRACKING_INSECURE_TLS")
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificate))
    assert connect(url).get("x") == {}
    fails(lambda: connect(url.replace("localhost", "127.0.0.1"), patience_s=0.01))
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", "/nowhere")
    with pytest.raises(TrackingError, match="cannot read the certificates in /nowhere"):
        connect(url).get("x")
