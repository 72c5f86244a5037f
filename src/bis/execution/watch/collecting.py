"""From the reports of a run's processes to what the record says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bis.execution.folders import FoundFolders
from bis.execution.watch.files import Files, FileUse, find_files
from bis.execution.watch.network import HostUse, find_hosts
from bis.execution.watch.observers import AUDIT_HOOK, Observer
from bis.execution.watch.places import Places
from bis.execution.watch.processes import ProcessUse, find_processes
from bis.execution.watch.reports import Reports, read_reports

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from bis.environments import Environment
    from bis.home import Home
    from bis.plans import Plan
    from bis.sources import Source

# They ask for random bytes that no result depends on: keys, boundaries, names of temporary files.
_HARMLESS_ENTROPY = (
    "multiprocessing",
    "asyncio",
    "email",
    "http",
    "ssl",
    "urllib3",
    "importlib",
    "joblib",
    "mlflow",
    "opentelemetry",
)


@dataclass(frozen=True)
class Watched:
    """What was seen of a run."""

    files: tuple[FileUse, ...] = ()
    files_read: Mapping[str, int] = field(default_factory=dict)
    """How many files were read, by place: those of the environment and the system are not in ``files``."""
    files_unlisted: int = 0
    network: tuple[HostUse, ...] = ()
    processes: tuple[ProcessUse, ...] = ()
    observer: Observer = AUDIT_HOOK
    libraries: tuple[Mapping[str, Any], ...] = ()
    """The numeric libraries of the processes: ``library``, ``file``, ``version``, ``kernel``, ``threads``."""
    changed_while_read: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    """Folders of the source that were there before the run, and that it may need: paths from the source's top."""
    suspects: tuple[Mapping[str, str], ...] = ()
    """What was seen that can make two runs differ: ``kind`` and ``detail``."""
    memory_peak_bytes: int | None = None

    @property
    def threads(self) -> dict[str, int]:
        """The effective number of threads, by library."""
        found: dict[str, int] = {}
        for library in self.libraries:
            if library["threads"] is not None:
                found[library["library"]] = max(library["threads"], found.get(library["library"], 0))
        return found


def collect(
    report: Path,
    *,
    source: Source,
    environment: Environment,
    plan: Plan,
    home: Home,
    command: str,
    downloaded: Mapping[str, str],
    server: str | None = None,
    observer: Observer = AUDIT_HOOK,
    folders: FoundFolders | None = None,
) -> Watched:
    """Put together what the processes of a run have reported in the directory ``report``.

    ``downloaded`` has the path parameters that were fetched; ``server`` is the address of the run's tracking server,
    and ``folders`` are those that the run found.
    """
    reports = read_reports(report)
    declared = {**plan.local, **downloaded}
    prefixes = [prefix for process in reports.processes.values() for prefix in process.prefixes]
    if environment.prefix is not None:
        prefixes.append(str(environment.prefix))
    places = Places(
        root=source.root,
        own=home.root,
        environment=dict.fromkeys(prefixes),
        declared=declared,
        artifacts=home.artifacts,
    )
    files = find_files(
        reports,
        places=places,
        directory=source.directory,
        declared=declared,
        tree=source.tree,
        home=home,
    )
    return Watched(
        files=tuple(sorted(files.uses, key=lambda use: (use.path, use.access))),
        files_read=dict(sorted(files.counts.items())),
        files_unlisted=files.unlisted,
        network=find_hosts(reports, server=server),
        processes=find_processes(reports, command),
        observer=observer.also_blind_to(*_limits(reports, partly_scanned=files.partly_scanned)),
        libraries=tuple(sorted(reports.libraries, key=lambda each: (each["library"], str(each["file"])))),
        changed_while_read=tuple(sorted(files.changed)),
        folders=_of_note(folders or FoundFolders(), reports, files, places),
        suspects=tuple(_suspects(reports)),
        memory_peak_bytes=reports.memory_peak_bytes,
    )


def _of_note(folders: FoundFolders, reports: Reports, files: Files, places: Places) -> tuple[str, ...]:
    noted = folders.of_note([*reports.writes, *files.written], reports.lists)
    return tuple(sorted(path for folder in noted if (path := places.relative(folder)) is not None))


def _limits(reports: Reports, *, partly_scanned: bool) -> list[str]:
    said = []
    if reports.cut:
        said.append("what a process did after its first 100,000 files")
    if partly_scanned:
        said.append("outputs beyond the first 20,000 entries of the project directory")
    return said


def _suspects(reports: Reports) -> list[dict[str, str]]:
    """The usual reasons why two runs of the same differ, as far as they were seen."""
    found = []
    for library in reports.libraries:
        if (library["threads"] or 1) > 1:
            found.append({"kind": "threads", "detail": f"{library['library']}: {library['threads']} threads"})
        if library["library"] == "cuda":
            found.append({"kind": "gpu", "detail": f"GPU kernels: {library['kernel']}"})
    found += [
        {"kind": "entropy", "detail": f"random bytes of the system, asked for by {module}"}
        for module in sorted(reports.entropy)
        if module.partition(".")[0] not in _HARMLESS_ENTROPY
    ]
    found += [
        {"kind": "listing", "detail": f"the order of files in {path}"} for path in sorted(reports.lists)[:20]
    ]
    return [dict(pair) for pair in dict.fromkeys(tuple(each.items()) for each in found)]
