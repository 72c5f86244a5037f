from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.home import Home
from sources.gitservers import git_daemon
from sources.scene import Fetcher, Repository, make_repository

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _no_settings_of_the_developer(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests' Git has no configuration but its own."""
    config = tmp_path_factory.mktemp("gitconfig") / "config"
    config.write_text("[init]\n\tdefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "BIS_SNAPSHOT_MAX_FILE_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def get(home: Home) -> Iterator[Fetcher]:
    fetcher = Fetcher(home, [], [])
    yield fetcher
    for source in fetcher.sources:
        source.close()


@pytest.fixture
def upstream(tmp_path: Path) -> Repository:
    """A repository to fetch from, at ``served/demo`` of the test's directory."""
    return make_repository(tmp_path / "served" / "demo")


@pytest.fixture
def served(upstream: Repository) -> Iterator[str]:
    """The URL of ``upstream``, served by ``git daemon``."""
    with git_daemon(upstream.path.parent) as url:
        yield f"{url}/demo"
