"""The server of one run: on loopback, with a one-time token, for as long as the run lives.

It listens as soon as it is made, so that the script's first request waits instead of failing; the imports it
needs to answer happen in a thread while the script's interpreter starts, and not at all for a script that
ends before or never speaks.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import weakref
from typing import TYPE_CHECKING

from bis.errors import TrackingError

if TYPE_CHECKING:
    from pathlib import Path

    from bis.server.serving import Serving
    from bis.tracking.artifact_store import ArtifactStore

_IMPORTS_AFTER_S = 0.2
_CONTAINER_AFTER_S = 0.6
"""A container takes longer to start than a script; an import beside that makes it take longer still."""
_BACKLOG = 512
_JOIN_TIMEOUT_S = 10.0


class LoopbackServer:
    """A tracking server over the database and artifacts of a home.

    With ``socket_file`` it listens there, and on no port: for a container. ``url`` and ``token`` are what the script is
    given (``MLFLOW_TRACKING_URI``, ``MLFLOW_TRACKING_TOKEN``). It serves from a thread with a connection of its own to
    the database.
    """

    def __init__(
        self, database: str | Path, artifact_root: Path | ArtifactStore, *, socket_file: Path | None = None
    ) -> None:
        self._database, self._artifact_root = database, artifact_root
        self._listener = _listener(socket_file)
        self._imports_after_s = _CONTAINER_AFTER_S if socket_file else _IMPORTS_AFTER_S
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._serving: Serving | None = None
        self._is_awake = threading.Event()
        self._stopped = self._is_asked_at_stop = False
        self.token = os.urandom(32).hex()
        port = "" if socket_file else f":{self._listener.getsockname()[1]}"
        self.url = f"http://127.0.0.1{port}"
        _close_when_forked(weakref.ref(self))

    def start(self) -> None:
        """Serve from a daemon thread."""
        self._thread = threading.Thread(target=self._run, name="bis-loopback-server", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer what was accepted, and end; at once when nobody waits for an answer."""
        with self._lock:
            if self._stopped:
                return
            self._is_asked_at_stop = self._listener.fileno() >= 0 and _readable(0, self._listener)
            self._stopped = True
            serving = self._serving
        self._wake_writer.send(b"x")
        if serving is not None:
            serving.stop()
        if self._thread is not None:
            if serving is not None or self._is_asked_at_stop:
                self._thread.join(_JOIN_TIMEOUT_S)
            else:
                self._is_awake.wait(_JOIN_TIMEOUT_S)  # a port that is polled stays open
        self.close_sockets()

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        """Wait for the first connection, or a moment; then import what serving needs, and serve."""
        _readable(self._imports_after_s, self._listener, self._wake_reader)
        self._is_awake.set()
        if self._has_ended():
            return
        from bis.server.app import App
        from bis.server.serving import Serving
        from bis.tracking.grouped import GroupedStore
        from bis.tracking.sql_store import open_sql_store

        with self._lock:
            if self._has_ended():
                return
            try:
                store = GroupedStore(lambda: open_sql_store(self._database, self._artifact_root), readers=1)
            except TrackingError:
                self._listener.close()  # the script is refused at once instead of waiting for an answer
                return
            serving = Serving(App(store, token=self.token, shares_disk=True), self._listener)
            self._serving = serving
            if self._stopped:
                serving.stop()
        try:
            serving.run()
        finally:
            store.close()

    def _has_ended(self) -> bool:
        """Whether the run is over, and nobody waits for an answer any more."""
        return self._stopped and not self._is_asked_at_stop

    def close_sockets(self) -> None:
        """Give the port back."""
        for end in (self._listener, self._wake_reader, self._wake_writer):
            end.close()


def _listener(socket_file: Path | None) -> socket.socket:
    if socket_file is not None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(socket_file))
    else:
        # proto is named because asyncio sets TCP_NODELAY only where it reads IPPROTO_TCP
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
    listener.listen(_BACKLOG)
    return listener


def _readable(timeout_s: float, *sockets: socket.socket) -> bool:
    """Whether one of the sockets becomes readable in time; by poll, which has no limit on descriptors."""
    poll = select.poll()
    for end in sockets:
        poll.register(end, select.POLLIN)
    return bool(poll.poll(timeout_s * 1000))


def _close_when_forked(server: weakref.ref[LoopbackServer]) -> None:
    """Let forked children give up the port, which would stay open for as long as they live."""

    def close() -> None:
        alive = server()
        if alive is not None:
            alive.close_sockets()

    os.register_at_fork(after_in_child=close)
