"""The classes of vulnerabilities that MLflow's server has had, each tried over a raw socket on ``bis server``.

Each test names the CVEs or advisories whose class it is. No answer may hold a secret that lies beside the artifacts,
no request may write or delete there, and no answer is a defect (5xx).
"""

from __future__ import annotations

import base64
import json
import pickle
import socket
import stat
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from bis.server.app import TABLE
from bis_command import Bis
from bis_server import serving
from server.api import fill, path_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis_server import Served
    from raw_http import Reply
    from server.api import Known

CLASSES = {
    "read outside of the root": (
        "CVE-2023-1176 CVE-2023-1177 CVE-2023-2356 CVE-2023-2780 CVE-2023-30172 CVE-2023-3765 CVE-2023-6909"
        " CVE-2023-6977 CVE-2024-1483 CVE-2024-1558 CVE-2024-1593 CVE-2024-1594 CVE-2024-2928 CVE-2024-3573"
        " CVE-2024-3848 CVE-2024-8859 CVE-2025-11201 CVE-2026-2033 CVE-2026-2614"
    ),
    "write or delete outside of the root": (
        "CVE-2023-6015 CVE-2023-6018 CVE-2023-6753 CVE-2023-6831 CVE-2023-6975 CVE-2023-6976 CVE-2024-1560"
    ),
    "requests sent for others": "CVE-2023-6974 CVE-2025-52967 CVE-2026-64849 GHSA-h7x2-h6g9-p789",
    "browsers": (
        "CVE-2023-6568 CVE-2023-43472 CVE-2024-27132 CVE-2024-27133 CVE-2025-1473 CVE-2025-14279 GHSA-3v79"
    ),
    "who may ask": (
        "CVE-2023-6014 CVE-2024-4263 CVE-2025-1474 CVE-2025-11200 CVE-2026-0545 CVE-2026-2651 CVE-2026-2652"
    ),
    "code": (
        "CVE-2022-0736 CVE-2023-4033 CVE-2023-6940 CVE-2024-37052 CVE-2024-37061 CVE-2025-10279 CVE-2025-15379"
        " CVE-2026-0596 CVE-2026-4137"
    ),
    "exhaustion": "CVE-2024-3099 CVE-2024-6838 CVE-2025-0453",
}
"""The class -> what MLflow's server has had of it."""

MLFLOW = "/api/2.0/mlflow"
PROXY = "/api/2.0/mlflow-artifacts/artifacts"
SECRET = "nobody may read this"

CLIMBS = (
    "../secret",
    "../../secret",
    "../../../../../../etc/passwd",
    "a/../../secret",
    "./../secret",
    "..%2fsecret",
    "%2e%2e/secret",
    "%2e%2e%2fsecret",
    "%252e%252e%252fsecret",
    "..%252fsecret",
    "%25252e%25252e/secret",
    "..;/secret",
    "..%3b/secret",
    "..%23/secret",
    "a#/../../secret",
    "a%23/../../secret",
    "..%5csecret",
    "..\\secret",
    "%2e%2e%5csecret",
    "..%c0%afsecret",
    "..%ef%bc%8fsecret",
    "%00/../secret",
    "../secret%00.txt",
    "/etc/passwd",
    "//etc/passwd",
    "%2fetc%2fpasswd",
    "file:/etc/passwd",
    "file:%2f%2f%2fetc%2fpasswd",
    "file%3a///etc/passwd",
    "C:%5cWindows%5cwin.ini",
    "~/secret",
    "link/secret",
    "link%2fsecret",
    "loop/loop/link/secret",
)
"""Spellings of a path that leads out of the root, as they stand in a request."""

LOCATIONS = (
    "file:///etc",
    "/etc",
    "etc",
    "file://localhost/etc",
    "file:/etc",
    "FILE:///etc",
    "mlflow-artifacts:/..",
    "mlflow-artifacts:/../../etc",
    "mlflow-artifacts:/%2e%2e/%2e%2e/etc",
    "mlflow-artifacts:/%252e%252e/etc",
    "mlflow-artifacts://evil/../etc",
    "mlflow-artifacts:/..;/etc",
    "mlflow-artifacts:/a#/../../etc",
    "mlflow-artifacts:/a?/../../etc",
    "mlflow-artifacts:/..\\..\\etc",
    "mlflow-artifacts:/link",
    "mlflow-artifacts:",
    "mlflow-artifacts:///etc",
    "http://localhost#/../../etc",
    "http:///#/../../../../etc",
    "https://x/api/2.0/mlflow-artifacts/artifacts/../../etc",
    "s3://bucket/../../etc",
    "dbfs:/etc",
    "dbfs:/../../etc",
    "hdfs:/etc",
    "ftp://user@host/etc",
    "runs:/../etc",
    "runs:/RUN/../../etc",
    "models:/../etc",
    "models:/iris/../../etc",
    "models:/iris/1/../../../etc",
    "jdbc:file:/etc",
    "data:,x",
)
"""Addresses of artifacts that a server must not follow."""


