"""On a terminal there is a bar, and Ctrl-C in the middle leaves nothing half-made."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from bis.environments.conda.progress import Progress, progress
from bis_command import Bis, write_project
from environments.conda.channel_server import served

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from environments.conda_channel import Channel


def test_the_bar_counts_packages_and_bytes_and_goes_away() -> None:
    stream = io.StringIO()
    bar = Progress(stream)
    bar.on_transaction_start(4)
    bar.on_download_progress(1, 2_500_000, None)
    time.sleep(0.11)
    bar.on_transaction_operation_complete(0)
    bar.clear()
    assert "1 of 4 packages, 2.5 MB" in stream.getvalue()
    assert stream.getvalue().endswith("\r\033[K")


def test_without_a_terminal_it_only_counts(capsys: pytest.CaptureFixture[str]) -> None:
    with progress(show=True) as counting:
        counting.on_transaction_start(1)
        counting.on_transaction_operation_complete(0)
    assert capsys.readouterr().err == ""


def test_an_interrupted_build_ends_at_once_and_leaves_nothing(
    bis: Bis, tmp_path: Path, channel: Channel, own_cache: Path
) -> None:
    channel.add("samtools", "1.0", files={"share/big": os.urandom(3_000_000)})
    with served(channel.directory) as server:
        server.pause_s = 0.2
        project = write_project(
            tmp_path / "p",
            "conda_env: conda.yaml\nentry_points: {main: {command: 'true'}}\n",
            {"conda.yaml": f"channels: [{server.url}]\ndependencies: [samtools]\n"},
        )
        shown = _interrupted(bis, project)
    assert "of 1 package," in shown
    assert "interrupted" in shown
    assert "Traceback" not in shown
    assert [path for path in (bis.home / "environments").iterdir() if path.is_dir()] == []


def _interrupted(bis: Bis, project: Path) -> str:
    """Run on a terminal, send SIGINT once there is a bar, and return what the terminal showed."""
    terminal, inside = pty.openpty()
    variables = {name: value for name, value in bis.environ(TERM="xterm").items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "bis", "run", project],
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=inside,
    )
    os.close(inside)
    shown = b""
    interrupted = False
    with os.fdopen(terminal, "rb", buffering=0) as screen, contextlib.suppress(OSError):
        # An OSError is how Linux says that the terminal has no other side any more.
        while piece := screen.read(65536):
            shown += piece
            if b"of 1 package" in shown and not interrupted:
                process.send_signal(signal.SIGINT)
                interrupted = True
    process.communicate(timeout=60)
    assert process.returncode == 130
    return shown.decode(errors="replace")
