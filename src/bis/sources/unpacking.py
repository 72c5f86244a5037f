"""Unpacks zip and tar archives, and nothing that an honest project does not have.

Refused: names that leave the directory, links, devices, encryption, and archives that unpack to far more than
they are. A ``.git`` inside is left out: its settings could start programs before the project is even looked
at.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from bis.errors import SourceError

if TYPE_CHECKING:
    import tarfile
    import zipfile

# An archive above both limits is taken for a bomb.
MAX_UNPACKED_BYTES = 1_000_000_000
MAX_RATIO = 100
MAX_MEMBERS = 500_000
_PIECE_BYTES = 1 << 20


def unpack(archive: Path, directory: Path, *, shown: str) -> None:
    """Unpack ``archive`` (zip, or tar compressed or not, by its content) into ``directory``, which is made.

    Raises SourceError, which calls the archive ``shown``; ``directory`` is then to be thrown away.
    """
    import tarfile
    import zipfile
    import zlib
    from lzma import LZMAError

    target = _Target(directory, archive.stat().st_size, shown)
    try:
        if zipfile.is_zipfile(archive) and not _is_tar(archive):
            _unpack_zip(archive, target)
        else:
            _unpack_tar(archive, target)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        LZMAError,
        EOFError,
        NotImplementedError,
    ) as error:
        raise SourceError(
            f"{shown} is no archive that can be unpacked: {error}", hint="It may be damaged, or not whole."
        ) from error
    except OSError as error:
        raise SourceError(f"{shown} cannot be unpacked: {error.strerror or error}") from error


class _Target:
    """The directory that is unpacked into; every member goes through it."""

    def __init__(self, directory: Path, archive_bytes: int, shown: str) -> None:
        self._directory = directory
        self._limit_bytes = max(MAX_UNPACKED_BYTES, MAX_RATIO * archive_bytes)
        self._shown = shown
        self._unpacked_bytes = 0
        self._members = 0
        directory.mkdir(parents=True)

    def refuse(self, name: str, what: str) -> SourceError:
        return SourceError(
            f"{self._shown} is refused: its member {name!r} {what}",
            hint="bis unpacks plain files and directories only.",
        )

    def place(self, name: str) -> Path | None:
        """Where the member goes; None when it is left out."""
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise SourceError(f"{self._shown} is refused: it has more than {MAX_MEMBERS} members")
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise self.refuse(name, "leaves the directory")
        if "\\" in name or name[1:2] == ":":
            raise self.refuse(name, "has a name of another system, that may leave the directory")
        if ".git" in (part.lower() for part in path.parts):
            return None
        return self._directory / path if path.parts else None

    def add_directory(self, place: Path, name: str) -> None:
        if place.is_file():
            raise self.refuse(name, "is a file and a directory")
        place.mkdir(parents=True, exist_ok=True)

    def add_file(self, place: Path, name: str, content: IO[bytes], mode: int) -> None:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            rights = 0o777 if mode & 0o111 else 0o666  # less the umask
            stream = os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, rights), "wb")
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise self.refuse(name, "is a file and a directory") from error
        with stream:
            while piece := content.read(_PIECE_BYTES):
                self.count(len(piece))
                stream.write(piece)

    def count(self, size_bytes: int) -> None:
        """Add to what was unpacked; refuse a bomb."""
        self._unpacked_bytes += size_bytes
        if self._unpacked_bytes > self._limit_bytes:
            raise SourceError(
                f"{self._shown} is refused: it unpacks to more than {self._limit_bytes:,} bytes, "
                f"{MAX_RATIO} times its size",
                hint="If you trust it, unpack it yourself and run the directory.",
            )


def _is_tar(archive: Path) -> bool:
    """A tar that holds a zip at its end looks like both."""
    with archive.open("rb") as file:
        file.seek(257)
        return file.read(5) == b"ustar"


def _unpack_zip(archive: Path, target: _Target) -> None:
    import zipfile

    with zipfile.ZipFile(archive) as file:
        for member in file.infolist():
            place = target.place(member.filename)
            mode = member.external_attr >> 16
            _check_zip_member(member, mode, target)
            if place is None:
                continue
            if member.is_dir():
                target.add_directory(place, member.filename)
            else:
                with file.open(member) as content:
                    target.add_file(place, member.filename, content, mode)


def _check_zip_member(member: zipfile.ZipInfo, mode: int, target: _Target) -> None:
    kind = stat.S_IFMT(mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise target.refuse(member.filename, "is a link or a device")
    if member.flag_bits & 0x1:
        raise target.refuse(member.filename, "is encrypted")


def _unpack_tar(archive: Path, target: _Target) -> None:
    import tarfile

    with tarfile.open(archive) as file:
        for member in file:
            _check_tar_member(member, target)
            place = target.place(member.name)
            if place is None:
                continue
            if member.isdir():
                target.add_directory(place, member.name)
                continue
            content = file.extractfile(member)
            if content is not None:
                target.add_file(place, member.name, content, member.mode)
        # The checksum of a compressed file stands at its end, which tarfile does not read.
        while file.fileobj and (piece := file.fileobj.read(_PIECE_BYTES)):
            target.count(len(piece))


def _check_tar_member(member: tarfile.TarInfo, target: _Target) -> None:
    if not (member.isreg() or member.isdir()):
        raise target.refuse(member.name, "is a link or a device")
