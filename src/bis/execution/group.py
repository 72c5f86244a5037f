"""A command in a process group of its own, which ends as a whole: all of it, whatever ends bis."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bis.execution.addresses import fixed_addresses

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Waits for one of two things: a second line (the run has ended in an ordinary way), or the end of the pipe,
# which means that bis has died. Then it ends the group, first kindly, and what its arguments clean up.
_GUARD = """
read -r group || exit 0
read -r ended && exit 0
if kill -s TERM -- "-$group" 2>/dev/null; then
  for _ in {1..50}; do kill -s 0 -- "-$group" 2>/dev/null || break; sleep 0.1; done
  kill -s KILL -- "-$group" 2>/dev/null
fi
[[ $# == 0 ]] || "$@" >/dev/null 2>&1
"""


@dataclass(frozen=True)
class Usage:
    """Processor time, and the most memory of one process of the group.

    The kernel counts a new program's memory from that of the process which started it, so a peak below our own is
    not known: None.
    """

    cpu_s: float = 0.0
    memory_peak_bytes: int | None = None


@dataclass(frozen=True)
class Command:
    """What is given to ``bash -c``, and what it is started with."""

    text: str
    cwd: Path
    env: Mapping[str, str]
    fix_addresses: bool = False
    """Without address randomization, where the system allows it."""
    words_before: Sequence[str] = ()
    """A program that becomes the command in the end."""
    descriptors: Sequence[int] = ()
    """What that program is given."""
    clean_up: Sequence[str] = ()
    """A command that ends what a kill of the group does not reach: a container."""


class ProcessGroup:
    """A command as the leader of a new session, and so of a new process group."""

    def __init__(self, command: Command, *, stdout: int, stderr: int) -> None:
        """Start it."""
        self._clean_up = list(command.clean_up)
        self._guard = _Guard(self._clean_up)
        try:
            with fixed_addresses() if command.fix_addresses else contextlib.nullcontext(False) as fixed:
                self.addresses_fixed = fixed
                """Whether address randomization is off."""
                self._leader = subprocess.Popen(
                    [*command.words_before, "bash", "-c", command.text],
                    cwd=command.cwd,
                    env=dict(command.env),
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=command.descriptors,
                    start_new_session=True,
                )
        except BaseException:
            self._guard.let_go()
            raise
        self._guard.watch(self._leader.pid)
        self._exited_read, self._exited_write = os.pipe()
        self._usage = Usage()
        self._waiting = threading.Thread(target=self._wait, daemon=True, name="bis-wait")
        self._waiting.start()

    @property
    def session(self) -> int:
        """The id of its session and group: the leader's."""
        return self._leader.pid

    @property
    def exited(self) -> int:
        """A file descriptor that becomes readable when the leader has ended."""
        return self._exited_read

    def exit_code(self) -> int:
        """The leader's exit code as a shell shows it (128 + N after signal N); waits for its end."""
        self._waiting.join()
        code = self._leader.returncode
        return code if code >= 0 else 128 - code

    @property
    def usage(self) -> Usage:
        """What the leader and the processes that it waited for have used; waits for its end."""
        self._waiting.join()
        return self._usage

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to every process of the group that is left."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader.pid, number)

    def kill(self) -> None:
        """End what is left at once, and with it what is not of the group."""
        self.signal(signal.SIGKILL)
        if self._clean_up:
            subprocess.run(
                self._clean_up,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=False,
            )

    def is_alive(self) -> bool:
        """Whether any process of the group is left."""
        try:
            os.killpg(self._leader.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # macOS says so of a group of which only zombies are left
            return False
        return not _only_zombies(self._leader.pid)

    def close(self) -> None:
        """Let the guard go, once the group has ended."""
        self._guard.let_go()
        os.close(self._exited_read)

    def _wait(self) -> None:
        own_peak_bytes = _peak_bytes(resource.getrusage(resource.RUSAGE_SELF))
        _, status, used = os.wait4(self._leader.pid, 0)
        self._leader.returncode = os.waitstatus_to_exitcode(status)
        peak_bytes = _peak_bytes(used)
        self._usage = Usage(
            used.ru_utime + used.ru_stime, peak_bytes if peak_bytes > own_peak_bytes else None
        )
        os.close(self._exited_write)


def _only_zombies(group: int) -> bool:
    """Whether all that is left of a group has ended and waits for the first process of the system to take note.

    In containers that process may take a second, or never do it. Where there is no /proc, nobody can tell.
    """
    states = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            state, _parent, process_group = entry.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group:
                states.append(state)
    return bool(states) and all(state in "ZX" for state in states)


def _peak_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss if sys.platform == "darwin" else usage.ru_maxrss * 1024


class _Guard:
    """A shell that ends the group when this process has died: it waits at the other end of a pipe."""

    def __init__(self, clean_up: Sequence[str]) -> None:
        read_end, self._write_end = os.pipe()
        self._process = subprocess.Popen(
            ["bash", "-c", _GUARD, "bis-guard", *clean_up],
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is not for the guard
        )
        os.close(read_end)

    def watch(self, group: int) -> None:
        """Say which group to end."""
        self._tell(f"{group}\n")

    def let_go(self) -> None:
        """Say that there is nothing to end any more."""
        self._tell("ended\n")
        os.close(self._write_end)
        self._process.wait()

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._write_end, line.encode())
