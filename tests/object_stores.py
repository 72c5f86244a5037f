"""An S3 server on loopback, and its address in the environment."""

from __future__ import annotations

import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

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
