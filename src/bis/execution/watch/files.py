"""The files of a run: what it read and wrote, each with its place, size and hash."""

from __future__ import annotations

import os
import stat
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from bis.execution.watch.hashing import Hashes
from bis.execution.watch.places import Found, Place, as_text, is_passed_over, is_secret
from bis.file_stamps import Stamp

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from bis.execution.watch.places import Places
    from bis.execution.watch.reports import Reports
    from bis.home import Home

_MOST_LISTED = 20_000
_MOST_LOOKED_AT = 20_000
"""Entries of the project directory that are looked at for outputs, and files of a declared directory."""


@dataclass(frozen=True)
class FileUse:
    """One file that the run read or wrote. ``size`` and ``sha256`` are None where they are not known."""

    path: str
    access: Literal["read", "written"]
    place: Place
    size: int | None = None
    sha256: str | None = None
    parameter: str | None = None
    """The path parameter that declares it."""
    secret: bool = False
    """Its name says that it holds a secret: it was not looked into."""

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON types."""
        entry: dict[str, Any] = {
            "path": as_text(self.path),
            "access": self.access,
            "place": self.place,
            "size": self.size,
            "sha256": self.sha256,
        }
        if self.parameter is not None:
            entry["parameter"] = self.parameter
        if self.secret:
            entry["secret"] = True
        return entry


@dataclass
class Files:
    """The files in order of their paths, and what is to be said about them."""

    uses: list[FileUse] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    """Files read, by place: those of the environment and the system too, which are not listed."""
    changed: set[str] = field(default_factory=set)
    """Inputs that were another file when the run had ended, or each time they were opened."""
    written: set[str] = field(default_factory=set)
    """Absolute paths of what the run wrote."""
    unlisted: int = 0
    partly_scanned: bool = False
    """The project directory has too many files to look for outputs in all of it."""

    def add(self, use: FileUse) -> None:
        """List one more file, up to a limit."""
        if len(self.uses) < _MOST_LISTED:
            self.uses.append(use)
        else:
            self.unlisted += 1


def find_files(
    reports: Reports,
    *,
    places: Places,
    directory: Path,
    declared: Mapping[str, str],
    tree: str | None,
    home: Home,
) -> Files:
    """All files of a run; ``directory`` is the project's, where outputs are looked for."""
    files = Files()
    written = {path for path in _written(reports, directory, files) if not _is_of_bis(path, places)}
    files.written = written
    read = {
        path: stamp
        for path, stamp in reports.reads.items()
        if not places.is_own(path) and not (places.is_kept(path) and _began(stamp or _stamp(path), reports))
    }
    for path in _declared_files(declared, files):
        read.setdefault(path, None)
    in_tree = _in_tree(places, [*read, *written], tree, home)
    hashes = Hashes(home)
    try:
        for path, stamp in sorted(read.items(), key=lambda item: item[0]):
            known = stamp or _stamp(path)
            if known is not None:
                _add_read(files, path, known, reports, places.of(path, in_tree=in_tree), hashes)
        for path in sorted(written):
            _add_written(files, path, reports, places, in_tree, hashes)
    finally:
        hashes.close()
    return files


def _is_of_bis(path: str, places: Places) -> bool:
    return places.is_own(path) or places.is_kept(path)


def _began(stamp: Stamp | None, reports: Reports) -> bool:
    """Whether a file came after the beginning of the run: an artifact of its own."""
    return stamp is not None and stamp.ctime_ns >= reports.begun_ns


def _in_tree(places: Places, paths: list[str], tree: str | None, home: Home) -> frozenset[str]:
    inside = {relative for path in paths if (relative := places.relative(path)) is not None}
    if not inside or tree is None:
        return frozenset()
    from bis.sources import in_tree

    return in_tree(tree, inside, home)


