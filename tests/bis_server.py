"""``bis server`` as a process of its own, and connections to it."""

from __future__ import annotations

import json
import re
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from raw_http import Wire

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from bis_command import Bis


@dataclass
class Served:
    """A server that listens. ``token`` is the one of the role admin that its first start has shown."""

    process: subprocess.Popen[str]
    url: str
    token: str = ""
    said: list[str] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)

    def wire(self, token: str | None = None) -> Wire:
        """A connection that sends this token, else that of the first start; closed with the server."""
        wire = Wire(Served(self.process, self.url, self.token if token is None else token))
        self.wires.append(wire)
        return wire

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 30) -> int:
        """Send a signal and wait; returns the exit status."""
        self.process.send_signal(number)
        return self.process.wait(timeout_s)

    @property
    def log(self) -> str:
        """What it said on standard error until now."""
        return "".join(self.said)


@contextmanager
def serving(bis: Bis, *words: str | Path, command: str = "server", **variables: str) -> Iterator[Served]:
    """``bis server --port 0 WORDS``, until the end of the block."""
    process = bis.start(command, "--port", "0", "--json", *words, **variables)
    assert process.stdout is not None
    assert process.stderr is not None
    said: list[str] = []
    served: Served | None = None
    reader = threading.Thread(target=said.extend, args=(process.stderr,), daemon=True)
    reader.start()
    try:
        line = process.stdout.readline()
        assert line, f"the server did not start:\n{_text(process, reader, said)}"
        document = json.loads(line)
        served = Served(process, document["url"], said=said)
        if document["auth"]:
            served.token = _first_token(process, said)
        yield served
    finally:
        for wire in served.wires if served else ():
            wire.close()
        if process.poll() is None:
            process.kill()
        process.wait(30)
        reader.join(30)
        process.stdout.close()
        process.stderr.close()


def _text(process: subprocess.Popen[str], reader: threading.Thread, said: list[str]) -> str:
    process.wait(30)
    reader.join(30)
    return "".join(said)


def _first_token(process: subprocess.Popen[str], said: list[str]) -> str:
    """The token that the first start says; empty when there was one before."""
    while process.poll() is None:
        found = re.search(r"MLFLOW_TRACKING_TOKEN=(\S+)", "".join(said))
        if found:
            return found[1] if found[1].startswith("bis_") else ""
        threading.Event().wait(0.01)
    return ""
