"""A way to write a project in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.projects import Project, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Writes files into one directory and loads it: the first argument is the MLproject file's text."""

    def write(mlproject: str | bytes | None = None, /, **files: str) -> Project:
        if mlproject is not None:
            content = mlproject.encode() if isinstance(mlproject, str) else mlproject
            (tmp_path / "MLproject").write_bytes(content)
        for name, text in files.items():
            (tmp_path / name.replace("__", ".")).write_text(text)
        return load(tmp_path)

    return write
