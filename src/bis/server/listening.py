"""The listening socket of a server: bound at once, before the imports that answering needs.

Clients that connect early wait in the kernel's queue instead of being refused.
"""

from __future__ import annotations

import errno
import ipaddress
import socket

from bis.errors import UsageError

_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at ``host`` (a name or an address; ``0.0.0.0`` and ``::`` are all addresses).

    ``port`` 0 lets the system choose one. Raises UsageError with a way out when that cannot be.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"--host {host!r} is not an address of this machine",
            hint="Use 127.0.0.1 for this machine alone, 0.0.0.0 for all its addresses.",
        ) from error
    # proto is named because asyncio sets TCP_NODELAY only where it reads IPPROTO_TCP
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot(host, port, error) from error
    return listener


def is_loopback(listener: socket.socket) -> bool:
    """Whether only this machine can reach it."""
    return ipaddress.ip_address(listener.getsockname()[0].partition("%")[0]).is_loopback


def address(listener: socket.socket) -> str:
    """The URL by which a client on this machine reaches it."""
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host.partition("%")[0]).is_unspecified:
        host = "::1" if ":" in host else "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _cannot(host: str, port: int, error: OSError) -> UsageError:
    if error.errno == errno.EADDRINUSE:
        return UsageError(
            f"port {port} is taken: another program listens at {host}:{port}",
            hint="Choose another one with --port, or let the system choose: --port 0",
        )
    if error.errno == errno.EACCES:
        return UsageError(
            f"port {port} is for the administrator of this machine",
            hint="Choose one from 1024 on, and put a reverse proxy before it.",
        )
    return UsageError(
        f"cannot listen at {host}:{port}: {error.strerror}",
        hint="Use 127.0.0.1 for this machine alone, 0.0.0.0 for all its addresses.",
    )
