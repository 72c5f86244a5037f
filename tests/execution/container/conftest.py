from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from containers import Podman, build_python, make_podman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bis_command import Bis


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    """An engine with the images ``tools:1`` (a shell, no Python) and ``python:1``."""
    place = tmp_path_factory.mktemp("podman")
    engine = make_podman(place)
    build_python(engine, Path(sys.executable))
    yield engine
    shutil.rmtree(place, ignore_errors=True)


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
