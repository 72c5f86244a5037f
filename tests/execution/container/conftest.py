from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from containers import Docker, Engine, Podman, build_python, make_podman, remove_podman, running_docker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bis_command import Bis


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """An engine with the images ``tools:1`` (a shell, no Python) and ``python:1``."""
    place = Path(tempfile.mkdtemp(prefix="bis-podman-"))  # pytest cannot remove what is mounted
    try:
        engine = make_podman(place)
        build_python(engine, Path(sys.executable))
        yield engine
    finally:
        remove_podman(place)


@pytest.fixture(scope="session")
def docker(podman: Podman) -> Iterator[Docker]:
    """The other engine, with the same images."""
    place = Path(tempfile.mkdtemp(prefix="bis-docker-"))
    try:
        with running_docker(place, podman, "tools:1", "python:1") as engine:
            yield engine
    finally:
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(params=["podman", pytest.param("docker", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each of both."""
    found: Engine = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def boxed(bis: Bis, engine: Engine) -> Bis:
    """``bis`` with that engine."""
    bis.variables.update(engine.environ)
    return bis


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Makes a project whose one entry point is a command in a container."""

    def make(
        command: str, *, image: str = "python:1", more: str = "", parameters: str = "{}", **files: str
    ) -> Path:
        directory = tmp_path / "project"
        directory.mkdir(exist_ok=True)
        (directory / "MLproject").write_text(
            f"name: boxed\ndocker_env:\n  image: {image}\n{more}"
            f"entry_points:\n  main:\n    parameters: {parameters}\n    command: |-\n      {command}\n"
        )
        for name, text in files.items():
            (directory / name.replace("__", ".")).write_text(text)
        return directory

    return make
