"""Finds a wheel in uv's cache that the package index does not offer any more.

uv keeps the unpacked wheel, and beside it a pointer that holds the SHA-256 of the file it came from. It reaches them
through the index's page alone, so a version that is gone from there is out of its reach. The layout of the cache is
uv's own affair: where it is another one, nothing is found.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from bis.environments.locked_text import name_of
from bis.environments.uv_command import run_uv

if TYPE_CHECKING:
    from collections.abc import Iterator

_REQUIREMENT = re.compile(r"^[^=\s]+==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def directory() -> Path:
    """Where uv has its cache, by its own word."""
    return Path(run_uv(["cache", "dir", "--color=never"]).output.strip() or ".")


def find_wheel(cache: Path, requirement: str, work: Path) -> Path | None:
    """Pack a locked requirement's wheel from ``cache`` into ``work``; None when it has none of the locked files.

    The unpacked wheel was checked against its hash when uv downloaded it; its RECORD is checked again at packing.
    """
    version = _REQUIREMENT.match(requirement)
    hashes = [digest.encode() for digest in _HASH.findall(requirement)]
    if version is None:
        return None
    name = name_of(requirement)
    for pointer in _pointers(cache, name, version[1]):
        content = pointer.read_bytes()
        unpacked = pointer.with_suffix("")
        if any(digest in content for digest in hashes) and unpacked.is_dir() and _is_whole(unpacked):
            return _pack(unpacked.resolve(), work / f"{name.replace('-', '_')}-{unpacked.name}.whl")
    return None


def _pointers(cache: Path, name: str, version: str) -> Iterator[Path]:
    """The pointers to a version's wheels: ``wheels-v8/<index>/<name>/<version>-<tags>.http``."""
    for folder in (*cache.glob(f"wheels-v*/*/{name}"), *cache.glob(f"wheels-v*/*/*/{name}")):
        for path in sorted(folder.iterdir()):
            if path.name.startswith(f"{version}-") and path.suffix in {".http", ".rev", ".msgpack"}:
                yield path


def _is_whole(unpacked: Path) -> bool:
    """Whether every file is what the wheel's own RECORD says: installed ones may be hard links to these."""
    import base64
    import csv
    import hashlib

    records = list(unpacked.glob("*.dist-info/RECORD"))
    if len(records) != 1:
        return False
    with records[0].open(encoding="utf-8", newline="") as file:
        for path, digest, *_ in csv.reader(file):
            algorithm, _, expected = digest.partition("=")
            if algorithm != "sha256":
                continue  # RECORD itself
            try:
                content = (unpacked / path).read_bytes()
            except OSError:
                return False
            found = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            if found != expected.rstrip("="):
                return False
    return True


def _pack(unpacked: Path, wheel: Path) -> Path:
    import zipfile

    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_STORED, strict_timestamps=False) as archive:
        for path in sorted(unpacked.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(unpacked).as_posix())
    return wheel
