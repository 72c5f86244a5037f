"""Path parameters in S3, against a real server of the protocol on loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bis.errors import ParameterError
from bis.object_stores import _s3_config
from bis.projects import download

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

obstore = pytest.importorskip("obstore")
moto_server: Any = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    import urllib.request

    from obstore.store import from_url

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    address = f"http://127.0.0.1:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT")).close()
    store = from_url(
        "s3://bucket",
        config={
            "endpoint": address,
            "access_key_id": "a",
            "secret_access_key": "b",
            "region": "us-east-1",
            "virtual_hosted_style_request": False,
        },
        client_options={"allow_http": True},
    )
    for key in ("data/train.csv", "data/sub/b.csv", "a b/é.csv", "top.csv", "data/sub/deeper/c.csv"):
        obstore.put(store, key, f"content of {key}".encode())
    yield address
    server.stop()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_SESSION_TOKEN", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_REGION", "us-east-1")


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", endpoint)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("s3://bucket/data/train.csv", "data/train.csv"),
        ("s3a://bucket/top.csv", "top.csv"),
        ("s3://bucket/a b/é.csv", "a b/é.csv"),
    ],
)
def test_an_object_is_fetched_under_its_name(tmp_path: Path, uri: str, key: str) -> None:
    target = download(uri, tmp_path / "param_0", resolve=None)
    assert target == tmp_path / "param_0" / key.rpartition("/")[2]
    assert target.read_text() == f"content of {key}"


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("uri", ["s3://bucket/data", "s3://bucket/data/"])
def test_a_prefix_is_fetched_as_a_directory(tmp_path: Path, uri: str) -> None:
    target = download(uri, tmp_path, resolve=None)
    assert target == tmp_path / "data"
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert found == {"train.csv", "sub/b.csv", "sub/deeper/c.csv"}


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("uri", ["s3://bucket", "s3://bucket/"])
def test_a_bucket_is_fetched_whole(tmp_path: Path, uri: str) -> None:
    assert (download(uri, tmp_path, resolve=None) / "top.csv").is_file()


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("uri", ["s3://bucket/missing.csv", "s3://bucket/dat", "s3://missing/a.csv"])
def test_an_object_that_is_not_there_is_an_error(tmp_path: Path, uri: str) -> None:
    with pytest.raises(ParameterError, match="cannot be downloaded"):
        download(uri, tmp_path, resolve=None)
    assert list(tmp_path.rglob("*.part")) == []


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_endpoint_variables_of_aws_are_honoured(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv("MLFLOW_S3_ENDPOINT_URL", raising=False)
    monkeypatch.setenv(name, endpoint)
    assert download("s3://bucket/top.csv", tmp_path, resolve=None).read_text() == "content of top.csv"


def test_credentials_are_read_from_the_files_of_aws_configure(tmp_path: Path) -> None:
    directory = tmp_path / ".aws"
    directory.mkdir()
    (directory / "config").write_text("[default]\nregion = eu-west-1\n[profile work]\nregion = us-west-2\n")
    (directory / "credentials").write_text(
        "[default]\naws_access_key_id = d\naws_secret_access_key = s%1\n"
        "[work]\naws_access_key_id = w\naws_secret_access_key = t\naws_session_token = u\n"
    )
    home = {"HOME": str(tmp_path)}
    assert _s3_config(home) == {
        "region": "eu-west-1",
        "aws_access_key_id": "d",
        "aws_secret_access_key": "s%1",
    }
    assert _s3_config({**home, "AWS_PROFILE": "work"}) == {
        "region": "us-west-2",
        "aws_access_key_id": "w",
        "aws_secret_access_key": "t",
        "aws_session_token": "u",
    }
    assert _s3_config({**home, "AWS_ACCESS_KEY_ID": "e"}) == {}
    assert _s3_config({"HOME": str(tmp_path / "missing")}) == {}


def test_without_the_client_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(ParameterError, match=r"pip install 'bis\[cloud\]'"):
        download("s3://bucket/top.csv", tmp_path, resolve=None)
