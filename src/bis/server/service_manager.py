"""Tells systemd how the server is: the protocol of sd_notify(3), which is one datagram."""

from __future__ import annotations

import contextlib
import os
import socket


def tell(*words: str) -> None:
    """Send words as ``READY=1`` where ``NOTIFY_SOCKET`` names a socket; elsewhere do nothing."""
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    path = f"\0{name[1:]}" if name.startswith("@") else name  # @ is a name in Linux's abstract space
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.sendto("\n".join(words).encode(), path)