class Target:
    """A server with tokens, a secret beside its artifacts, and links among them that lead there."""

    def __init__(self, served: Served, home: Path) -> None:
        self.served, self.home = served, home
        self.wire = served.wire()
        self.known = fill(self.wire)
        self.root = home / "artifacts"
        self.secret = home / "secret"
        self.secret.write_text(SECRET)
        (self.root / "link").symlink_to(home)
        (self.root / "loop").symlink_to(self.root)
        self.before = self.outside()

    def outside(self) -> dict[str, bytes]:
        """Every file of the home but artifacts, the database and logs."""
        files = (path for path in self.home.rglob("*") if path.is_file() and self.root not in path.parents)
        return {
            str(path): path.read_bytes()
            for path in files
            if ".db" not in path.name and path.suffix != ".jsonl"
        }

    def ask(self, method: str, path: str, body: object = None, **headers: str | None) -> Reply:
        """Ask, and see that nothing leaked, nothing outside changed, and nothing failed."""
        reply = self.wire.ask(method, path, body, **headers)
        assert reply.status < 500, (method, path, reply)
        assert SECRET.encode() not in reply.body
        assert b"root:" not in reply.body
        assert b"Traceback" not in reply.body
        assert not reply.headers["content-type"].startswith("text/html")
        if reply.headers.get("connection") == "close":
            self.wire.reconnect()
        return reply

    def refused(self, method: str, path: str, body: object = None, **headers: str | None) -> Reply:
        """Ask for what must be refused."""
        reply = self.ask(method, path, body, **headers)
        assert 400 <= reply.status < 500, (method, path, reply)
        return reply


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    directory = tmp_path_factory.mktemp("served")
    with serving(Bis(home=directory / "home", cwd=directory), "--auth") as served:
        found = Target(served, directory / "home")
        yield found
        assert found.outside() == found.before


@pytest.fixture(scope="module")
def known(target: Target) -> Known:
    return target.known


def test_every_vulnerability_of_the_table_has_a_test() -> None:
    tests = [value for name, value in globals().items() if name.startswith("test_")]
    tried = " ".join(test.__doc__ or "" for test in tests)
    assert [number for numbers in CLASSES.values() for number in numbers.split() if number not in tried] == []


# Reading outside of the root


@pytest.mark.parametrize("path", CLIMBS)
def test_no_path_reads_outside_of_the_root(target: Target, known: Known, path: str) -> None:
    """CVE-2023-1176, CVE-2023-1177, CVE-2023-2780, CVE-2024-1593 (;), CVE-2024-1483, CVE-2024-1594 (#),
    CVE-2023-3765 (absolute)."""
    run, model = known.names["run_id"], known.names["model_id"]
    target.refused("GET", f"{PROXY}/{path}")
    target.refused("GET", f"{PROXY}/0/{run}/artifacts/{path}")
    in_query = path.replace("#", "%23").replace("\\", "%5c")
    for query in (
        f"{PROXY}?path={in_query}",
        f"{MLFLOW}/artifacts/list?run_id={run}&path={in_query}",
        f"{MLFLOW}/logged-models/{model}/artifacts/directories?artifact_directory_path={in_query}",
    ):
        reply = target.ask("GET", query)
        assert reply.status != 200 or "files" not in reply.json or reply.json["files"] == []
    target.refused("GET", f"/get-artifact?run_id={run}&path={in_query}")
    target.refused("GET", f"/get-artifact?run_uuid={run}&path={in_query}")
    target.refused("GET", f"/model-versions/get-artifact?name=iris&version=1&path={in_query}")
    files = f"/ajax-api/2.0/mlflow/logged-models/{model}/artifacts/files"
    target.refused("GET", f"{files}?artifact_file_path={in_query}")


