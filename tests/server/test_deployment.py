"""The container file and the systemd unit, held against podman and systemd."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from containers import remove_podman
from docs.pages import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPLOY = REPOSITORY / "deploy"
_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "bis.service").read_text()
    unit = tmp_path / "bis.service"
    unit.write_text(text.replace("/opt/bis/bin/bis", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    of_ours = [line for line in done.stderr.splitlines() if "bis.service" in line]
    assert (done.returncode, of_ours) == (0, [])


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
def test_the_unit_leaves_little_to_an_intruder(tmp_path: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=yes", "--no-pager", str(DEPLOY / "bis.service")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for bis\.service: ([\d.]+)", done.stdout)
    if found is None:
        pytest.skip(f"this systemd does not judge files: {done.stderr[:200]}")
    assert float(found[1]) < 2.0  # 0 is the best, 10 the worst; a unit without options has 9.6


class Podman:
    """podman with a store of its own."""

    def __init__(self, directory: Path) -> None:
        (directory / "containers.conf").write_text(_CONTAINERS_CONF)
        self._environ = {**os.environ, "CONTAINERS_CONF": str(directory / "containers.conf")}
        self._words = [
            *("podman", "--root", str(directory / "root"), "--runroot", str(directory / "runroot")),
            *("--storage-driver", "vfs"),
        ]

    def __call__(self, *words: str | Path) -> str:
        done = subprocess.run(
            [*self._words, *map(str, words)], env=self._environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"podman {' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def logs(self, name: str) -> str:
        """What a container has said."""
        words = [*self._words, "logs", name]
        done = subprocess.run(words, env=self._environ, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    if not shutil.which("podman") or not shutil.which("busybox") or os.geteuid() != 0:
        pytest.skip("needs podman, busybox and root")
    directory = Path(tempfile.mkdtemp(prefix="bis-podman-"))  # podman takes no long path for its sockets
    try:
        podman = Podman(directory)
        _make_base(podman, directory / "base")
        yield podman
        podman("rm", "--all", "--force", "--time", "0")
    finally:
        remove_podman(directory)


def _make_base(podman: Podman, root: Path) -> None:
    """An image with this Python and a shell, as no registry is at hand."""
    for name in ("bin", "lib64", "tmp", "etc", "usr/local/bin", "usr/local/lib"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n")
    shutil.copy(shutil.which("busybox") or "", root / "bin/busybox")
    for applet in ("sh", "mkdir", "chown", "cp", "rm", "sleep", "id", "touch"):
        (root / "bin" / applet).symlink_to("busybox")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    shutil.copy((prefix / "bin" / version).resolve(), root / "usr/local/bin" / version)
    (root / "usr/local/bin/python3").symlink_to(version)
    left_out = shutil.ignore_patterns("test", "tests", "site-packages", "__pycache__", "idlelib", "*.a")
    shutil.copytree(
        prefix / "lib" / version, root / "usr/local/lib" / version, ignore=left_out, symlinks=True
    )
    (root / "usr/local/lib" / version / "site-packages").mkdir()
    programs = [root / "usr/local/bin" / version, *root.rglob("lib-dynload/*.so")]
    for library in _libraries([*programs, *Path(sys.prefix).rglob("*.so")]):
        target = root / library.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, target)
    subprocess.run(["tar", "-C", root, "-cf", f"{root}.tar", "."], check=True)
    podman("import", "--change", "ENV PATH=/usr/local/bin:/bin", f"{root}.tar", "localhost/python")
    shutil.rmtree(root)


def _libraries(programs: list[Path]) -> set[Path]:
    done = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False)
    found = {Path(path) for path in re.findall(r"(?:=> |^\s)(/\S+) \(0x", done.stdout, re.MULTILINE)}
    nss = {path for one in found if one.name == "libc.so.6" for path in one.parent.glob("libnss_files*.so*")}
    return found | nss


@pytest.fixture(scope="module")
def image(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    wheels = tmp_path_factory.mktemp("wheels")
    what = [f"{REPOSITORY}[server]", "hatchling"]
    words = [sys.executable, "-m", "pip", "wheel", "-q", "-w", str(wheels), *what]
    subprocess.run(words, check=True)
    podman(
        *("build", "--format", "docker", "-f", DEPLOY / "Containerfile", "-t", "bis"),
        *("--build-arg", "BASE=localhost/python", "--volume", f"{wheels}:/wheels:ro"),
        *("--build-arg", "PIP_OPTIONS=--no-index --find-links /wheels"),
        REPOSITORY,
    )
    return "bis"


@pytest.mark.slow
def test_the_container_serves_as_nobody_and_keeps_its_data(podman: Podman, image: str) -> None:
    name = podman(
        "run", "-d", "--read-only", "--network", "host", "-v", "data:/data", "-e", "BIS_PORT=0", image
    )
    log = _await(podman, name, r"export MLFLOW_TRACKING_TOKEN=bis_")
    url = re.findall(r"MLFLOW_TRACKING_URI=(\S+)", log)[-1]
    token = re.findall(r"MLFLOW_TRACKING_TOKEN=(bis_\S+)", log)[-1]
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/experiments/get?experiment_id=0")
    request.add_header("Authorization", f"Bearer {token}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert json.load(answer)["experiment"]["name"] == "Default"
    assert podman("exec", name, "id", "-u") == "10001"
    podman("stop", "--time", "10", name)
    assert podman("inspect", "--format", "{{.State.ExitCode}}", name) == "0"
    again = podman("run", "-d", "--network", "host", "-v", "data:/data", "-e", "BIS_PORT=0", image)
    assert "MLFLOW_TRACKING_TOKEN=bis_" not in _await(podman, again, r"MLFLOW_TRACKING_URI")


@pytest.mark.slow
def test_the_container_says_whether_it_is_well(podman: Podman, image: str) -> None:
    name = podman("run", "-d", "--network", "none", image)
    _await(podman, name, r"MLFLOW_TRACKING_URI")
    podman("healthcheck", "run", name)


def _await(podman: Podman, name: str, pattern: str) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        log = podman.logs(name)
        if re.search(pattern, log):
            return log
        time.sleep(0.2)
    raise AssertionError(f"the container did not say {pattern}:\n{podman.logs(name)}")
