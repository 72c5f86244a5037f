"""Real servers on loopback for the tests of sources: Git over its own protocol and over HTTP, plain files."""

from __future__ import annotations

import base64
import contextlib
import getpass
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class HttpServer:
    """``url`` of a running server, and the paths it was asked for."""

    url: str
    requests: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)


@contextlib.contextmanager
def git_daemon(root: Path) -> Iterator[str]:
    """``git daemon`` over ``root``; yields its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [
            *("git", "daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1"),
            *(f"--port={port}", f"--base-path={root}", str(root)),
        ],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        _wait_for(port)
        yield f"git://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, 15)
        process.wait()


@dataclass
class SshServer:
    """``address`` (user@host) and ``port`` of a running sshd, and the ``command`` that reaches it as ssh."""

    address: str
    port: int
    command: str


@contextlib.contextmanager
def ssh_server(directory: Path) -> Iterator[SshServer]:
    """A real sshd on loopback with keys and settings of its own, all of them in ``directory``."""
    sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    if sshd is None or shutil.which("ssh") is None:
        pytest.skip("OpenSSH's server and client are not installed")
    directory.mkdir()
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd of root wants it; the init script makes it
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (directory / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {directory}/host\n"
        f"AuthorizedKeysFile {directory}/user.pub\nPidFile none\nStrictModes no\nUsePAM no\n"
        "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    host_key = (directory / "host.pub").read_text()
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {host_key}")
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([sshd, "-D", "-e", "-f", directory / "sshd_config"], stderr=log)
    try:
        _wait_for(port)
        options = (
            f"-F none -i {directory}/user -o UserKnownHostsFile={directory}/known_hosts "
            f"-o IdentitiesOnly=yes -o BatchMode=yes"
        )
        yield SshServer(f"{getpass.getuser()}@127.0.0.1", port, f"ssh {options}")
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", port), 5):
            return
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@contextlib.contextmanager
def serve(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """A threaded HTTP server; yields its URL."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def git_http(
    root: Path, *, login: str | None = None, cut_after: int | None = None, protocol: str | None = None
) -> Iterator[HttpServer]:
    """Smart HTTP over ``root``; ``login`` (user:password) is demanded, ``cut_after`` bytes of a pack the line breaks.

    ``protocol`` "0" plays an old server, that knows nothing of protocol v2.
    """
    running = HttpServer("")

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            body = self._body()
            running.requests.append(self.path)
            running.authorizations.append(self.headers.get("Authorization"))
            if login and self.headers.get("Authorization") != basic(login):
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status, headers, content = self._backend(body)
            is_pack = b"PACK" in content
            self.send_response(status)
            for key, value in headers:
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if is_pack and cut_after is not None:
                self.wfile.write(content[:cut_after])
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            self.wfile.write(content)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _backend(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
            url = urllib.parse.urlsplit(self.path)
            environment = {
                **os.environ,
                "GIT_PROJECT_ROOT": str(root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "PATH_INFO": urllib.parse.unquote(url.path),
                "QUERY_STRING": url.query,
                "REQUEST_METHOD": self.command,
                "CONTENT_TYPE": self.headers.get("Content-Type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "REMOTE_ADDR": "127.0.0.1",
                "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
                "GIT_PROTOCOL": self.headers.get("Git-Protocol", "") if protocol is None else "",
            }
            done = subprocess.run(
                ["git", "http-backend"], input=body, capture_output=True, env=environment, check=True
            )
            head, _, content = done.stdout.partition(b"\r\n\r\n")
            status, headers = 200, []
            for line in head.decode().split("\r\n"):
                key, _, value = line.partition(": ")
                if key == "Status":
                    status = int(value.split()[0])
                elif key:
                    headers.append((key, value))
            return status, headers, content

    with serve(Handler) as url:
        running.url = url
        yield running


@contextlib.contextmanager
def files_http(root: Path, *, login: str | None = None, cut_after: int | None = None) -> Iterator[HttpServer]:
    """The files of ``root``; ``cut_after`` bytes the line breaks, ``login`` is demanded, ``/moved/X`` redirects."""
    running = HttpServer("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            running.requests.append(self.path)
            running.authorizations.append(self.headers.get("Authorization"))
            path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
            if path.startswith("/moved/"):
                self.send_response(302)
                self.send_header("Location", path.removeprefix("/moved"))
                self.end_headers()
                return
            file = Path(root, path.lstrip("/"))
            if login and self.headers.get("Authorization") != basic(login):
                self.send_error(401)
            elif not file.is_file():
                self.send_error(404)
            else:
                content = file.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content if cut_after is None else content[:cut_after])

    with serve(Handler) as url:
        running.url = url
        yield running


def basic(login: str) -> str:
    """The header ``Authorization`` of ``user:password``."""
    return "Basic " + base64.b64encode(login.encode()).decode()