def _add_read(files: Files, path: str, stamp: Stamp, reports: Reports, found: Found, hashes: Hashes) -> None:
    began_as_another = stamp.ctime_ns >= reports.begun_ns
    of_the_run = began_as_another and found.place != "tree" and found.inside
    if of_the_run or (path in reports.writes and began_as_another):
        return  # made by the run and read back
    if found.inside and is_passed_over(found.path):
        return
    files.counts[found.place] += 1
    if found.place in ("environment", "system"):
        return
    if is_secret(path):
        files.add(FileUse(found.path, "read", found.place, parameter=found.parameter, secret=True))
        return
    hashed = hashes.of(path)
    changed = _has_changed(hashed, stamp) or path in reports.changing
    if changed or (began_as_another and found.place == "tree"):
        if found.place != "tree" or path not in reports.writes:  # the snapshot has what the run wrote over
            files.changed.add(found.path)
        hashed = None
    size = hashed[1].size_bytes if hashed else stamp.size_bytes
    files.add(FileUse(found.path, "read", found.place, size, hashed[0] if hashed else None, found.parameter))


def _stamp(path: str) -> Stamp | None:
    """What the file is now; None when it is none."""
    try:
        status = os.stat(path)  # noqa: PTH116 (many, and text is what they are)
    except OSError:
        return None
    return Stamp.of(status) if stat.S_ISREG(status.st_mode) else None


def _has_changed(hashed: tuple[str, Stamp] | None, stamp: Stamp) -> bool:
    """Whether what was hashed is not the file that was opened. A change of its mode or links alone is none."""
    if hashed is None:
        return True
    now = hashed[1]
    return (now.size_bytes, now.mtime_ns, now.inode) != (stamp.size_bytes, stamp.mtime_ns, stamp.inode)


def _add_written(
    files: Files,
    path: str,
    reports: Reports,
    places: Places,
    in_tree: frozenset[str],
    hashes: Hashes,
) -> None:
    relative = places.relative(path)
    if relative is not None and is_passed_over(relative):
        return
    if path not in reports.writes and relative in in_tree:
        return  # edited meanwhile, by another hand as it seems: when it was read, that is said there
    found = places.of(path, in_tree=frozenset())
    if relative is not None and found.place == "undeclared":
        found = Found(relative, "output")
    if found.place in ("environment", "system"):
        return
    if is_secret(path):
        files.add(FileUse(found.path, "written", found.place, parameter=found.parameter, secret=True))
        return
    hashed = hashes.of(path)
    if hashed is not None:
        files.add(
            FileUse(found.path, "written", found.place, hashed[1].size_bytes, hashed[0], found.parameter)
        )


def _written(reports: Reports, directory: Path, files: Files) -> Iterator[str]:
    """The regular files that were written and are still there: those reported, and new ones in the project."""
    for path in reports.writes:
        stamp = _stamp(path)
        if stamp is not None and stamp.ctime_ns >= reports.begun_ns:
            yield path
    for entry in _scan(os.fspath(directory), files):
        try:
            changed_ns = entry.stat(follow_symlinks=False).st_ctime_ns
        except OSError:
            continue
        if changed_ns >= reports.begun_ns:
            yield entry.path


def _scan(directory: str, files: Files) -> Iterator[os.DirEntry[str]]:
    """The files below a directory, without those of tools, of virtual environments and generated ones."""
    left = _MOST_LOOKED_AT
    folders = [directory]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError:
            continue
        left -= len(entries)
        if left < 0:
            files.partly_scanned = True
            return
        if any(entry.name == "pyvenv.cfg" for entry in entries):
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if not is_passed_over(f"{entry.name}/_"):
                    folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                yield entry


def _declared_files(declared: Mapping[str, str], files: Files) -> Iterator[str]:
    """The files of the path parameters: a program that is not watched may have read them."""
    for path in declared.values():
        if os.path.isfile(path):  # noqa: PTH113
            yield os.path.normpath(path)
        elif os.path.isdir(path):  # noqa: PTH112
            for entry in _scan(path, files):
                yield os.path.normpath(entry.path)
