"""Remote path parameters: from a web server, an object store, and what a tracking store holds."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bis.errors import ParameterError
from bis.projects import download, download_all
from bis.projects.download import file_name, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MODULE = sys.modules["bis.projects.download"]
CONTENT = b"a,b\n" * 100_000


class Handler(BaseHTTPRequestHandler):
    """Answers by the first part of the path; counts the requests."""

    requests: list[str]

    def do_GET(self) -> None:
        self.requests.append(self.path)
        first = self.path.split("/")[1].split("?")[0]
        if first == "broken" and len(self.requests) < 3:
            self._answer(200, CONTENT[:100], len(CONTENT))
        elif first == "busy" and len(self.requests) < 3:
            self._answer(503, b"", 0)
        elif first == "always-broken":
            self._answer(200, CONTENT[:100], len(CONTENT))
        elif first == "missing":
            self._answer(404, b"", 0)
        elif first == "moved":
            self.send_response(302)
            self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif first == "private" and self.headers.get("Authorization") != "Basic dTpwJTIw":
            self._answer(401, b"", 0)
        else:
            self._answer(200, CONTENT, len(CONTENT))

    def _answer(self, status: int, content: bytes, length: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(MODULE, "PAUSE_S", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    Handler.requests = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/a.csv", "a.csv"),
        ("/data/a.csv?token=1#x", "a.csv"),
        ("/a%20b.csv", "a b.csv"),
        ("/a b é.csv", "a b é.csv"),
        ("/data/", "data"),
        ("/", "download"),
        ("/a/..%2F..%2Fb", "b"),
        ("/a/%2E%2E", "download"),
        ("/moved/x.csv", "x.csv"),
    ],
)
def test_a_file_is_fetched_under_its_name(server: str, tmp_path: Path, path: str, name: str) -> None:
    target = download(server + path, tmp_path / "param_0", resolve=None)
    assert target == tmp_path / "param_0" / name
    assert target.read_bytes() == CONTENT
    assert names(tmp_path / "param_0") == [name]


@pytest.mark.parametrize("path", ["/broken/a.csv", "/busy/a.csv"])
def test_a_broken_connection_is_tried_again(server: str, tmp_path: Path, path: str) -> None:
    assert download(server + path, tmp_path, resolve=None).read_bytes() == CONTENT
    assert len(Handler.requests) == 3


def test_a_file_that_is_not_whole_is_never_used(server: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"the connection broke off .*, 4 times"):
        download(f"{server}/always-broken/a.csv", tmp_path, resolve=None)
    assert names(tmp_path) == []


def test_a_missing_file_is_an_error_at_once(server: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="the server answers 404"):
        download(f"{server}/missing/a.csv", tmp_path, resolve=None)
    assert len(Handler.requests) == 1


def test_user_and_password_are_sent_and_not_shown(server: str, tmp_path: Path) -> None:
    address = server.replace("http://", "http://u:p%2520@")
    assert download(f"{address}/private/a", tmp_path, resolve=None).read_bytes() == CONTENT
    with pytest.raises(ParameterError) as error:
        download(f"{address}/missing/a?token=secret", tmp_path, resolve=None)
    assert "p%25" not in str(error.value)
    assert "secret" not in str(error.value)
    assert f"{server}/missing/a cannot be downloaded" in str(error.value)


def test_a_server_that_is_not_there_is_an_error(server: str, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"cannot be downloaded: .*, 4 times"):
        download("http://127.0.0.1:9/a.csv", tmp_path, resolve=None)


@pytest.mark.parametrize("uri", ["http://[/a", "http://h:port/a", "http:///a"])
def test_an_address_that_is_none_is_an_error(server: str, tmp_path: Path, uri: str) -> None:
    with pytest.raises(ParameterError, match="cannot be downloaded"):
        download(uri, tmp_path, resolve=None)


@pytest.mark.parametrize("uri", ["ftp://h/a", "a.csv", "runs:/1/a"])
def test_what_nobody_can_fetch_is_an_error(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ParameterError, match="is not supported here"):
        download(uri, tmp_path, resolve=None)


@pytest.mark.parametrize("uri", ["runs:/1/model", "models:/m/1", "mlflow-artifacts:/1/a"])
def test_what_the_tracking_store_holds_is_copied(tmp_path: Path, uri: str) -> None:
    held = tmp_path / "store" / "model"
    (held / "sub").mkdir(parents=True)
    (held / "sub" / "a").write_text("kept")
    asked: list[str] = []

    def resolve(uri: str) -> Path:
        asked.append(uri)
        return held if uri != "models:/m/1" else held / "sub" / "a"

    target = download(uri, tmp_path / "param_1", resolve=resolve)
    inner = target / "sub" / "a" if target.is_dir() else target
    inner.write_text("changed")
    assert asked == [uri]
    assert (held / "sub" / "a").read_text() == "kept"


def test_each_parameter_has_a_directory_by_its_place(server: str, tmp_path: Path) -> None:
    downloads = {"data": f"{server}/a.csv", "test": f"{server}/a.csv"}
    found = download_all(["lr", "data", "test"], downloads, tmp_path, resolve=None)
    assert found == {
        "data": str(tmp_path / "param_1" / "a.csv"),
        "test": str(tmp_path / "param_2" / "a.csv"),
    }


def test_names_and_addresses_are_made_safe() -> None:
    assert file_name("a/..") == "download"
    assert shown("https://u:p@host:1/a?b=c#d") == "https://host:1/a"
