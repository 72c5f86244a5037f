"""Single objects of the store: the files of a tree, their contents, and new ones, without a file on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import zlib
from typing import TYPE_CHECKING

from bis.errors import SourceError
from bis.sources import git
from bis.sources.candidates import split

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from bis.sources.object_store import ObjectStore


def list_files(store: ObjectStore, tree: str) -> list[tuple[str, str, bytes]]:
    """Mode, blob id and path of each file of ``tree``; raise SourceError when it is not there or not whole."""
    result = git.start("--git-dir", store.directory, "ls-tree", "-r", "-z", "--full-tree", tree).finish()
    if result.status:
        raise SourceError(f"the snapshot {tree} is not in {store.directory.parent}, or not whole")
    found = []
    for line in split(result.output):
        facts, _, path = line.partition(b"\t")
        mode, _, blob = facts.decode().split()
        found.append((mode, blob, path))
    return found


def read_blobs(repository: Path | bytes, blobs: Iterable[str]) -> Iterator[bytes]:
    """The content of each blob of a repository, one at a time; raise SourceError for one that is not there."""
    running = git.start("cat-file", "--batch", cwd=repository, feed=True)
    process = running.process
    requests, answers = process.stdin, process.stdout
    if requests is None or answers is None:
        raise AssertionError("both are pipes")
    try:
        for blob in blobs:
            requests.write(blob.encode() + b"\n")
            requests.flush()
            header = answers.readline().split()
            if len(header) != 3 or header[1] != b"blob":
                raise SourceError(
                    f"the object {blob} is missing in {os.fsdecode(repository)}",
                    hint="Something deleted it: a capsule of the run brings it back (`bis import`).",
                )
            yield answers.read(int(header[2]))
            answers.read(1)
    finally:
        process.kill()
        process.communicate()


def absent(store: ObjectStore, names: Iterable[str]) -> list[str]:
    """Those of the objects that are not in the store."""
    asked = "".join(f"{name}\n" for name in names).encode()
    result = git.run("--git-dir", store.directory, "cat-file", "--batch-check", stdin=asked)
    lines = result.output.decode().splitlines()
    return [line.removesuffix(" missing") for line in lines if line.endswith(" missing")]


def add_blob(store: ObjectStore, content: bytes) -> str:
    """Write the content of one file, also over an object of that name that was damaged; returns its id."""
    stored = b"blob %d\0" % len(content) + content
    name = hashlib.sha1(stored, usedforsecurity=False).hexdigest()
    file = store.directory / "objects" / name[:2] / name[2:]
    try:
        os.utime(file)  # what was just used is not yet garbage
        if _is_whole(file, stored):
            return name
    except FileNotFoundError:
        file.parent.mkdir(exist_ok=True)
    aside = file.with_name(
        f"tmp_obj_{os.getpid()}_{name[:8]}"
    )  # a name that Git sweeps when it is left behind
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(zlib.compress(stored, 1))
    aside.replace(file)
    return name


def _is_whole(file: Path, stored: bytes) -> bool:
    try:
        return zlib.decompress(file.read_bytes()) == stored
    except zlib.error:
        return False


def write_tree(store: ObjectStore, entries: Iterable[tuple[str, str, bytes]]) -> str:
    """Write the tree of these files (mode, blob id, path), whose blobs are in the store; returns its id.

    Git itself refuses paths that are absolute, climb out or name a ``.git``, here with a GitFailedError.
    """
    import tempfile

    lines = b"".join(f"{mode} {blob}\t".encode() + path + b"\0" for mode, blob, path in entries)
    with tempfile.TemporaryDirectory(dir=store.directory.parent, prefix="index-") as aside:
        variables = {"GIT_DIR": str(store.directory), "GIT_INDEX_FILE": f"{aside}/index"}
        git.run("update-index", "-z", "--index-info", stdin=lines, variables=variables)
        return git.run("write-tree", variables=variables).text
