"""A snapshot as one file that travels: an ordinary zip that any program opens, from which the same tree id comes.

Nothing of it is unpacked onto the disk. Its files go into the object store, from there ``restore`` writes them, and
the tree id over all names, modes and contents says whether it is what it claims to be.
"""

from __future__ import annotations

import io
import os
import stat
from typing import IO, TYPE_CHECKING

from bis.errors import SourceError
from bis.sources import git
from bis.sources.candidates import split
from bis.sources.large_files import read_pointer
from bis.sources.object_store import ObjectStore
from bis.sources.objects import add_blob, list_files, read_blobs, write_tree
from bis.sources.unpacking import MAX_MEMBERS, MAX_RATIO, MAX_UNPACKED_BYTES

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    from bis.home import Home
    from bis.sources.source import LargeFile

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can say: the same tree gives the same bytes
_RAW_NAME = b"bis name: "
"""What the comment of a member begins with whose name is no text: the name's bytes follow."""

_LINK = "120000"
_ZIP_MODES = {"100644": stat.S_IFREG | 0o644, "100755": stat.S_IFREG | 0o755, _LINK: stat.S_IFLNK | 0o777}
_GIT_MODES = {mode: name for name, mode in _ZIP_MODES.items()}


def pack(home: Home, tree: str) -> bytes:
    """The snapshot ``tree`` as a zip; as ``write_pack``."""
    target = io.BytesIO()
    write_pack(home, tree, target)
    return target.getvalue()


def write_pack(home: Home, tree: str, target: IO[bytes]) -> tuple[LargeFile, ...]:
    """Write the snapshot ``tree`` to ``target`` as a zip: the same bytes each time, entries in the order of the tree.

    Returns the large files, of which it has the hashes only. Raises SourceError when the snapshot, or an object of it,
    is not in the store.
    """
    import zipfile

    store = ObjectStore.open(home)
    entries = list_files(store, tree)
    large: list[LargeFile] = []
    contents = read_blobs(store.directory, [blob for _, blob, _ in entries])
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as file:
        for (mode, _, name), content in zip(entries, contents, strict=True):
            file.writestr(_member(mode, name), content, zipfile.ZIP_DEFLATED, 6)
            if mode != _LINK and (known := read_pointer(os.fsdecode(name), content)):
                large.append(known)
    return tuple(large)


def unpack(home: Home, source: bytes | IO[bytes]) -> str:
    """Put the snapshot in a zip that ``write_pack`` made into the object store; returns its tree id.

    The id is computed from what the zip holds: the caller compares it with the one it was promised. Raises
    SourceError for a zip that is damaged, or has what no snapshot has (paths that climb out, devices, encryption).
    """
    import zipfile
    import zlib

    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    store = ObjectStore.open(home)
    try:
        with store.in_use(), zipfile.ZipFile(stream) as file:
            return write_tree(store, list(_take_in(file, store, _size(stream))))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, git.GitFailedError) as error:
        raise SourceError(
            f"the packed source is no snapshot that can be read: {error}",
            hint="It may be damaged, or not whole.",
        ) from error


def size_bytes(home: Home, tree: str) -> int:
    """How much the files of the snapshot ``tree`` are together, those of them that are there."""
    store = ObjectStore.open(home)
    result = git.run("--git-dir", store.directory, "ls-tree", "-r", "-l", "-z", "--full-tree", tree)
    sizes = [line.partition(b"\t")[0].split()[-1] for line in split(result.output)]
    return sum(int(size) for size in sizes if size.isdigit())


def _member(mode: str, name: bytes) -> zipfile.ZipInfo:
    import zipfile

    member = zipfile.ZipInfo(_shown(name), _EPOCH)
    member.create_system = 3  # Unix: the attributes are a mode
    member.external_attr = _ZIP_MODES[mode] << 16
    if _shown(name).encode() != name:
        member.comment = _RAW_NAME + name
    return member


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace").replace("\\", "%")


def _take_in(
    file: zipfile.ZipFile, store: ObjectStore, packed_bytes: int
) -> Iterator[tuple[str, str, bytes]]:
    """Write the content of each member into the store; gives mode, blob id and path."""
    room = max(MAX_UNPACKED_BYTES, MAX_RATIO * packed_bytes)
    members = file.infolist()
    if len(members) > MAX_MEMBERS:
        raise SourceError(f"the packed source is refused: it has more than {MAX_MEMBERS} members")
    for member in members:
        if member.is_dir():
            continue
        mode = _mode(member)
        with file.open(member) as stream:
            content = stream.read(room + 1)
        room -= len(content)
        if room < 0:
            raise SourceError("the packed source is refused: it unpacks to far more than it is")
        yield mode, add_blob(store, content), _name(member)


def _mode(member: zipfile.ZipInfo) -> str:
    mode = _GIT_MODES.get(member.external_attr >> 16)
    if mode is None or member.flag_bits & 0x1:
        raise SourceError(f"the packed source is refused: {member.filename!r} is no plain file")
    return mode


def _name(member: zipfile.ZipInfo) -> bytes:
    name = member.filename.encode("utf-8", "surrogateescape")
    if member.comment.startswith(_RAW_NAME):
        name = member.comment.removeprefix(_RAW_NAME)
        if _shown(name) != member.filename:
            raise SourceError(f"the packed source is refused: {member.filename!r} has two names")
    parts = name.split(b"/")
    if any(part.lower() in (b"", b".", b"..", b".git") for part in parts):
        raise SourceError(
            f"the packed source is refused: its member {member.filename!r} leaves the directory"
        )
    return name


def _size(stream: IO[bytes]) -> int:
    stream.seek(0, os.SEEK_END)
    return stream.tell()
