"""podman and docker with stores of their own, and images that are built without any registry.

The settings are what a container engine needs in a container itself: small limits, no systemd. They are named by
variables that podman reads, so nothing of the machine's own is touched.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTAINERS = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE = """\
[storage]
driver = "{driver}"
graphroot = "{place}/graph"
runroot = "{place}/run"
"""
_TOOLS = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir -p /tmp /etc && chmod 1777 /tmp && echo root:x:0:0:root:/root:/bin/sh > /etc/passwd
"""


@dataclass(frozen=True)
class Engine:
    """A container engine for tests. ``environ`` is what makes its client, and bis, use it."""

    name: ClassVar[str]
    place: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"BIS_CONTAINER_ENGINE": self.name}

    def __call__(self, *words: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [self.name, *words],
            env={**os.environ, **self.environ},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def containers(self) -> list[str]:
        """The names of all containers, ended ones too."""
        return self("ps", "--all", "--format", "{{.Names}}").split()


class Podman(Engine):
    """podman, whose images and containers live in ``place``."""

    name = "podman"

    @property
    def environ(self) -> dict[str, str]:
        return {
            **super().environ,
            "CONTAINERS_CONF": str(self.place / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.place / "storage.conf"),
        }


class Docker(Engine):
    """The engine of docker, which listens on a socket in ``place``."""

    name = "docker"

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "DOCKER_HOST": f"unix://{self.place}/docker.sock"}


@contextlib.contextmanager
def running_docker(place: Path, podman: Podman, *images: str) -> Iterator[Docker]:
    """An engine with these images of podman's. Skips where it cannot run."""
    for program in ("docker", "dockerd", "containerd"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    if os.geteuid() != 0:
        pytest.skip("docker's engine needs root")
    engine = Docker(place)
    words = [f"--data-root={place}/data", f"--exec-root={place}/exec", f"--pidfile={place}/pid"]
    network = ["--iptables=false", "--ip6tables=false", "--bridge=none"]  # the machine's own is not touched
    with (place / "log").open("w") as log:
        process = subprocess.Popen(
            ["dockerd", *words, *network, "--host", engine.environ["DOCKER_HOST"]],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _await_docker(process, place)
        for name in images:
            archive = place / "image.tar"
            podman("save", "--output", str(archive), name)
            engine("load", "--input", str(archive))
            engine("tag", f"localhost/{name}", name)
            archive.unlink()
        yield engine
    finally:
        process.terminate()
        process.wait()


def _await_docker(process: subprocess.Popen[bytes], place: Path) -> None:
    deadline = time.monotonic() + 60
    while not (place / "docker.sock").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"docker's engine does not start here: {(place / 'log').read_text()[-1000:]}")
        time.sleep(0.1)


def make_podman(place: Path, *, driver: str = "overlay") -> Podman:
    """An engine whose images and containers live in ``place``. Skips where podman cannot run."""
    for program in ("podman", "runc"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")
    place.mkdir(parents=True, exist_ok=True)
    (place / "containers.conf").write_text(_CONTAINERS)
    (place / "storage.conf").write_text(_STORAGE.format(place=place, driver=driver))
    return Podman(place)


def remove_podman(place: Path) -> None:
    """Remove the store; podman keeps a directory of it mounted upon itself."""
    subprocess.run(["umount", str(place / "graph" / "overlay")], check=False, capture_output=True)
    shutil.rmtree(place, ignore_errors=True)


def build_tools(podman: Podman, name: str = "tools:1") -> str:
    """An image with a shell and the usual commands, and no Python; returns its name."""
    busybox = shutil.which("busybox")
    if busybox is None:
        pytest.skip("busybox is not installed")
    context = podman.place / "tools"
    context.mkdir(exist_ok=True)
    shutil.copy2(busybox, context / "busybox")
    (context / "Dockerfile").write_text(_TOOLS)
    podman("build", "--quiet", "--tag", name, "--timestamp", "0", str(context))
    return name


def build_python(podman: Podman, python: Path, name: str = "python:1", *, compiled: bool = False) -> str:
    """An image with the tools and a Python of this machine, with the libraries that it loads; returns its name.

    ``compiled``: with the bytecode of the standard library, as the images that people use have it.
    """
    tools = build_tools(podman)
    words = "import sysconfig, sys; print(sysconfig.get_path('stdlib')); print(sys.base_prefix)"
    stdlib, prefix = subprocess.check_output([python, "-c", words], text=True).split()
    context = podman.place / "python"
    if context.exists():
        shutil.rmtree(context)
    root = context / "root"
    ignored = shutil.ignore_patterns(
        "__pycache__", "test", "tests", "idlelib", "site-packages", "config-*", "*.a"
    )
    shutil.copytree(stdlib, root / stdlib[1:], ignore=ignored)
    (root / stdlib[1:] / "site-packages").mkdir()
    if compiled:
        compiling = ["-m", "compileall", "-q", "-j", "2", "--invalidation-mode", "unchecked-hash"]
        subprocess.run([python, *compiling, root / stdlib[1:]], check=True)
    binary = Path(os.path.realpath(python))
    (root / "bin").mkdir()
    (root / prefix[1:] / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy2(binary, root / prefix[1:] / "bin" / "python3")
    of_wheels = [  # what compiled code of any wheel may ask for
        str(path)
        for name in ("libgcc_s.so.1", "libstdc++.so.6", "librt.so.1", "libpthread.so.0", "libdl.so.2")
        for path in Path("/").glob(f"*lib/*-linux-gnu/{name}")
    ]
    for library in sorted({*_libraries([binary, *Path(stdlib).glob("lib-dynload/*.so")]), *of_wheels}):
        place = root / library[1:]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library, place)
    links = " ".join(f"ln -sf {prefix}/bin/python3 /bin/{word};" for word in ("python", "python3"))
    (context / "Dockerfile").write_text(f"FROM {tools}\nCOPY root /\nRUN {links}\n")
    podman("build", "--quiet", "--tag", name, "--timestamp", "0", str(context))
    return name


def _libraries(files: list[Path]) -> set[str]:
    """What the programs and modules load, by ldd."""
    done = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False)
    found = set()
    for line in done.stdout.splitlines():
        words = line.split()
        if "=>" in words and len(words) > 2 and words[2].startswith("/"):
            found.add(words[2])
        elif words and words[0].startswith("/") and not words[0].endswith(":"):
            found.add(words[0])
    return found
