"""The processes of a run, and for each whether the probe was in it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis.execution.watch.places import as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.execution.watch.reports import Reports, Spawn

_MOST = 1000
_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*")
_SHUTTING_OUT = re.compile(r"-[a-zA-Z]*[IES][a-zA-Z]*")
_IN_COMMAND = re.compile(
    r"(?:^|[\s;&|(/])((?:python|pypy)[0-9.]*(?:\s+-[a-zA-Z]+)*?\s+-[a-zA-Z]*[IES][a-zA-Z]*)(?=\s)"
)
_SECRET_NAME = re.compile(r"(?i)pass(word|wd)?$|token$|secret$|api[-_]?key$|access[-_]?key$|credential")
_CREDENTIALS = re.compile(r"(://)[^/@\s]+@")


@dataclass(frozen=True)
class ProcessUse:
    """One process, or several programs that were started in the same way. ``why_not`` says why it was not probed."""

    argv: tuple[str, ...]
    lineage: str | None
    probed: bool
    why_not: str | None = None
    count: int = 1
    seeded: tuple[str, ...] = ()
    """The libraries that were seeded in it."""

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON types."""
        return {
            "argv": [as_text(word) for word in self.argv],
            "lineage": self.lineage,
            "probed": self.probed,
            "why_not": self.why_not,
            "count": self.count,
            "seeded": list(self.seeded),
        }


def find_processes(reports: Reports, command: str) -> tuple[ProcessUse, ...]:
    """The probed processes by their lineage, then the programs without the probe; at most 1,000."""
    probed = [
        ProcessUse(
            mask(process.argv),
            process.lineage,
            probed=True,
            why_not=None if process.watched else "Python 3.7 has no audit events: what it read is not known",
            seeded=process.seeded,
        )
        for process in sorted(reports.processes.values(), key=lambda each: (each.lineage, each.pid))
    ]
    spawns = [spawn for spawn in reports.spawns if spawn.pid is not None] or reports.spawns
    others = Counter((spawn.argv, _why_not(spawn)) for spawn in spawns if not _is_probed(spawn, reports))
    unprobed = [
        ProcessUse(mask(argv), None, probed=False, why_not=why, count=count)
        for (argv, why), count in others.items()
    ]
    return tuple([*_shut_out_by_command(command, reports), *probed, *unprobed][:_MOST])


def _shut_out_by_command(command: str, reports: Reports) -> list[ProcessUse]:
    """What the command itself keeps the probe out of. The shell that runs it reports nothing."""
    if any(spawn.pid is not None for spawn in reports.spawns):
        return []  # each program was seen
    found = [
        ProcessUse(tuple(match.group(1).split()), None, probed=False, why_not=_OPTIONS)
        for match in _IN_COMMAND.finditer(f"{command} ")
    ]
    if not found and not reports.processes:
        found = [ProcessUse(("bash", "-c", command), None, probed=False, why_not=_NOTHING)]
    return found


_OPTIONS = "Python's options -I, -E and -S shut the probe out"
_NOTHING = "no Python 3.7 or later with the probe reported: another program, or its environment was cleaned"


def _is_probed(spawn: Spawn, reports: Reports) -> bool:
    for process in reports.processes.values():
        if spawn.pid is not None:
            if process.pid == spawn.pid:
                return True
        elif process.ppid == spawn.parent and _same(process.argv, spawn.argv):
            return True
    return False


def _same(first: Sequence[str], second: Sequence[str]) -> bool:
    return first[1:] == second[1:]


def _why_not(spawn: Spawn) -> str:
    name = spawn.argv[0].rpartition("/")[2] if spawn.argv else ""
    if not _PYTHON.fullmatch(name):
        return "not Python"
    if any(_SHUTTING_OUT.fullmatch(word) for word in _options(spawn.argv)):
        return _OPTIONS
    if not spawn.probe_kept:
        return "it was given an environment without the probe"
    return "it did not report: older than Python 3.7, or ended at once"


def _options(argv: tuple[str, ...]) -> list[str]:
    """The interpreter's own options: up to the script, ``-c`` or ``-m``."""
    options = []
    for word in argv[1:]:
        if not word.startswith("-") or word in ("-c", "-m", "-"):
            break
        options.append(word)
    return options


def mask(argv: Sequence[str]) -> tuple[str, ...]:
    """The words without the values of options whose name says that they are secret, and without credentials in URLs."""
    words: list[str] = []
    hide_next = False
    for word in argv:
        if hide_next and not word.startswith("-"):
            words.append("***")
            hide_next = False
            continue
        name, separator, _ = word.partition("=")
        secret = word.startswith("-") and _SECRET_NAME.search(name) is not None
        words.append(f"{name}=***" if secret and separator else _CREDENTIALS.sub(r"\1***@", word))
        hide_next = secret and not separator
    return tuple(words)
