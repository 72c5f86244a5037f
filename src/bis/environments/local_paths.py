"""Local packages of a project: the digest of what is installed from them, and a copy to build them from."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from typing import TYPE_CHECKING

from bis.file_digests import sha256_of
from bis.file_stamps import Stamp
from bis.home_files import read_document, replace_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.environments.spec import LocalRequirement
    from bis.home import Home

_LEFT_OUT = {"__pycache__", "build", "dist", "mlruns", "node_modules", "venv"}
_LARGE_BYTES = 4 << 20
_METADATA = ("pyproject.toml", "setup.py", "setup.cfg", "requirements.txt")
_COMPILES = (
    "Extension(",
    "cffi_modules",
    "ext-modules",
    "ext_modules",
    "maturin",
    "mesonpy",
    "scikit-build",
    "scikit_build",
)


def digests(local: tuple[LocalRequirement, ...], directory: Path, home: Home) -> dict[str, str]:
    """Return the SHA-256 of what is installed from each local path, by path."""
    return {each.path: digest(directory / each.path, home, editable=each.editable) for each in local}


def digest(path: Path, home: Home, *, editable: bool) -> str:
    """Return the SHA-256 of a package file or directory.

    Of an editable package only its metadata counts: its code is read from the project itself at each run.
    """
    if path.is_file() or (editable and is_pure(path)):
        return metadata_digest(path)
    return _directory_digest(path, home)


def metadata_digest(path: Path) -> str:
    """Return the SHA-256 of what decides which packages a local one needs: its metadata; of a file, all of it."""
    if path.is_file():
        return sha256_of(path)
    found = ((name, path / name) for name in _METADATA)
    return _total((name, sha256_of(file)) for name, file in found if file.is_file())


def is_pure(path: Path) -> bool:
    """True when a package directory has nothing to compile, as far as its metadata tells."""
    texts = (path / name for name in _METADATA[:3])
    return not any(
        sign in file.read_text("utf-8", "replace") for file in texts if file.is_file() for sign in _COMPILES
    )


def source_root(path: Path) -> Path:
    """Return what goes on the import path for an editable package: its ``src`` where there is one."""
    inside = path / "src"
    return inside if inside.is_dir() and not (inside / "__init__.py").exists() else path


def stage(path: Path, goal: Path) -> None:
    """Copy a package's files to a new directory, so that building it writes nothing beside them.

    Large ones, which are data more than code, become links.
    """
    import shutil

    goal.mkdir(parents=True)
    for folder, name, status in _files(path):
        target = goal / folder
        target.mkdir(parents=True, exist_ok=True)
        if status.st_size > _LARGE_BYTES or not stat.S_ISREG(status.st_mode):
            (target / name).symlink_to(path / folder / name)
        else:
            shutil.copy2(path / folder / name, target / name)
    if (path / ".git").exists():  # versions taken from Git (setuptools-scm) need it
        (goal / ".git").symlink_to(path / ".git")


def _files(path: Path) -> Iterator[tuple[str, str, os.stat_result]]:
    """Give (folder, name, status) of each file that can be part of a package, sorted."""
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(each for each in folders if not _left_out(each))
        for name in sorted(names):
            yield os.path.relpath(folder, path), name, os.lstat(os.path.join(folder, name))  # noqa: PTH118


def _left_out(folder: str) -> bool:
    return folder in _LEFT_OUT or folder.startswith(".") or folder.endswith(".egg-info")


def _directory_digest(path: Path, home: Home) -> str:
    """Hash every file; one whose size, times and inode are as before is not read again."""
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    cache = home.cache / "local-packages" / f"{name}.json"
    known = read_document(cache) or {}
    now: dict[str, list[object]] = {}
    for folder, file, status in _files(path):
        key = os.path.join(folder, file)  # noqa: PTH118  # plain text
        stamp = [*Stamp.of(status)]
        before = known.get(key)
        same = isinstance(before, list) and before[:-1] == stamp
        now[key] = before if same and before else [*stamp, _entry_digest(path / key)]
    if now != known:
        _keep(cache, now)
    return _total((key, str(entry[-1])) for key, entry in sorted(now.items()))


def _entry_digest(path: Path) -> str:
    if path.is_symlink():
        return f"link:{path.readlink()}"
    return sha256_of(path)


def _total(entries: Iterator[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(list(entries)).encode()).hexdigest()


def _keep(path: Path, entries: dict[str, list[object]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, json.dumps(entries))
    except OSError:
        return  # only costs the time to read the files again