@pytest.mark.parametrize("location", LOCATIONS)
def test_no_location_of_an_experiment_is_followed(target: Target, location: str) -> None:
    """CVE-2023-6909, CVE-2023-6977, CVE-2024-2928, CVE-2024-3848 (#), CVE-2024-8859 (dbfs)."""
    body = {"name": f"at {location}", "artifact_location": location}
    made = target.ask("POST", f"{MLFLOW}/experiments/create", body)
    if made.status != 200:
        return
    number = made.json["experiment_id"]
    run = target.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": number}).json["run"]["info"]["run_id"]
    for path in ("passwd", "", "../../passwd", "secret", "../../secret"):
        reply = target.ask("GET", f"{MLFLOW}/artifacts/list?run_id={run}&path={path}")
        assert reply.status != 200 or "files" not in reply.json or reply.json["files"] == []
        target.refused("GET", f"/get-artifact?run_id={run}&path={path}")
    model = target.ask("POST", f"{MLFLOW}/logged-models", {"experiment_id": number}).json["model"]["info"][
        "model_id"
    ]
    reply = target.ask("GET", f"{MLFLOW}/logged-models/{model}/artifacts/directories")
    assert reply.status != 200 or "files" not in reply.json or reply.json["files"] == []


@pytest.mark.parametrize("source", LOCATIONS)
def test_no_source_of_a_model_version_is_followed(target: Target, known: Known, source: str) -> None:
    """CVE-2023-2356, CVE-2023-30172, CVE-2024-1558, CVE-2024-3573, CVE-2025-11201, CVE-2026-2033, CVE-2026-2614."""
    for run_id in ("", known.names["run_id"]):
        of = source.replace("RUN", known.names["run_id"])
        made = target.ask(
            "POST", f"{MLFLOW}/model-versions/create", {"name": "iris", "source": of, "run_id": run_id}
        )
        if made.status != 200:
            continue
        query = f"name=iris&version={made.json['model_version']['version']}"
        for path in ("passwd", "../../etc/passwd", "secret"):
            target.refused("GET", f"/model-versions/get-artifact?{query}&path={path}")
        target.ask("GET", f"{MLFLOW}/model-versions/get-download-uri?{query}")


# Writing and deleting outside of the root


@pytest.mark.parametrize("path", CLIMBS)
def test_no_path_writes_or_deletes_outside_of_the_root(target: Target, path: str) -> None:
    """CVE-2023-6831, CVE-2024-1560 (decoded twice), CVE-2023-6015, CVE-2023-6018, CVE-2023-6975."""
    for method, content in (("PUT", b"evil"), ("DELETE", None)):
        target.ask(method, f"{PROXY}/{path}", content)
        target.ask(method, f"{PROXY}/0/{path}", content)
    assert target.secret.read_text() == SECRET
    assert target.outside() == target.before
    assert (target.root / "link").is_symlink()


@pytest.mark.parametrize("path", ["", "/", ".", "./", "%2e", "0/.."])
def test_the_root_itself_is_not_deleted(target: Target, path: str) -> None:
    """CVE-2024-4263 is of its kind: more is deleted than was named."""
    target.refused("DELETE", f"{PROXY}/{path}")
    target.refused("PUT", f"{PROXY}/{path}", b"x")
    assert target.root.is_dir()


@pytest.mark.parametrize(
    "name", ["../../evil", "/evil", "..", "a/../../../evil", "%2e%2e%2fevil", "evil\\..\\..", "\0"]
)
def test_names_are_data_and_never_paths(target: Target, known: Known, name: str) -> None:
    """CVE-2023-6753, CVE-2023-6976, CVE-2024-3099: names of models, keys and tags that became paths."""
    run = known.names["run_id"]
    for path, body in (
        ("experiments/create", {"name": name}),
        ("registered-models/create", {"name": name}),
        ("registered-models/rename", {"name": "iris", "new_name": f"{name}/.."}),
        ("runs/log-parameter", {"run_id": run, "key": name, "value": "x"}),
        ("runs/log-metric", {"run_id": run, "key": name, "value": 1, "timestamp": 1}),
        ("runs/set-tag", {"run_id": run, "key": name, "value": name}),
        ("logged-models", {"experiment_id": "0", "name": name}),
        ("runs/log-inputs", {"run_id": name, "datasets": []}),
    ):
        target.ask("POST", f"{MLFLOW}/{path}", body)
    target.ask("GET", f"{MLFLOW}/runs/get?run_id={quote(name, safe='')}")
    target.ask("GET", f"{MLFLOW}/registered-models/get?name={quote(name, safe='')}")
    assert target.outside() == target.before


