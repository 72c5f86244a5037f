"""``--trace full``: an observer that sees every program, or the best one that can be had here."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from bis.execution.watch.notes import Notes
from bis.execution.watch.observers import AUDIT_HOOK, SECCOMP, STRACE, Observer
from bis.execution.watch.strace import read_strace, strace_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.execution.watch.supervisor import Supervisor

_PATIENCE_S = 0.0005
"""How long another thread of ours, as the tracking server, may keep a call of the program waiting."""
_LAUNCHER = Path(__file__).with_name("launcher.py")


class Tracer:
    """Observes one command: started with ``words`` before it and ``descriptor`` handed on.

    The words are a small program (``launcher``) that puts itself under a filter of system calls and becomes the
    command. A thread answers the calls that the filter reports.
    """

    def __init__(self, report: Path, *, directory: Path, passed_over: Sequence[Path] = ()) -> None:
        self._report = report
        self._directory = directory
        self._notes = Notes(tuple(f"{folder}/" for folder in passed_over))
        self._ours, self._theirs = socket.socketpair()
        self._supervisor: Supervisor | None = None
        self._answer = ""
        self._fault: str | None = None
        self._patience_s = 0.0
        self._thread = threading.Thread(target=self._serve, daemon=True, name="bis-trace")

    @property
    def words(self) -> list[str]:
        """What comes before the command."""
        fallback = strace_words(str(self._strace_file))
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
        return [*launcher, str(self.descriptor), str(len(fallback)), *fallback]

    @property
    def descriptor(self) -> int:
        """The socket that the launcher inherits."""
        return self._theirs.fileno()

    def started(self) -> None:
        """The command has been started: begin to serve it."""
        self._theirs.close()
        self._patience_s = sys.getswitchinterval()
        sys.setswitchinterval(_PATIENCE_S)
        self._thread.start()

    def finish(self) -> Observer:
        """End the observation once the command has ended, note what was seen, and say who looked."""
        self._theirs.close()
        if self._supervisor is not None:
            self._supervisor.stop()
        if self._thread.ident is not None:
            self._thread.join()
            sys.setswitchinterval(self._patience_s)
        if self._supervisor is not None:
            self._supervisor.close()
        self._ours.close()
        kind, _, reason = self._answer.partition(":")
        if kind == "strace":
            read_strace(self._strace_file, self._notes, self._directory)
        self._notes.write(self._report)
        return self._observer(kind, reason)

    def _observer(self, kind: str, reason: str) -> Observer:
        if kind == "seccomp" and self._supervisor is not None:
            more = [f"what came after a fault: {self._fault}"] if self._fault else []
            if self._supervisor.faults:
                more.append(f"{self._supervisor.faults} calls whose process could not be looked into")
            return SECCOMP.also_blind_to(*more)
        if kind == "strace":
            return STRACE.because(f"seccomp is not available ({reason})")
        why = reason or self._fault or "the launcher did not answer"
        return AUDIT_HOOK.because(f"seccomp is not available ({why}), and strace neither")

    @property
    def _strace_file(self) -> Path:
        return self._report / "strace.txt"

    def _serve(self) -> None:
        from bis.execution.watch.supervisor import Supervisor

        try:
            message, descriptors, _, _ = socket.recv_fds(self._ours, 4096, 1)
            self._answer = message.decode("utf-8", "replace")
            if descriptors:
                self._supervisor = Supervisor(descriptors[0], self._notes)
                self._supervisor.serve()
        except OSError as error:
            self._fault = str(error)


def is_possible() -> bool:
    """Whether there is any hope of more than the audit hook: only Linux has it."""
    return sys.platform.startswith("linux") and hasattr(os, "posix_spawnp")
