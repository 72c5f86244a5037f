"""A project to work with, and a package index on loopback that tests fill."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest

from bis import environments
from bis.environments import AsOf, Environment, EnvironmentSpec, Lock, interpreters
from bis.errors import InterpreterNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home


@dataclass
class Project:
    """A project directory, and what is done with it in a test."""

    directory: Path
    home: Home
    notes: list[str] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def detect(
        self, kind: str | None = None, file: str | None = None, manager: str | None = None
    ) -> EnvironmentSpec:
        path = self.directory / file if file else None
        return environments.detect(self.directory, kind=kind, file=path, manager=manager)

    def lock(self, as_of: AsOf | None = None, *, upgrade: bool = False, manager: str | None = None) -> Lock:
        spec = self.detect(manager=manager)
        moment = as_of or AsOf.first_run()
        return environments.lock(
            spec, as_of=moment, home=self.home, notify=self.notes.append, upgrade=upgrade
        )

    def realize(self, lock: Lock | None = None) -> Environment:
        found = lock or self.lock()
        return environments.realize(found, home=self.home, notify=self.notes.append, directory=self.directory)


def run_in(environment: Environment, command: str, cwd: Path) -> str:
    """Run a command as a run would, through bash with the environment's variables; return what it printed."""
    variables = environment.variables(os.environ)
    done = subprocess.run(
        ["bash", "-c", command], env=variables, cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def python_or_skip(request: str, home: Home) -> str:
    """Return the version of the interpreter for a request, found as bis does; skip where there is none."""
    try:
        choice = interpreters.find(request, None, home=home, notify=lambda _: None)
    except InterpreterNotFoundError as error:
        pytest.skip(f"needs Python {request}: {error.message}")
    return choice.interpreter.version


@dataclass
class Release:
    """A wheel of the index."""

    file: str
    content: bytes
    metadata: str
    upload_time: str | None
    yanked: str | None = None
    truncated: bool = False
    extra: bool = False


@dataclass
class PackageIndex:
    """A package index (PEP 503, 691 and 700) on loopback, with the releases that a test adds."""

    url: str = ""
    releases: dict[str, list[Release]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    down: bool = False

    def add(
        self,
        name: str,
        version: str,
        *,
        code: str = "",
        requires: tuple[str, ...] = (),
        scripts: tuple[str, ...] = (),
        uploaded: str | None = "2020-01-01T00:00:00Z",
        yanked: str | None = None,
        truncated: bool = False,
        extra: bool = False,
    ) -> None:
        """Add a release; one that is ``extra`` is served below ``/extra`` instead of ``/simple``."""
        requirements = "".join(f"Requires-Dist: {each}\n" for each in requires)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requirements}"
        wheel = _wheel(name, version, code, metadata, scripts)
        file = f"{name}-{version}-py3-none-any.whl"
        self.releases.setdefault(name, []).append(
            Release(file, wheel, metadata, uploaded, yanked, truncated, extra)
        )


def _wheel(name: str, version: str, code: str, metadata: str, scripts: tuple[str, ...]) -> bytes:
    import io

    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": code or f"__version__ = {version!r}\n",
        f"{info}/METADATA": metadata,
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\n" + "".join(f"{each}\n" for each in scripts),
    }
    record = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for path, text in files.items()
    ]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()


def handler(index: PackageIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.requests.append(self.path)
            _, kind, name, *_ = [*self.path.split("/"), "", ""]
            if index.down:
                self.send_error(503)
            elif kind in {"simple", "extra"} and name in index.releases:
                releases = [each for each in index.releases[name] if each.extra == (kind == "extra")]
                self._answer(json.dumps(_page(name, releases)).encode())
            elif kind == "files":
                self._send_file(name)
            else:
                self.send_error(404)

        def _answer(self, content: bytes, length: int | None = None) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(length or len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _send_file(self, name: str) -> None:
            every = (release for releases in index.releases.values() for release in releases)
            release = next((each for each in every if each.file == name.removesuffix(".metadata")), None)
            if release is None:
                self.send_error(404)
            elif name.endswith(".metadata"):
                self._answer(release.metadata.encode())
            elif release.truncated:
                self._answer(release.content[:100], length=len(release.content))
                self.close_connection = True
            else:
                self._answer(release.content)

        def log_message(self, *args: object) -> None:
            pass

    return Handler


def _page(name: str, releases: list[Release]) -> dict[str, Any]:
    files = []
    for release in releases:
        digest = hashlib.sha256(release.content).hexdigest()
        entry: dict[str, Any] = {
            "filename": release.file,
            "url": f"/files/{release.file}",
            "hashes": {"sha256": digest},
            "core-metadata": True,
        }
        if release.upload_time:
            entry["upload-time"] = release.upload_time
        if release.yanked:
            entry["yanked"] = release.yanked
        files.append(entry)
    return {"meta": {"api-version": "1.1"}, "name": name, "files": files}
