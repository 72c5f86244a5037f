"""A connection to a server as it is on the wire: what is sent and what comes back, byte by byte."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any, Protocol


class Server(Protocol):
    """Where to connect to, and the token."""

    @property
    def url(self) -> str: ...
    @property
    def token(self) -> str: ...


@dataclass(frozen=True)
class Reply:
    """What a server sent back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> object:
        """MLflow's error code."""
        return self.json.get("error_code")


class Wire:
    """One connection to a server."""

    def __init__(self, server: Server) -> None:
        self._host, self.token = server.url.removeprefix("http://"), server.token
        self._connect()

    def _connect(self) -> None:
        name, _, port = self._host.partition(":")
        self.socket = socket.create_connection((name, int(port)), timeout=10)
        self._file = self.socket.makefile("rb")

    def reconnect(self) -> None:
        """Begin anew: a reply has ended the connection, or will."""
        self.close()
        self._connect()

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self.socket.close()

    def ask(self, method: str, path: str, body: object = None, **headers: str | None) -> Reply:
        """Send a request as MLflow's clients do; a header that is None is left out."""
        content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        standard: dict[str, str | None] = {
            "Host": self._host,
            "Authorization": f"Bearer {self.token}" if self.token else None,
            "Content-Type": None if body is None else "application/json",
            "Content-Length": str(len(content)) if content or method in ("POST", "PUT") else None,
        }
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{name}: {value}" for name, value in {**standard, **named}.items() if value is not None]
        head = "\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""])
        return self.send(head.encode() + content)

    def send(self, content: bytes) -> Reply:
        """Send these bytes and read one reply."""
        self.socket.sendall(content)
        return self.reply()

    def head(self) -> tuple[int, dict[str, str]]:
        """Read status and headers of a reply."""
        status = int(self._file.readline().split()[1])
        headers: dict[str, str] = {}
        while line := self._file.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def reply(self) -> Reply:
        """Read one reply."""
        status, headers = self.head()
        return Reply(status, headers, self._file.read(int(headers.get("content-length", 0))))
