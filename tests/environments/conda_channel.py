"""A conda channel on disk: packages that a test adds, and real Pythons made from the interpreters at hand.

No public channel is reachable where the tests run. ``pythons()`` is made once, below ``BIS_TEST_CACHE`` (default
``~/.cache/bis-tests``), from pyenv's interpreters; ``Channel`` holds what a single test needs.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import platform
import shutil
import sys
import tarfile
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SUBDIR = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}.get(platform.machine(), "linux-64")
PLACEHOLDER = "/opt/placeholder_" + "placehold_" * 23 + "end"
"""Stands for the prefix in a package's files until it is installed; long, as conda-build's is."""
LONG_AGO = 1_577_836_800_000
"""2020-01-01 in conda's milliseconds."""
VERSIONS = ("3.8", "3.13")
_FORMAT = "3"
_LEFT_OUT = {"test", "tests", "idlelib", "tkinter", "turtledemo", "lib2to3", "__pycache__", "site-packages"}


@dataclass
class Channel:
    """A directory that is a channel; ``add`` a package, and its index is written anew."""

    directory: Path
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address."""
        return self.directory.as_uri()

    def add(
        self,
        name: str,
        version: str,
        *,
        files: Mapping[str, str | bytes | Path] | None = None,
        depends: tuple[str, ...] = (),
        build: str = "0",
        noarch: str | None = None,
        timestamp: int | None = LONG_AGO,
        entry_points: tuple[str, ...] = (),
        subdir: str | None = None,
    ) -> Path:
        """Add a package and return its file. Text that holds ``PLACEHOLDER`` is relocated; ``bin/`` is executable."""
        folder = subdir or ("noarch" if noarch else SUBDIR)
        entry: dict[str, Any] = {
            "name": name,
            "version": version,
            "build": build,
            "build_number": 0,
            "depends": list(depends),
            "license": "MIT",
            "subdir": folder,
            **({"noarch": noarch} if noarch else {"arch": platform.machine(), "platform": "linux"}),
            **({"timestamp": timestamp} if timestamp else {}),
        }
        content = _package(entry, dict(files or {}), entry_points)
        file = self.directory / folder / f"{name}-{version}-{build}.conda"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        hashes = {kind: hashlib.new(kind, content).hexdigest() for kind in ("md5", "sha256")}
        self.entries[f"{folder}/{file.name}"] = {**entry, **hashes, "size": len(content)}
        self._index()
        return file

    def _index(self) -> None:
        for folder in ("noarch", SUBDIR, *{path.partition("/")[0] for path in self.entries}):
            packages = {
                path.partition("/")[2]: entry
                for path, entry in sorted(self.entries.items())
                if path.startswith(f"{folder}/")
            }
            document = {
                "info": {"subdir": folder},
                "packages": {},
                "packages.conda": packages,
                "repodata_version": 1,
            }
            (self.directory / folder).mkdir(parents=True, exist_ok=True)
            (self.directory / folder / "repodata.json").write_text(json.dumps(document))


def python_package(name: str, version: str, code: str = "", requires: tuple[str, ...] = ()) -> dict[str, str]:
    """The files of a ``noarch: python`` package with one module of that name."""
    module = name.replace("-", "_")
    info = f"site-packages/{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {each}\n" for each in requires)
    record = (
        f"{module}.py,,\n{module}-{version}.dist-info/METADATA,,\n{module}-{version}.dist-info/RECORD,,\n"
    )
    return {
        f"site-packages/{module}.py": code or f"__version__ = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/INSTALLER": "conda\n",
        f"{info}/RECORD": record,
    }


def _package(
    entry: dict[str, Any], files: dict[str, str | bytes | Path], entry_points: tuple[str, ...]
) -> bytes:
    """A ``.conda`` file: a stored zip of two zstd tars (conda's documentation, "Package metadata", CEP 35)."""
    contents = {path: _bytes(content) for path, content in sorted(files.items())}
    modes = {path: _mode(path, content) for path, content in files.items()}
    paths = {"paths": [_path(path, content) for path, content in contents.items()], "paths_version": 1}
    index = {key: value for key, value in entry.items() if key not in {"md5", "sha256", "size"}}
    info = {"info/index.json": json.dumps(index).encode(), "info/paths.json": json.dumps(paths).encode()}
    if entry.get("noarch") == "python":
        link = {
            "noarch": {"type": "python", "entry_points": list(entry_points)},
            "package_metadata_version": 1,
        }
        info["info/link.json"] = json.dumps(link).encode()
    stem = f"{entry['name']}-{entry['version']}-{entry['build']}"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for member, content in (
            ("metadata.json", json.dumps({"conda_pkg_format_version": 2}).encode()),
            (f"pkg-{stem}.tar.zst", _tar(contents, modes)),
            (f"info-{stem}.tar.zst", _tar(info, {})),
        ):
            archive.writestr(zipfile.ZipInfo(member, (2020, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _bytes(content: str | bytes | Path) -> bytes:
    if isinstance(content, Path):
        return content.read_bytes()
    return content.encode() if isinstance(content, str) else content


def _mode(path: str, content: str | bytes | Path) -> int:
    if isinstance(content, Path):
        return content.stat().st_mode & 0o777
    return 0o755 if path.startswith("bin/") else 0o644


def _path(path: str, content: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {
        "_path": path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_in_bytes": len(content),
    }
    if PLACEHOLDER.encode() in content:
        found |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    return found


def _tar(contents: dict[str, bytes], modes: dict[str, int]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in contents.items():
            member = tarfile.TarInfo(path)
            member.size, member.mode, member.mtime = len(content), modes.get(path, 0o644), 1_577_836_800
            archive.addfile(member, io.BytesIO(content))
    return zstandard.ZstdCompressor(level=3).compress(buffer.getvalue())


def pythons() -> Channel:
    """The shared channel: ``python`` of each of ``VERSIONS`` that pyenv has, and ``pip``; skips without any."""
    if sys.platform != "linux":
        pytest.skip("the channel of Pythons is made for Linux only")
    root = Path(os.environ.get("BIS_TEST_CACHE") or Path.home() / ".cache" / "bis-tests")
    interpreters = {version: found for version in VERSIONS if (found := _interpreter(version))}
    if not interpreters:
        pytest.skip(f"needs one of pyenv's Pythons {', '.join(VERSIONS)}")
    names = "-".join(path.name for path in interpreters.values())
    directory = root / f"conda-channel-{_FORMAT}-{names}"
    if not (directory / "complete").exists():
        root.mkdir(parents=True, exist_ok=True)
        with directory.with_name(f"{directory.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (directory / "complete").exists():
                shutil.rmtree(directory, ignore_errors=True)
                _make(Channel(directory), interpreters)
                (directory / "complete").touch()  # written last: a killed build is made again
    return Channel(directory)


def python_or_skip(version: str) -> str:
    """The full version of the channel's Python of a minor version; skips where there is none."""
    found = _interpreter(version)
    if found is None:
        pytest.skip(f"needs pyenv's Python {version}")
    return found.name


def _interpreter(version: str) -> Path | None:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
    return found[0].parent.parent if found else None


def _make(channel: Channel, interpreters: Mapping[str, Path]) -> None:
    for version, prefix in interpreters.items():
        channel.add("python", prefix.name, files=dict(_python_files(prefix, version)))
    newest = list(interpreters.values())[-1]
    wheel = next(newest.glob("lib/python3.*/ensurepip/_bundled/pip-*.whl"))
    version = wheel.name.split("-")[1]
    with zipfile.ZipFile(wheel) as archive:
        files = {f"site-packages/{name}": archive.read(name) for name in archive.namelist()}
    main = "pip = pip._internal.cli.main:main"
    channel.add("pip", version, files=files, depends=("python",), noarch="python", entry_points=(main,))


def _python_files(prefix: Path, version: str) -> Iterator[tuple[str, str | bytes | Path]]:
    """The files of an interpreter that an environment needs, made relocatable."""
    executable = (prefix / "bin" / f"python{version}").read_bytes()
    yield f"bin/python{version}", _relocated(executable, prefix)
    for alias in ("python", "python3"):
        yield f"bin/{alias}", _relocated(executable, prefix)
    for path in prefix.glob("lib/libpython*.so*"):
        yield f"lib/{path.name}", path
    library = prefix / "lib" / f"python{version}"
    for path in sorted(library.rglob("*")):
        relative = path.relative_to(library)
        if not path.is_file() or _LEFT_OUT & set(relative.parts) or relative.parts[0].startswith("config-"):
            continue
        is_sysconfig = path.name.startswith("_sysconfigdata") and path.suffix == ".py"
        content = path.read_text().replace(str(prefix), PLACEHOLDER) if is_sysconfig else path
        yield f"lib/python{version}/{relative.as_posix()}", content
    yield f"lib/python{version}/site-packages/README.txt", "packages\n"


def _relocated(executable: bytes, prefix: Path) -> bytes:
    """An executable that looks for its libraries beside itself: the run path is overwritten where it stands."""
    before = f"{prefix}/lib\0".encode()
    return executable.replace(before, b"$ORIGIN/../lib".ljust(len(before), b"\0"))
