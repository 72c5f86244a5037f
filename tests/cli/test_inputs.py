"""Path parameters that lie elsewhere, from servers on loopback to the command."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import os
import subprocess
import threading
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from bis_command import Bis, write_project
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MLPROJECT = """\
entry_points:
  main:
    parameters: {data: path, again: {type: path, default: ""}}
    command: "cat {data} && basename {data}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", MLPROJECT)


@contextlib.contextmanager
def file_server(directory: Path) -> Iterator[str]:
    """Serves a directory over HTTP on loopback."""
    handler = functools.partial(_Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_a_file_on_a_web_server_is_downloaded(bis: Bis, project: Path, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data set.csv").write_text("1,2,3\n")
    with file_server(tmp_path / "served") as host:
        uri = f"http://{host}/data%20set.csv"
        result = bis("run", project, "-q", "-P", f"data={uri}")
        assert (result.status, result.out) == (0, "1,2,3\ndata set.csv\n"), result.err
        assert bis("show", "--json").json["parameters"]["data"] == uri
        missing = bis("run", project, "-P", f"data=http://{host}/nowhere.csv")
    assert missing.status == 2
    assert "nowhere.csv" in missing.err
    assert bis.statuses() == ["FINISHED"]
    assert not list((bis.home / "running").iterdir())


def test_its_credentials_are_recorded_nowhere(bis: Bis, project: Path, tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data.csv").write_text("1\n")
    with file_server(tmp_path / "served") as host:
        document = bis.run_json(project, "-P", f"data=http://someone:s3cret@{host}/data.csv")
    assert document["parameters"]["data"] == f"http://{host}/data.csv"
    assert "s3cret" not in json.dumps(document)
    found = subprocess.run(["grep", "-ra", "s3cret", str(bis.home)], capture_output=True, check=False)
    assert found.stdout == b""


def test_an_artifact_of_another_run_is_an_input(bis: Bis, project: Path, tmp_path: Path) -> None:
    first = bis.run_json(write_project(tmp_path / "first", "entry_points: {main: {command: echo made}}"))
    result = bis("run", project, "-q", "-P", f"data=runs:/{first['run_id']}/bis/output.log")
    assert (result.status, result.out) == (0, "made\noutput.log\n"), result.err
    absent = bis("run", project, "-P", f"data=runs:/{first['run_id']}/nowhere.csv")
    assert absent.status == 2
    assert "nowhere.csv" in absent.err


def test_downloads_go_where_storage_dir_says(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p", "entry_points: {main: {parameters: {data: path}, command: 'echo {data}'}}"
    )
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "data.csv").write_text("1\n")
    with file_server(tmp_path / "served") as host:
        result = bis(
            "run", project, "-q", "-P", f"data=http://{host}/data.csv", "--storage-dir", tmp_path / "storage"
        )
    assert result.out.startswith(str(tmp_path / "storage"))
    assert next((tmp_path / "storage").rglob("data.csv")).read_text() == "1\n"


REGISTERS = """\
import mlflow
from mlflow.tracking import MlflowClient
with mlflow.start_run() as run:
    mlflow.log_text("weights of one", "net/weights.txt")
client = MlflowClient()
client.create_registered_model("net")
version = client.create_model_version("net", run.info.artifact_uri + "/net", run.info.run_id).version
client.set_registered_model_alias("net", "best", version)
"""


def test_a_registered_model_is_an_input(bis: Bis, tmp_path: Path) -> None:
    python = client_python(LATEST)
    registers = write_project(
        tmp_path / "registers",
        "entry_points: {main: {command: python main.py}}",
        {"main.py": REGISTERS},
    )
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    made = bis.run_json(registers, "--env-manager", "local", PATH=path)
    uses = write_project(
        tmp_path / "uses",
        "entry_points: {main: {parameters: {model: path}, command: 'cat {model}/weights.txt'}}",
    )
    for uri in ("models:/net/1", "models:/net@best", "models:/net/latest", f"runs:/{made['run_id']}/net"):
        result = bis("run", uses, "-q", "-P", f"model={uri}")
        assert (result.status, result.out) == (0, "weights of one"), result.err
        assert bis("show", "--json").json["parameters"] == {"model": uri}
    for uri in ("models:/net/9", "models:/ent/1", "models:/net@worst"):
        refused = bis("run", uses, "-P", f"model={uri}")
        assert refused.status == 2
        assert uri in refused.err


def test_an_object_of_a_bucket_is_an_input(bis: Bis, project: Path) -> None:
    obstore = pytest.importorskip("obstore")
    moto_server: Any = pytest.importorskip("moto.server")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        urllib.request.urlopen(urllib.request.Request(f"{address}/inputs", method="PUT")).close()
        variables = {
            "MLFLOW_S3_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "s3cret",
            "AWS_REGION": "us-east-1",
        }
        config = {"endpoint": address, "access_key_id": "a", "secret_access_key": "b", "region": "us-east-1"}
        store = obstore.store.from_url("s3://inputs", config=config, client_options={"allow_http": True})
        obstore.put(store, "data/train set.csv", b"4,5,6\n")
        result = bis("run", project, "-q", "-P", "data=s3://inputs/data/train set.csv", **variables)
        assert (result.status, result.out) == (0, "4,5,6\ntrain set.csv\n"), result.err
        absent = bis("run", project, "-P", "data=s3://inputs/nowhere.csv", **variables)
    finally:
        server.stop()
    assert absent.status == 2
    assert "s3://inputs/nowhere.csv" in absent.err
    assert bis.statuses() == ["FINISHED"]
    assert not subprocess.run(
        ["grep", "-ra", "s3cret", str(bis.home)], capture_output=True, check=False
    ).stdout
