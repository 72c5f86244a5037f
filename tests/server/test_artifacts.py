"""Files over HTTP, on the wire: parts of them, broken connections, full disks, large ones in little memory."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis.server.loopback import LoopbackServer
from bis.tracking.artifact_store import open_artifacts
from object_stores import open_uploads, s3_server, use_s3
from raw_http import Wire

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = "/api/2.0/mlflow-artifacts/artifacts"
MIB = 1 << 20


@pytest.fixture(params=["directory", "S3"])
def kept(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[LoopbackServer, Path | str]]:
    """A server, and where it keeps files: a directory, or the address of an S3 server."""
    if request.param == "directory":
        with LoopbackServer(tmp_path / "tracking.db", tmp_path / "artifacts") as server:
            yield server, tmp_path / "artifacts"
        return
    pytest.importorskip("obstore")
    with s3_server() as address:
        use_s3(address, monkeypatch, tmp_path)
        with LoopbackServer(
            tmp_path / "tracking.db", open_artifacts(f"s3://bucket/{tmp_path.name}")
        ) as server:
            yield server, address


@pytest.fixture
def files(kept: tuple[LoopbackServer, Path | str]) -> Iterator[Wire]:
    wire = Wire(kept[0])
    yield wire
    wire.close()


def test_a_file_comes_back_whole_with_its_mark(files: Wire) -> None:
    assert files.ask("PUT", f"{FILES}/a/b.bin", bytes(range(256)) * 5000).status == 200
    reply = files.ask("GET", f"{FILES}/a/b.bin")
    assert (reply.status, reply.body) == (200, bytes(range(256)) * 5000)
    assert reply.headers["accept-ranges"] == "bytes"
    assert files.ask("GET", f"{FILES}/a/b.bin", If_None_Match=reply.headers["etag"]).status == 304
    assert files.ask("GET", f"{FILES}/a/b.bin", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    ("asked", "status", "body", "place"),
    [
        ("bytes=2-4", 206, b"234", "bytes 2-4/10"),
        ("bytes=7-", 206, b"789", "bytes 7-9/10"),
        ("bytes=-2", 206, b"89", "bytes 8-9/10"),
        ("bytes=10-", 416, b"", "bytes */10"),
        ("bytes=1-2,4-5", 200, b"0123456789", None),
    ],
)
def test_a_part_of_a_file_is_sent(
    files: Wire, asked: str, status: int, body: bytes, place: str | None
) -> None:
    files.ask("PUT", f"{FILES}/a", b"0123456789")
    reply = files.ask("GET", f"{FILES}/a", Range=asked)
    assert (reply.status, reply.body, reply.headers.get("content-range")) == (status, body, place)
    assert files.ask("GET", f"{FILES}/a").body == b"0123456789"  # the connection goes on


def test_an_empty_file_is_sent_as_one(files: Wire) -> None:
    files.ask("PUT", f"{FILES}/a", b"")
    reply = files.ask("GET", f"{FILES}/a")
    assert (reply.status, reply.headers["content-length"], reply.body) == (200, "0", b"")


def test_the_size_is_told_without_the_file(kept: tuple[LoopbackServer, Path | str]) -> None:
    server, _ = kept
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    headers = {"Authorization": f"Bearer {server.token}"}
    for method in ("PUT", "HEAD", "GET"):
        connection.request(method, f"{FILES}/a", b"hello" if method == "PUT" else None, headers)
        reply = connection.getresponse()
        body = reply.read()
        assert reply.status == 200
        if method == "HEAD":
            assert (reply.headers["content-length"], body) == ("5", b"")
    connection.close()


def test_files_are_deleted_once(files: Wire) -> None:
    files.ask("PUT", f"{FILES}/d/a", b"x")
    assert files.ask("DELETE", f"{FILES}/d").status == 200
    assert files.ask("DELETE", f"{FILES}/d").status == 404
    assert files.ask("GET", f"{FILES}/d/a").status == 404


def test_nothing_stays_of_a_client_that_goes_away_in_the_middle(
    kept: tuple[LoopbackServer, Path | str],
) -> None:
    server, place = kept
    wire = Wire(server)
    head = f"PUT {FILES}/a HTTP/1.1\r\nHost: {server.url[7:]}\r\nAuthorization: Bearer {server.token}\r\n"
    wire.socket.sendall(head.encode() + f"Content-Length: {100 * MIB}\r\n\r\n".encode())
    for _ in range(20):
        wire.socket.sendall(b"x" * MIB)
    _until(lambda: _unfinished(place) == 1)
    wire.close()
    _until(lambda: _unfinished(place) == 0)
    after = Wire(server)
    assert after.ask("GET", f"{FILES}/a").status == 404
    after.close()


def _unfinished(place: Path | str) -> int:
    if isinstance(place, str):
        return open_uploads(place)
    return sum(name.endswith(".bis-part") for _, _, files in os.walk(place) for name in files)


def _until(is_so: object) -> None:
    assert callable(is_so)
    end = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_client_that_does_not_read_holds_nobody_up(kept: tuple[LoopbackServer, Path | str]) -> None:
    server, _ = kept
    slow, other = Wire(server), Wire(server)
    assert slow.ask("PUT", f"{FILES}/a", b"x" * 20 * MIB).status == 200
    head = f"GET {FILES}/a HTTP/1.1\r\nHost: {server.url[7:]}\r\nAuthorization: Bearer {server.token}\r\n\r\n"
    slow.socket.sendall(head.encode())
    for _ in range(5):
        assert other.ask("GET", "/api/2.0/mlflow/experiments/get?experiment_id=0").status == 200
    assert len(slow.reply().body) == 20 * MIB
    slow.close()
    other.close()


SERVER = """
import sys
from pathlib import Path
from bis.server.loopback import LoopbackServer
server = LoopbackServer(Path(sys.argv[1]) / "tracking.db", Path(sys.argv[2]))
server.start()
print(server.url, server.token, flush=True)
sys.stdin.read()
"""


@contextmanager
def _process(*before: str, places: tuple[Path, Path]) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    command = [*before, sys.executable, "-c", SERVER, *map(str, places)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        url, token = process.stdout.readline().split()
        yield process, url.removeprefix("http://"), token
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def _send(host: str, token: str, size_mib: int, name: str = "a") -> int:
    connection = http.client.HTTPConnection(host)
    connection.putrequest("PUT", f"{FILES}/{name}")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Length", str(size_mib * MIB))
    connection.endheaders()
    part = os.urandom(MIB)
    try:
        for _ in range(size_mib):
            connection.send(part)
    except OSError:  # it has answered already, and closed
        pass
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process in /proc")
@pytest.mark.slow
def test_half_a_gigabyte_goes_up_and_down_in_little_memory(tmp_path: Path) -> None:
    with _process(places=(tmp_path, tmp_path / "artifacts")) as (process, host, token):
        assert _send(host, token, 500) == 200
        connection = http.client.HTTPConnection(host)
        connection.request("GET", f"{FILES}/a", headers={"Authorization": f"Bearer {token}"})
        reply, size = connection.getresponse(), 0
        while part := reply.read(MIB):
            size += len(part)
        connection.close()
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
        peak_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    assert size == 500 * MIB
    assert peak_kib < 80 * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a small disk in a namespace of its own")
def test_a_disk_that_fills_up_in_the_middle_is_told_and_nothing_stays(tmp_path: Path) -> None:
    place = tmp_path / "artifacts"
    place.mkdir()
    mounted = ("unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size=8m none "{place}" && exec "$@"', "sh")
    if (
        shutil.which("unshare") is None
        or subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("no disk can be mounted here")
    with _process(*mounted, places=(tmp_path, place)) as (_, host, token):
        assert _send(host, token, 4, "kept") == 200
        assert _send(host, token, 30, "too-large") == 507
        assert _send(host, token, 3, "fits-again") == 200
        connection = http.client.HTTPConnection(host)
        connection.request("GET", FILES, headers={"Authorization": f"Bearer {token}"})
        listed = connection.getresponse().read()
        connection.close()
    assert b"too-large" not in listed
    assert listed.count(b'"path"') == 2
