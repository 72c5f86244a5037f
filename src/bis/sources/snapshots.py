"""The snapshot: the Git tree id of a directory as it is on the disk, changed and new files included.

It is computed with an index and an object store of our own (``object_store``), so the user's repository is
neither written to nor needed later. The index remembers what the file system said of each file: only changed
ones are read again. When nothing changed since the last time, one ``git ls-files`` shows it and the
remembered tree is the answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.file_locks import exclusive
from bis.sources import git, large_files
from bis.sources.candidates import Candidates, list_nested, split
from bis.sources.disk import Disk, Kind, unreadable
from bis.sources.object_store import ObjectStore
from bis.sources.snapshot_state import Snapshot, State, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.home import Home
    from bis.sources.large_files import Known

_GONE = b"0 " + b"0" * 40 + b"\t"


@contextlib.contextmanager
def recording(root: Path, home: Home) -> Iterator[Recorder]:
    """Begin the snapshot of ``root`` and hold the lock of its index; ``Recorder.finish`` gives the snapshot.

    The look at the known files runs on while the caller finds out which files there are.
    """
    store = ObjectStore.open(home)
    name = hashlib.sha256(os.fsencode(root)).hexdigest()[:32]
    directory = home.snapshots / "indexes" / name
    with store.in_use(), exclusive(directory / "lock"):
        recorder = Recorder(store, root, directory)
        try:
            yield recorder
        finally:
            recorder.end()


class Recorder:
    """Takes the snapshot of one root."""

    def __init__(self, store: ObjectStore, root: Path, directory: Path) -> None:
        self.store = store
        self._disk = Disk(os.fsencode(root))
        self._state_file = directory / "state.json"
        index = directory / "index"
        self._variables = store.variables(work_tree=root, index=index)
        self._limit = large_files.limit_bytes()
        self._state = self._usable(read_state(self._state_file))
        if self._state is None:
            index.unlink(missing_ok=True)
        index.with_name("index.lock").unlink(
            missing_ok=True
        )  # of a process that was killed: the lock is ours
        self._changes = self._start("ls-files", "-z", "-t", "--modified", "--deleted")

    def finish(self, candidates: Candidates) -> Snapshot:
        """The snapshot of ``candidates``; raise SourceError when one cannot be read."""
        changed = {line[2:] for line in split(self._changes.check().output)}
        state = self._state
        if state and self._is_current(state, candidates, changed):
            os.utime(
                self._state_file.parent
            )  # `bis gc` keeps what was used lately, as by a run about to begin
            return state.snapshot
        return self._update(candidates, changed)

    def end(self) -> None:
        """End what was started and is not needed any more."""
        process = self._changes.process
        if process.returncode is None:
            process.kill()
            process.communicate()

    def _is_current(self, state: State, candidates: Candidates, changed: set[bytes]) -> bool:
        disk = self._disk
        return (
            changed <= state.large.keys()  # their entries are never "unmodified": the stamp tells
            and all(disk.stamp(path) == state.large[path].stamp for path in changed)
            and not any(disk.kind(path, disk.status(path)) for path in state.absent)
            and self._digest(candidates, state.nested) == state.listing
        )

    def _usable(self, state: State | None) -> State | None:
        """``state`` while its tree is in the store and its limit holds; else all files are read anew."""
        if state and state.limit_bytes == self._limit and self.store.has_tree(state.tree):
            return state
        return None

    def _digest(self, candidates: Candidates, nested: tuple[bytes, ...]) -> str:
        """A digest of all candidates, those inside nested repositories too."""
        digest = hashlib.sha256()
        parts = [candidates.tracked, *candidates.untracked]
        for path in nested:
            inner = self._inside(path)
            parts += [path, inner.tracked, *inner.untracked]
        for part in parts:
            digest.update(part + b"\0\0")
        return digest.hexdigest()

    def _update(self, candidates: Candidates, changed: set[bytes]) -> Snapshot:
        """Bring the index up to date and write the tree."""
        before = self._state.large if self._state else {}
        present = set(split(self._start("ls-files", "-z").check().output))
        found = self._sort(candidates, settled=present - changed - before.keys())
        large = {path: self._known(path, before.get(path)) for path in sorted(found.large)}
        self._state_file.unlink(missing_ok=True)
        self._write_entries(present - found.files, {path: (found.large[path], large[path]) for path in large})
        self._read_files(sorted(found.unread))
        tree = self._start("write-tree").check().text
        nested = tuple(sorted(found.nested))
        listing = self._digest(candidates, nested)
        state = State(listing, tree, self._limit, large, nested, tuple(sorted(found.absent)))
        write_state(self._state_file, state)
        return state.snapshot

    def _sort(self, candidates: Candidates, settled: set[bytes]) -> _Found:
        found = _Found()
        pending = [(b"", candidates)]
        while pending:
            prefix, part = pending.pop()
            paths = {prefix + path for path in (*split(part.tracked), *part.untracked)}
            found.files |= paths & settled
            for path in sorted(paths - settled):
                if self._look_at(path, found):
                    pending.append((path.rstrip(b"/") + b"/", self._inside(path)))
        found.drop_behind_links()
        return found

    def _look_at(self, path: bytes, found: _Found) -> bool:
        """Sort one path; True when it is a repository, whose files are to be sorted too."""
        status = self._disk.status(path)
        kind = self._disk.kind(path, status)
        if kind is None or status is None:
            found.absent.add(path)
            return False
        if kind is Kind.REPOSITORY:
            found.nested.add(path)
            return True
        found.files.add(path)
        if kind is Kind.FILE and status.st_size > self._limit:
            found.large[path] = b"100755" if status.st_mode & 0o100 else b"100644"
            return False
        found.unread.add(path)
        if kind is Kind.LINK:
            found.links.add(path + b"/")
        return False

    def _known(self, path: bytes, before: Known | None) -> Known:
        if before and before.stamp == self._disk.stamp(path):
            return before
        try:
            return large_files.record(self._disk.root, path)
        except OSError as error:
            raise unreadable(path, error) from error

    def _write_entries(self, gone: set[bytes], large: dict[bytes, tuple[bytes, Known]]) -> None:
        """Drop entries, and set those of the large files to their pointers."""
        entries = [_GONE + path for path in sorted(gone)]
        for path, (mode, known) in large.items():
            running = self._start("hash-object", "-w", "--stdin", feed=True)
            blob = running.check(large_files.pointer(known.file)).output.strip()
            entries.append(mode + b" " + blob + b"\t" + path)
        if entries:
            stdin = b"".join(entry + b"\0" for entry in entries)
            self._start("update-index", "-z", "--index-info", feed=True).check(stdin)

    def _read_files(self, paths: list[bytes]) -> None:
        if not paths:
            return
        running = self._start("update-index", "--add", "--remove", "--replace", "-z", "--stdin", feed=True)
        result = running.finish(b"".join(path + b"\0" for path in paths))
        if result.status:
            error = git.failure("git update-index", result)
            reason = next(iter(result.errors.splitlines()), error.message)
            reason = reason.removeprefix("error: ").removeprefix("fatal: ")
            raise SourceError(
                f"the snapshot of {os.fsdecode(self._disk.root)} failed: {reason}",
                hint=error.hint or "Make the file readable, or name it in .gitignore.",
            )

    def _inside(self, path: bytes) -> Candidates:
        return list_nested(self.store, self._disk.place(path))

    def _start(self, *arguments: str, feed: bool = False) -> git.Running:
        return git.start(*arguments, cwd=self._disk.root, variables=self._variables, feed=feed)


@dataclass
class _Found:
    """The candidates, sorted by what has to be done with them."""

    files: set[bytes] = field(default_factory=set)
    unread: set[bytes] = field(default_factory=set)
    large: dict[bytes, bytes] = field(default_factory=dict)  # path -> mode
    nested: set[bytes] = field(default_factory=set)
    absent: set[bytes] = field(default_factory=set)
    links: set[bytes] = field(default_factory=set)

    def drop_behind_links(self) -> None:
        """A directory that became a link hides its files, though each still looks unchanged."""
        if not self.links:
            return
        links = tuple(self.links)
        hidden = {path for path in self.files if path.startswith(links)}
        self.files -= hidden
        self.absent |= hidden
