"""A channel served over HTTP on loopback: with a token or a password when asked, and damaged when asked."""

from __future__ import annotations

import base64
import contextlib
import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass
class ChannelServer:
    """What is served, on which conditions, and what was asked for."""

    root: Path
    url: str = ""
    token: str | None = None
    user: tuple[str, str] | None = None
    damaged: int = 0
    """How many of the next packages arrive damaged."""
    pause_s: float = 0
    """Between pieces of 20 kB of a package."""
    asked: list[str] = field(default_factory=list)
    """Paths; whole addresses where it is asked as a proxy."""

    def answer(self, path: str, authorization: str | None) -> tuple[int, bytes]:
        """Status and content for a path."""
        self.asked.append(path)
        if "://" in path:
            path = "/" + path.split("/", 3)[3]
        if self.token is not None:
            if not path.startswith(f"/t/{self.token}/"):
                return 403, b""
            path = path.removeprefix(f"/t/{self.token}")
        if self.user is not None:
            expected = base64.b64encode(":".join(self.user).encode()).decode()
            if authorization != f"Basic {expected}":
                return 401, b""
        file = self.root / path.lstrip("/")
        if not file.is_file():
            return 404, b""
        content = file.read_bytes()
        if self.damaged and file.suffix == ".conda":
            self.damaged -= 1
            content = content[:-7] + b"damaged"
        return 200, content


@contextmanager
def served(root: Path, certificate: Path | None = None) -> Iterator[ChannelServer]:
    """Serve a directory while the context lasts; ``certificate`` (with its key, PEM) makes it HTTPS."""
    found = ChannelServer(root)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, content = found.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command == "GET":
                with contextlib.suppress(OSError):  # whoever asked has gone
                    self._send(content)

        do_HEAD = do_GET

        def _send(self, content: bytes) -> None:
            piece = 20_000 if found.pause_s else len(content)
            for start in range(0, len(content), piece or 1):
                self.wfile.write(content[start : start + piece])
                time.sleep(found.pause_s)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    found.url = f"http{'s' if certificate else ''}://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
