"""nginx and Caddy before the server, with TLS, as docs/operations.md sets them up."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from bis_server import Served, serving
from docs.pages import REPOSITORY, blocks
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis_command import Bis

pytestmark = pytest.mark.slow

NGINX = """\
daemon off;
user root;
pid {place}/nginx.pid;
error_log {place}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {place}/body;
    proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi;
    scgi_temp_path {place}/scgi;
{server}
}}
"""
CADDY = """\
{{
	admin off
	auto_https disable_redirects
	storage file_system {place}/caddy
}}
{server}
"""
SCRIPT = """\
import mlflow, pathlib, sys
with mlflow.start_run() as run:
    mlflow.log_metric("m", 0.5)
    pathlib.Path("large.bin").write_bytes(bytes(range(256)) * 80_000)
    mlflow.log_artifact("large.bin", "deep")
back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="deep/large.bin", dst_path="back")
assert pathlib.Path(back).read_bytes() == pathlib.Path("large.bin").read_bytes()
print(mlflow.search_runs(["0"])["metrics.m"][0])
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for ``localhost`` and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    place = tmp_path_factory.mktemp("certificate")
    found = place / "own.pem", place / "own.key"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    making = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *names]
    subprocess.run([*making, "-out", found[0], "-keyout", found[1]], check=True, capture_output=True)
    return found


@pytest.fixture
def server(bis: Bis, tmp_path: Path) -> Iterator[Served]:
    words = ("--allowed-host", "localhost", "--trusted-proxy", "127.0.0.1", "--auth")
    with serving(bis, *words, "--access-log", tmp_path / "access.log") as served:
        yield served


@pytest.fixture(params=["nginx", "caddy"])
def proxy(
    request: pytest.FixtureRequest, server: Served, certificate: tuple[Path, Path], tmp_path: Path
) -> Iterator[int]:
    """The port on which the proxy listens with TLS."""
    if shutil.which(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    make = {"nginx": _nginx, "caddy": _caddy}[request.param]
    process = subprocess.Popen(
        make(tmp_path, server.url.removeprefix("http://"), port, certificate),
        env={**os.environ, "HOME": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                break
            time.sleep(0.05)
        assert process.poll() is None
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _documented(beginning: str) -> str:
    """The block of the documentation that begins so, for ``localhost``."""
    (found,) = (
        block.text
        for block in blocks(REPOSITORY / "docs" / "operations.md")
        if block.text.startswith(beginning) and "127.0.0.1:5000" in block.text
    )
    return found


def _nginx(place: Path, address: str, port: int, certificate: tuple[Path, Path]) -> list[str]:
    server = (
        _documented("server {").replace("127.0.0.1:5000", address).replace("listen 443", f"listen {port}")
    )
    for suffix, file in zip(("pem", "key"), certificate, strict=True):
        server = server.replace(f"/etc/ssl/mlflow.example.org.{suffix}", str(file))
    file = place / "nginx.conf"
    file.write_text(NGINX.format(place=place, server=server.replace("mlflow.example.org", "localhost")))
    return ["nginx", "-p", str(place), "-c", str(file)]


def _caddy(place: Path, address: str, port: int, certificate: tuple[Path, Path]) -> list[str]:
    server = _documented("mlflow.example.org {").replace("127.0.0.1:5000", address)
    tls = f"localhost:{port} {{\n\ttls {certificate[0]} {certificate[1]}"
    file = place / "Caddyfile"
    file.write_text(CADDY.format(place=place, server=server.replace("mlflow.example.org {", tls)))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(file)]


def test_mlflows_client_works_through_a_proxy(
    proxy: int, server: Served, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [client_python(LATEST), "-c", SCRIPT],
        env={
            **variables,
            "MLFLOW_TRACKING_URI": f"https://localhost:{proxy}",
            "MLFLOW_TRACKING_TOKEN": server.token,
            "REQUESTS_CA_BUNDLE": str(certificate[0]),
            "NO_PROXY": "localhost",
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "0.5"


def test_the_log_has_the_client_that_the_proxy_has_seen(
    proxy: int, server: Served, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    context = ssl.create_default_context(cafile=certificate[0])
    connection = http.client.HTTPSConnection(
        "localhost", proxy, context=context, source_address=("127.0.0.2", 0)
    )
    headers = {"Authorization": f"Bearer {server.token}", "X-Forwarded-For": "203.0.113.9"}
    connection.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0", headers=headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["experiment"]["name"]) == (200, "Default")
    connection.request("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0")
    assert connection.getresponse().status == 401
    connection.close()
    assert server.end() == 0
    lines = [json.loads(line) for line in (tmp_path / "access.log").read_text().splitlines()]
    assert {line["remote"] for line in lines} == {"127.0.0.2"}  # and not what the client says of itself
    assert [line["status"] for line in lines] == [200, 401]