@pytest.mark.parametrize("name", ["a/b", "a:b", "a\0b", " ", "..", ".", "/a"])
def test_a_model_has_no_name_that_an_address_cannot_hold(target: Target, name: str) -> None:
    """A name with a NUL was accepted by MLflow 3.17; ``models:/a/b`` would name another model."""
    target.refused("POST", f"{MLFLOW}/registered-models/create", {"name": name})


def test_names_that_decode_alike_are_two(target: Target) -> None:
    """CVE-2024-3099: a model named ``a%20b`` hid the one named ``a b``."""
    for name in ("twin a", "twin%20a"):
        assert target.ask("POST", f"{MLFLOW}/registered-models/create", {"name": name}).status == 200
    found = target.ask("GET", f"{MLFLOW}/registered-models/get?name=twin%2520a").json
    assert found["registered_model"]["name"] == "twin%20a"


# Requests that the server would send for others


def test_the_server_connects_to_nothing(target: Target, known: Known) -> None:
    """CVE-2025-52967 (gateway proxy), GHSA-h7x2-h6g9-p789 (api_base), CVE-2026-64849 (webhooks), CVE-2023-6974."""
    with closing(socket.create_server(("127.0.0.1", 0))) as canary:
        canary.settimeout(0.2)
        url = f"http://127.0.0.1:{canary.getsockname()[1]}"
        run = known.names["run_id"]
        asked: list[tuple[str, str, Any]] = [
            ("GET", f"/ajax-api/2.0/mlflow/gateway-proxy?gateway_path={url}", None),
            ("POST", "/ajax-api/2.0/mlflow/gateway-proxy", {"gateway_path": url}),
            ("POST", "/api/2.0/mlflow/webhooks", {"name": "w", "url": url, "events": []}),
            ("POST", "/api/3.0/mlflow/gateway/endpoints/create", {"name": "e", "api_base": url}),
            ("POST", f"{MLFLOW}/runs/log-inputs", {"run_id": run, "datasets": [_dataset(url)]}),
            ("GET", f"/get-artifact?run_id={run}&path={url}", None),
            ("GET", f"{PROXY}/{url}", None),
            ("GET", f"{url}/health", None),
        ]
        for method, path, body in asked:
            target.ask(method, path, body)
        location = {"name": f"at {url}", "artifact_location": url}
        number = target.ask("POST", f"{MLFLOW}/experiments/create", location).json["experiment_id"]
        made = target.ask("POST", f"{MLFLOW}/runs/create", {"experiment_id": number}).json["run"]["info"]
        target.ask("GET", f"{MLFLOW}/artifacts/list?run_id={made['run_id']}")
        target.ask("GET", f"/get-artifact?run_id={made['run_id']}&path=x")
        version = {"name": "iris", "source": f"{url}/model", "run_link": url}
        number = target.ask("POST", f"{MLFLOW}/model-versions/create", version).json["model_version"][
            "version"
        ]
        target.ask("GET", f"/model-versions/get-artifact?name=iris&version={number}&path=x")
        with pytest.raises(TimeoutError):
            canary.accept()


def _dataset(url: str) -> dict[str, object]:
    source = json.dumps({"url": url})
    return {"dataset": {"name": "d", "digest": "1", "source_type": "http", "source": source}}


# Browsers


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "10.evil.com",
        "192.168.evil.com",
        "172.16.evil.com",
        "localhost.evil.com",
        "127.0.0.1.evil.com",
        "fd00::1",
        "[fd00::1]",
        "10.0.0.1",
        "0.0.0.0",
        "localhost@evil.com",
        "evil.com:5000",
        "localhost,evil.com",
    ],
)
def test_a_name_that_points_here_is_not_enough(target: Target, host: str) -> None:
    """CVE-2025-14279 (DNS rebinding)."""
    assert target.ask("GET", f"{MLFLOW}/experiments/get?experiment_id=0", Host=host).status == 403


def test_a_request_names_one_server(target: Target) -> None:
    """Two readers of two Host headers may see two servers."""
    for hosts in (
        "",
        "Host: localhost\r\nHost: localhost\r\n",
        "Host: localhost\r\nHost: evil.com\r\n",
        "Host:\r\n",
    ):
        head = f"GET {MLFLOW}/experiments/get?experiment_id=0 HTTP/1.1\r\n{hosts}"
        reply = target.wire.send(f"{head}Authorization: Bearer {target.wire.token}\r\n\r\n".encode())
        assert reply.status in (400, 403)


