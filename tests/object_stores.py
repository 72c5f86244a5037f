"""Servers of S3, of Google's XML API and of Azure's blobs on loopback, and their addresses in the environment."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import shutil
import subprocess
import threading
import urllib.request
from contextlib import contextmanager
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from mlflow_clients import cache_directory

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DISTURBING = ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "http_proxy")


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server of S3's protocol that has an empty bucket named ``bucket``."""
    moto: Any = pytest.importorskip("moto.server")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT")).close()
    try:
        yield address
    finally:  # servers of one process share their buckets
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST")).close()
        server.stop()


def use_s3(address: str, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Let obstore find the server by the environment, and nothing else."""
    for name in _DISTURBING:
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "HOME": str(home),
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "MLFLOW_S3_ENDPOINT_URL": address,
    }.items():
        monkeypatch.setenv(name, value)


def open_uploads(address: str) -> int:
    """How many multipart uploads the bucket has that were neither completed nor given up."""
    with urllib.request.urlopen(f"{address}/bucket?uploads") as answer:
        return int(answer.read().count(b"<Upload>"))


_SIGNED = "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"


@contextmanager
def google_server() -> Iterator[str]:
    """The address of a server of Google's XML API that has an empty bucket named ``google``.

    That API is S3's but for names of headers and the signature, so the server of S3 answers it, once the signature is
    put in the place of Google's token.
    """
    moto: Any = pytest.importorskip("moto.server")
    serving: Any = pytest.importorskip("werkzeug.serving")
    s3 = moto.DomainDispatcherApplication(moto.create_backend_app)

    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        return s3({**environ, "HTTP_AUTHORIZATION": _SIGNED}, start_response)

    server = serving.make_server("127.0.0.1", 0, answer, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.port}"
    try:
        urllib.request.urlopen(urllib.request.Request(f"{address}/google", method="PUT")).close()
        yield address
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def use_google(address: str, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Let obstore find the server by the environment, and ask nobody for a token."""
    account = {"gcs_base_url": address, "disable_oauth": True}
    file = directory / "service account.json"
    file.write_text(json.dumps({**account, "client_email": "", "private_key": "", "private_key_id": ""}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(file))


AZURITE = "3.35.0"
"""Microsoft's own emulator of Azure's storage, from npm."""
_AZURE_ACCOUNT = "devstoreaccount1"
_AZURE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Which every emulator has, and nobody else."""


@contextmanager
def azure_server(directory: Path) -> Iterator[str]:
    """The address of a server of Azure's blobs that has an empty container named ``container``."""
    command = [_azurite(), "--location", str(directory), "--blobHost", "127.0.0.1", "--blobPort", "0"]
    process = subprocess.Popen(
        [*command, "--silent", "--skipApiVersionCheck", "--disableTelemetry"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = next(line for line in process.stdout if "successfully listens on" in line)
        address = said.split()[-1]
        urllib.request.urlopen(_making_a_container(address)).close()
        yield address
    finally:
        process.kill()
        process.communicate()


def use_azure(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let obstore find the server by the environment."""
    for name, value in {
        "AZURE_STORAGE_USE_EMULATOR": "true",
        "AZURITE_BLOB_STORAGE_URL": address,
        "AZURE_STORAGE_ACCOUNT_NAME": _AZURE_ACCOUNT,
        "AZURE_STORAGE_ACCOUNT_KEY": _AZURE_KEY,
    }.items():
        monkeypatch.setenv(name, value)


def _azurite() -> str:
    """Its program, installed once."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("the emulator of Azure needs npm")
    directory = cache_directory() / f"azurite-{AZURITE}"
    program = directory / "node_modules" / ".bin" / "azurite-blob"
    with directory.with_name(f"{directory.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            aside = directory.with_name(f"{directory.name}.new")
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir()
            words = ["install", "--no-audit", "--no-fund", "--silent", f"azurite@{AZURITE}"]
            subprocess.run([npm, *words], cwd=aside, check=True)
            aside.rename(directory)
    return str(program)


def _making_a_container(address: str) -> urllib.request.Request:
    """The request, signed as Azure's "Shared Key" wants it."""
    headers = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2023-11-03"}
    resource = f"/{_AZURE_ACCOUNT}/{_AZURE_ACCOUNT}/container\nrestype:container"
    signed = "PUT" + 12 * "\n" + "".join(f"{name}:{value}\n" for name, value in headers.items()) + resource
    digest = hmac.new(base64.b64decode(_AZURE_KEY), signed.encode(), hashlib.sha256).digest()
    headers["Authorization"] = f"SharedKey {_AZURE_ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = f"{address}/{_AZURE_ACCOUNT}/container?restype=container"
    return urllib.request.Request(url, headers=headers, method="PUT")
