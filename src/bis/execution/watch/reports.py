"""What the processes of a run have reported, read and put together."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from bis.file_stamps import Stamp
from bis.liveness import REPORT_MARK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BYTECODE = "/__pycache__/"


@dataclass(frozen=True)
class Process:
    """One Python process that had the probe."""

    pid: int
    ppid: int
    lineage: str
    argv: tuple[str, ...]
    python: str
    watched: bool
    prefixes: tuple[str, ...] = ()
    seeded: tuple[str, ...] = ()
    """The libraries that were seeded in it, as it said at its end."""


@dataclass(frozen=True)
class Spawn:
    """A program that a process started; ``probe_kept`` is False when it was given an environment without the probe."""

    argv: tuple[str, ...]
    parent: int
    probe_kept: bool = True
    pid: int | None = None


@dataclass
class Reports:
    """All that was reported, by kind."""

    begun_ns: int = 0
    processes: dict[int, Process] = field(default_factory=dict)
    """By process id."""
    spawns: list[Spawn] = field(default_factory=list)
    reads: dict[str, Stamp | None] = field(default_factory=dict)
    """Path to what the file was when it was opened first; None where that was not seen."""
    changing: set[str] = field(default_factory=set)
    """Read more than once, and another file each time."""
    writes: set[str] = field(default_factory=set)
    lists: set[str] = field(default_factory=set)
    resolved: set[tuple[str, str]] = field(default_factory=set)
    connected: set[tuple[str, str]] = field(default_factory=set)
    urls: set[str] = field(default_factory=set)
    entropy: set[str] = field(default_factory=set)
    libraries: list[dict[str, Any]] = field(default_factory=list)
    memory_peak_bytes: int | None = None
    cut: bool = False
    """A process had more to say than is kept."""


def read_reports(directory: Path) -> Reports:
    """Put together what is in the report directory; what cannot be read is left out."""
    reports = Reports()
    try:
        files = sorted(directory.glob("*.jsonl"))
        reports.begun_ns = (directory / REPORT_MARK).stat().st_mtime_ns
    except OSError:
        return reports
    for file in files:
        pid = int(file.name.partition("-")[0])
        for line in _lines(file):
            _take(reports, pid, line)
    return reports


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        text = file.read_text("ascii", "replace")
    except OSError:
        return
    for line in text.splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # a process was killed while it wrote, or the disk was full
            continue


def _take(reports: Reports, pid: int, line: dict[str, Any]) -> None:
    if not (_take_file(reports, line) or _take_network(reports, line)):
        _take_process(reports, pid, line)


def _take_file(reports: Reports, line: dict[str, Any]) -> bool:
    match line:
        case {"kind": "read", "path": path, "size": size_bytes, **times}:
            _take_read(reports, path, Stamp(size_bytes, **times))
        case {"kind": "read", "path": path}:
            _take_read(reports, path, None)
        case {"kind": "write", "path": path}:
            if _BYTECODE not in path:
                reports.writes.add(os.path.normpath(path))
        case {"kind": "list", "path": path}:
            reports.lists.add(os.path.normpath(path))
        case _:
            return False
    return True


def _take_network(reports: Reports, line: dict[str, Any]) -> bool:
    match line:
        case {"kind": "resolve", "host": host, "port": port}:
            reports.resolved.add((host, port))
        case {"kind": "connect", "host": host, "port": port}:
            reports.connected.add((host, port))
        case {"kind": "url", "url": url}:
            reports.urls.add(url)
        case _:
            return False
    return True


def _take_process(reports: Reports, pid: int, line: dict[str, Any]) -> None:
    match line:
        case {"kind": "process"}:
            reports.processes[pid] = _process(line)
        case {"kind": "place", "pid": of, "lineage": lineage} if of in reports.processes:
            reports.processes[of] = replace(reports.processes[of], lineage=lineage)
        case {"kind": "end", "pid": of, "memory_peak_bytes": peak, "seeded": seeded}:
            reports.memory_peak_bytes = max(peak or 0, reports.memory_peak_bytes or 0) or None
            if of in reports.processes:
                reports.processes[of] = replace(reports.processes[of], seeded=tuple(seeded))
        case {"kind": "spawn", "argv": argv, "probe_kept": kept}:
            reports.spawns.append(Spawn(tuple(argv), pid, probe_kept=kept))
        case {"kind": "exec", "pid": of, "argv": argv}:
            reports.spawns.append(Spawn(tuple(argv), pid, pid=of))
        case {"kind": "urandom", "by": module}:
            reports.entropy.add(module)
        case {"kind": "library", **library}:
            if library not in reports.libraries:
                reports.libraries.append(library)
        case {"kind": "cut"}:
            reports.cut = True


def _take_read(reports: Reports, path: str, stamp: Stamp | None) -> None:
    name = os.path.normpath(path)
    if _BYTECODE in name:  # an observer of system calls sees a module's bytecode alone
        folder, _, file = name.rpartition(_BYTECODE)
        name, stamp = f"{folder}/{file.partition('.')[0]}.py", None
    before = reports.reads.get(name)
    if before is None:
        reports.reads[name] = stamp
    elif stamp is not None and stamp != before:
        reports.changing.add(name)
        if stamp.ctime_ns < before.ctime_ns:  # the file that was there first
            reports.reads[name] = stamp


def _process(line: dict[str, Any]) -> Process:
    return Process(
        pid=line["pid"],
        ppid=line["ppid"],
        lineage=line["lineage"],
        argv=tuple(line["argv"]),
        python=line["python"],
        watched=line["watched"],
        prefixes=tuple(line["prefixes"]),
    )
