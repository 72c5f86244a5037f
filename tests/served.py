"""A server as people start it: ``bis server``, in a process of its own, with a home of its own."""

from __future__ import annotations

import json
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

    from bis_command import Bis


@dataclass(frozen=True)
class Served:
    """A server that answers at ``url``; ``token`` is empty where none is asked for."""

    url: str
    token: str
    home: Path
    process: subprocess.Popen[str]


@contextmanager
def serving(bis: Bis, *options: str, token: str = "", **variables: str) -> Iterator[Served]:
    """Start ``bis server`` with these options, and end it. It must say nothing but that it serves."""
    process = bis.start("server", "--port", "0", "--json", *options, **variables)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise AssertionError(process.communicate()[1])
    try:
        yield Served(json.loads(line)["url"], token, bis.home, process)
    finally:
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said, said