ORIGINS = (
    "https://evil.com",
    "null",
    "http://localhost",
    "http://localhost:1",
    "http://127.0.0.1",
    "http://[::1]:1",
)


@pytest.mark.parametrize("origin", ORIGINS)
def test_a_page_of_another_origin_changes_and_reads_nothing(
    target: Target, known: Known, origin: str
) -> None:
    """CVE-2023-43472, CVE-2025-1473 (CSRF); another port of localhost is another origin."""
    for route in TABLE.routes:
        if route.method != "GET":
            reply = target.ask(route.method, path_of(route, known), {}, Origin=origin)
            assert (reply.status, reply.code) == (403, "PERMISSION_DENIED")
    assert target.ask("PUT", f"{PROXY}/0/x", b"x", Origin=origin).status == 403
    for method in ("GET", "OPTIONS"):
        reply = target.ask(method, f"{MLFLOW}/experiments/get?experiment_id=0", Origin=origin)
        assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None]
)
def test_what_a_form_can_send_changes_nothing(target: Target, kind: str | None) -> None:
    """CVE-2023-43472: a form or a text needs no leave of the browser."""
    for path in ("experiments/create", "registered-models/create", "runs/create"):
        reply = target.refused("POST", f"{MLFLOW}/{path}", b'{"name": "forged"}', Content_Type=kind)
        assert reply.code == "BAD_REQUEST"
    assert target.ask("GET", f"{MLFLOW}/experiments/get-by-name?experiment_name=forged").status == 404


def test_no_request_by_get_changes_anything() -> None:
    """A page of any site can make a browser send a GET."""
    assert [route.path for route in TABLE.routes if route.method == "GET" and route.writes] == []


def test_nothing_that_is_sent_comes_back_as_a_page(target: Target) -> None:
    """CVE-2023-6568 (the content type came back), CVE-2024-27132, CVE-2024-27133 (GHSA-3v79: names and artifacts)."""
    script = "<script>alert(1)</script>"
    for reply in (
        target.ask("POST", f"{MLFLOW}/experiments/create", {}, Content_Type=script),
        target.ask("GET", f"/{quote(script)}"),
        target.ask("GET", f"{MLFLOW}/experiments/get?experiment_id={quote(script)}"),
        target.ask("GET", f"{PROXY}/{quote(script)}"),
        target.ask("GET", "/health", Host=script.replace(" ", "")),
    ):
        assert reply.headers["content-type"] == "application/json"
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "name", ["page.html", "image.svg", "code.js", "x.xhtml", "noext", 'a";x.html', "ü.html"]
)
def test_an_uploaded_page_is_saved_and_never_shown(target: Target, known: Known, name: str) -> None:
    """CVE-2024-27132 (GHSA-3v79): a script among the artifacts ran with the rights of the user."""
    path = f"0/{known.names['run_id']}/artifacts/{quote(name)}"
    target.ask("PUT", f"{PROXY}/{path}", b"<script>alert(1)</script>", Content_Type="text/html")
    for asked in (f"{PROXY}/{path}", f"/get-artifact?run_id={known.names['run_id']}&path={quote(name)}"):
        reply = target.ask("GET", asked)
        assert reply.status == 200
        assert reply.headers["content-disposition"].startswith("attachment")
        assert reply.headers["content-type"] == "application/octet-stream"
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in reply.headers["content-security-policy"]


# Who may ask

UNKNOWN = (
    "/",
    "/graphql",
    "/metrics",
    "/api/3.0/jobs/",
    "/ajax-api/3.0/jobs/search",
    "/api/2.0/mlflow-artifacts/mpu/create/x",
    "/api/2.0/mlflow-artifacts/presigned/x",
    "/api/2.0/mlflow/users/create",
    "/gateway/x/invocations",
    "/v1/traces",
    "//api/2.0/mlflow/experiments/search",
    "/health/../api/2.0/mlflow/experiments/search",
    "/health/%2e%2e/api/2.0/mlflow/experiments/search",
    "/health;/api/2.0/mlflow/experiments/search",
    "/health%00",
    "/HEALTH",
    "/health/",
    "/static-files/../../secret",
    "/api/openapi.json",
    "/get-artifact?run_id=x&path=y",
)


