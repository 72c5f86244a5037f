"""A command in a process group of its own, which ends as a whole: all of it, whatever ends bis."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Waits for one of two things: a second line (the run has ended in an ordinary way), or the end of the pipe,
# which means that bis has died. Then it ends the group, first kindly.
_GUARD = """
read -r group || exit 0
read -r ended && exit 0
kill -s TERM -- "-$group" 2>/dev/null || exit 0
for _ in {1..50}; do kill -s 0 -- "-$group" 2>/dev/null || exit 0; sleep 0.1; done
kill -s KILL -- "-$group" 2>/dev/null
"""


class ProcessGroup:
    """``bash -c COMMAND`` as the leader of a new session, and so of a new process group."""

    def __init__(
        self,
        command: str,
        *,
        cwd: Path,
        env: Mapping[str, str],
        stdout: int,
        stderr: int,
    ) -> None:
        """Start it."""
        self._guard = _start_guard()
        try:
            self._leader = subprocess.Popen(
                ["bash", "-c", command],
                cwd=cwd,
                env=dict(env),
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        except BaseException:
            self._release_guard()
            raise
        self._tell_guard(f"{self._leader.pid}\n")
        self._exited_read, self._exited_write = os.pipe()
        threading.Thread(target=self._wait, daemon=True, name="bis-wait").start()

    @property
    def exited(self) -> int:
        """A file descriptor that becomes readable when the leader has ended."""
        return self._exited_read

    @property
    def exit_code(self) -> int | None:
        """The leader's exit code as a shell shows it (128 + N after signal N), or None while it runs."""
        code = self._leader.returncode
        return code if code is None or code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the group that is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader.pid, number)

    def is_alive(self) -> bool:
        """Whether any process of the group is left."""
        try:
            os.killpg(self._leader.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # macOS says so of a group of which only zombies are left
            return False
        return True

    def close(self) -> None:
        """Let the guard go, once the group has ended."""
        self._release_guard()
        os.close(self._exited_read)

    def _wait(self) -> None:
        self._leader.wait()
        os.close(self._exited_write)

    def _tell_guard(self, line: str) -> None:
        assert self._guard.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(line.encode())
            self._guard.stdin.flush()

    def _release_guard(self) -> None:
        assert self._guard.stdin is not None
        self._tell_guard("ended\n")
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.close()
        self._guard.wait()


def _start_guard() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["bash", "-c", _GUARD, "bis-guard"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a Ctrl-C in the terminal is not for the guard
    )
