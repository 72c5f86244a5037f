from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from containers import Podman, build_python, make_podman, remove_podman

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


@pytest.fixture
def boxed(bis: Bis, podman: Podman) -> Bis:
    """``bis`` with that engine."""
    bis.variables.update(podman.environ)
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