def test_nothing_is_answered_without_a_token(target: Target, known: Known) -> None:
    """CVE-2026-0545 (jobs), CVE-2026-2652 (routes beside), CVE-2026-2651 (mpu), CVE-2023-6014, CVE-2025-1474."""
    wire = target.served.wire(token="")
    for path in UNKNOWN:
        assert wire.ask("GET", path).status == 401, path
    for route in TABLE.routes:
        sent = None if route.method == "GET" else b"{}"
        assert wire.ask(route.method, path_of(route, known), sent).status == 401
    for method in ("GET", "PUT", "DELETE", "OPTIONS", "POST", "PATCH"):
        assert wire.ask(method, f"{PROXY}/0/x", b"x" if method == "PUT" else None).status == 401
    tricks = {"X_Original_URL": "/health", "X_Rewrite_URL": "/health", "X_Forwarded_For": "127.0.0.1"}
    reply = wire.ask("GET", f"{MLFLOW}/experiments/search", X_HTTP_Method_Override="HEAD", **tricks)
    assert reply.status == 401


@pytest.mark.parametrize("header", ["Bearer x", f"Basic {base64.b64encode(b'admin:password1234').decode()}"])
def test_there_is_no_password_that_everybody_knows(target: Target, header: str) -> None:
    """CVE-2025-11200 (weak passwords) and the default ``admin`` of MLflow's basic-auth; guesses have to wait."""
    reply = target.served.wire(token="").ask("GET", f"{MLFLOW}/experiments/search", Authorization=header)
    assert reply.status == 401


def test_who_may_read_may_not_write_and_who_writes_may_not_delete_for_ever(
    target: Target, known: Known
) -> None:
    """CVE-2024-4263: who might edit an experiment could delete its artifacts."""
    tokens = {role: _token(target, role) for role in ("read", "write")}
    reader, writer = (target.served.wire(token=tokens[role]) for role in ("read", "write"))
    for route in TABLE.routes:
        if route.writes:
            assert reader.ask(route.method, path_of(route, known), {}).status == 403
    assert reader.ask("GET", f"{MLFLOW}/experiments/get?experiment_id=0").status == 200
    assert reader.ask("PUT", f"{PROXY}/0/x", b"x").status == 403
    assert writer.ask("PUT", f"{PROXY}/0/x", b"x").status == 200
    assert writer.ask("DELETE", f"{PROXY}/0/x").status == 403
    assert writer.ask("DELETE", f"{MLFLOW}/registered-models/delete", {"name": "iris"}).status == 403


def _token(target: Target, role: str) -> str:
    bis = Bis(home=target.home, cwd=target.home)
    made = bis("tokens", "create", "--role", role, "--json")
    assert made.status == 0, made.err
    target.before = target.outside()
    return str(made.json["token"])


# Code


class _Touches:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return (Path.write_text, (self.path, "ran"))  # type: ignore[return-value]


def test_nothing_that_is_sent_is_executed(target: Target, known: Known, tmp_path: Path) -> None:
    """CVE-2024-37052 to CVE-2024-37061 (pickles), CVE-2026-0596 and CVE-2023-4033 (shell), CVE-2023-6940,
    CVE-2025-15379."""
    ran = tmp_path / "ran"
    run = known.names["run_id"]
    command = f"$(touch {ran}); touch {ran} `touch {ran}` | touch {ran}"
    yaml = f"!!python/object/apply:os.system ['touch {ran}']"
    for name, content in (
        ("model/model.pkl", pickle.dumps(_Touches(ran))),
        ("model/MLmodel", yaml.encode()),
        ("model/conda.yaml", yaml.encode()),
        ("$(touch ran);`touch ran`.sh", command.encode()),
    ):
        at = f"0/{run}/artifacts/{quote(name)}"
        assert target.ask("PUT", f"{PROXY}/{at}", content).status == 200
        assert target.ask("GET", f"{PROXY}/{at}").body == content
    for model in (
        yaml,
        json.dumps({"flavors": {"python_function": {"loader_module": yaml, "code": command}}}),
    ):
        target.ask("POST", f"{MLFLOW}/runs/log-model", {"run_id": run, "model_json": model})
    for name in (command, "{{7*7}}", "${jndi:ldap://127.0.0.1/x}", "{self.__class__}", "%s%n"):
        target.ask("POST", f"{MLFLOW}/experiments/create", {"name": name})
        target.ask("POST", f"{MLFLOW}/runs/search", {"experiment_ids": ["0"], "filter": f"tags.x = '{name}'"})
        target.ask("POST", f"{MLFLOW}/runs/search", {"experiment_ids": ["0"], "filter": name})
    assert not ran.exists()


