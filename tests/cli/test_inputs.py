"""Path parameters that lie elsewhere, from servers on loopback to the command."""

from __future__ import annotations

import contextlib
import functools
import http.server
import json
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, write_project

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
