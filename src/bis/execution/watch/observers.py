"""Who looked at a run, and what each cannot see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Observer:
    """Who looked. ``instead_of`` says why it was not the one that was asked for."""

    name: str
    blind_to: tuple[str, ...]
    instead_of: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON types."""
        return {"name": self.name, "blind_to": list(self.blind_to), "instead_of": self.instead_of}

    def also_blind_to(self, *more: str) -> Observer:
        """The same observer, with more that it did not see in this run."""
        return Observer(self.name, (*self.blind_to, *more), self.instead_of)

    def because(self, reason: str) -> Observer:
        """The same observer, in place of a better one."""
        return Observer(self.name, self.blind_to, reason)


AUDIT_HOOK = Observer(
    "audit hook",
    (
        "files that a library written in C or C++ opens itself, as those of Parquet and HDF5 do",
        "programs that are not Python",
        "Python started with -I, -E or -S, older than 3.8, or with a cleaned environment",
    ),
)
SECCOMP = Observer(
    "seccomp",
    (
        "what is read through a descriptor or a socket that another program opened",
        "system calls through io_uring, which is refused",
    ),
)
STRACE = Observer("strace", ("system calls through io_uring", "inputs that changed while they were read"))