@pytest.mark.parametrize(
    "value",
    [
        "'",
        "''",
        "x' OR '1'='1",
        "x'; DROP TABLE runs; --",
        'x" OR ""="',
        "x\\' OR 1=1 --",
        "0 UNION SELECT 1",
        "%' --",
    ],
)
def test_no_text_becomes_sql(target: Target, value: str) -> None:
    """The language of searches is compiled; values and keys are parameters."""
    for text in (
        f"tags.a = '{value}'",
        f'tags.a = "{value}"',
        f"tags.`{value}` = 'x'",
        f"params.{value} = 'x'",
        f"metrics.`{value}` > 1",
        value,
        f"name LIKE '{value}'",
    ):
        for path in ("runs", "experiments", "logged-models"):
            body = {
                "experiment_ids": ["0"],
                "filter": text,
                "order_by": [] if path[0] == "l" else [text[:50]],
            }
            target.ask("POST", f"{MLFLOW}/{path}/search", body)
        target.ask("GET", f"{MLFLOW}/registered-models/search?filter={quote(text)}&order_by={quote(text)}")
    forged = {"experiment_ids": ["0", "0) OR (1=1"], "page_token": value}
    target.refused("POST", f"{MLFLOW}/runs/search", forged)
    assert target.ask("GET", f"{MLFLOW}/experiments/get?experiment_id=0").status == 200


def test_what_is_stored_is_the_users_alone(target: Target) -> None:
    """CVE-2022-0736, CVE-2025-10279, CVE-2026-4137: directories that others could write to."""
    for path in (target.home, *target.home.rglob("*")):
        mode = path.lstat().st_mode
        assert stat.S_ISLNK(mode) or not mode & (stat.S_IWGRP | stat.S_IWOTH), path


# Exhaustion


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("experiments/create", {"name": "x" * 10_000}),
        ("runs/search", {"experiment_ids": ["0"], "filter": " AND ".join(["metrics.a > 1"] * 5000)}),
        ("runs/search", {"experiment_ids": ["0"], "filter": "(" * 10_000 + "metrics.a > 1" + ")" * 10_000}),
        ("runs/search", {"experiment_ids": ["0"], "filter": "NOT " * 10_000 + "metrics.a > 1"}),
        ("runs/search", {"experiment_ids": ["0"], "filter": f"run_id IN ({','.join(['1'] * 100_000)})"}),
        ("runs/search", {"experiment_ids": ["0"], "order_by": [f"metrics.a{n}" for n in range(1000)]}),
        ("runs/search", {"experiment_ids": ["0"], "max_results": 50_001}),
        ("experiments/search", {"max_results": 50_001}),
        ("logged-models/search", {"experiment_ids": ["0"], "max_results": 1001}),
        ("runs/log-batch", {"metrics": [{"key": "a", "value": 1, "timestamp": 1}] * 1001}),
        ("runs/log-batch", {"tags": [{"key": str(n), "value": ""} for n in range(101)]}),
        ("registered-models/create", {"name": "x" * 10_000}),
        ("graphql", {"query": "{" + "a " * 100_000 + "}"}),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_no_request_asks_for_too_much(
    target: Target, known: Known, path: str, body: dict[str, object]
) -> None:
    """CVE-2025-0453 (a batch of GraphQL), CVE-2024-6838 (long names)."""
    target.refused("POST", f"{MLFLOW}/{path}", {"run_id": known.names["run_id"], **body})


@pytest.mark.parametrize(("path", "field"), [("runs/set-tag", "key"), ("runs/log-parameter", "key")])
def test_no_name_is_longer_than_it_is_said(target: Target, known: Known, path: str, field: str) -> None:
    """CVE-2024-6838."""
    target.refused(
        "POST", f"{MLFLOW}/{path}", {"run_id": known.names["run_id"], field: "x" * 251, "value": "x"}
    )


@pytest.mark.parametrize("query", ["max_results=200001", "filter=" + quote("name = 'a' AND " * 3000)])
def test_no_query_asks_for_too_much(target: Target, query: str) -> None:
    """As above, by GET."""
    target.refused("GET", f"{MLFLOW}/model-versions/search?{query}")
