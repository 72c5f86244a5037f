"""An ordinary user with podman and no rights of root: what the container writes is the user's own."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import bis
from containers import make_podman

if TYPE_CHECKING:
    from collections.abc import Iterator

_MLPROJECT = """\
docker_env:
  image: "tools:1"
  volumes: ["${PWD}/out:/out"]
entry_points:
  main:
    command: "id -u; touch here /out/there; touch $HOME/own && echo home"
"""
_DOCKERFILE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""


@pytest.fixture
def user() -> Iterator[pwd.struct_passwd]:
    """A user of its own, with the subordinate ids that user namespaces need."""
    if os.getuid() != 0 or not all(map(shutil.which, ("useradd", "newuidmap", "busybox"))):
        pytest.skip("making a user needs root, useradd and newuidmap")
    name = f"bis{os.getpid()}"
    subprocess.run(["useradd", "--create-home", name], check=True, capture_output=True)
    try:
        yield pwd.getpwnam(name)
    finally:
        subprocess.run(["userdel", "--remove", name], check=False, capture_output=True)


@pytest.fixture
def place(user: pwd.struct_passwd) -> Iterator[Path]:
    """A directory that the user can reach, with a Python and a project."""
    directory = Path(tempfile.mkdtemp(prefix="bis-rootless-"))
    try:
        directory.chmod(0o755)
        shutil.copytree(sys.base_prefix, directory / "python", symlinks=True)
        for name in ("theirs", "theirs/project", "theirs/project/out", "theirs/image", "theirs/run"):
            (directory / name).mkdir()
        (directory / "theirs/project/MLproject").write_text(_MLPROJECT)
        (directory / "theirs/image/Dockerfile").write_text(_DOCKERFILE)
        shutil.copy2(shutil.which("busybox") or "", directory / "theirs/image/busybox")
        make_podman(directory / "theirs/engine", driver="vfs")
        subprocess.run(["chown", "-R", f"{user.pw_uid}:{user.pw_gid}", directory / "theirs"], check=True)
        (directory / "theirs/run").chmod(0o700)
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.mark.slow
def test_a_container_of_an_ordinary_user_writes_as_that_user(user: pwd.struct_passwd, place: Path) -> None:
    theirs = place / "theirs"
    packages = [str(Path(bis.__file__).parents[1]), sysconfig.get_path("purelib")]
    environ = {
        **make_podman(theirs / "engine", driver="vfs").environ,
        "PATH": os.environ["PATH"],
        "HOME": user.pw_dir,
        "XDG_RUNTIME_DIR": str(theirs / "run"),
        "BIS_HOME": str(theirs / "home"),
        "PYTHONPATH": os.pathsep.join(packages),
        "LD_LIBRARY_PATH": str(place / "python" / "lib"),
    }

    def as_user(*words: str | Path) -> str:
        done = subprocess.run(
            words,
            cwd=theirs,
            env=environ,
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )
        if "newuidmap" in done.stderr or "user namespace" in done.stderr:
            pytest.skip(f"no user namespaces here: {done.stderr.strip()}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    as_user("podman", "build", "--quiet", "--tag", "tools:1", theirs / "image")
    python = place / "python" / "bin" / f"python3.{sys.version_info.minor}"
    output = as_user(python, "-m", "bis", "run", "-q", theirs / "project", "-A", "network=none")
    assert output.split() == [str(user.pw_uid), "home"]
    assert (theirs / "project/out/there").stat().st_uid == user.pw_uid
    assert as_user("podman", "ps", "--all", "--quiet") == ""
