"""A channel for each test, and one cache of packages for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from environments.conda_channel import Channel

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def package_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rattler")


@pytest.fixture(autouse=True)
def _surroundings(package_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's settings of conda, and the shared cache."""
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(package_cache))
    monkeypatch.setattr("bis.environments.conda.settings._PLACES", ())
    for name in (
        "CONDARC",
        "CONDA_CHANNELS",
        "CONDA_CHANNEL_ALIAS",
        "CONDA_OVERRIDE_CUDA",
        "RATTLER_AUTH_FILE",
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that no other test has filled."""
    path = tmp_path / "rattler"
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(path))
    return path


@pytest.fixture
def channel(tmp_path: Path) -> Channel:
    return Channel(tmp_path / "channel")
