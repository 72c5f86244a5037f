from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from bis.environments.environment import STATE_FILE
from bis.environments.store import (
    changed_files,
    list_environments,
    prune_environments,
    show_environment,
)
from bis.errors import UsageError
from bis.home import Home
from environments.doubles import run_in

if TYPE_CHECKING:
    from bis.environments import Environment
    from environments.doubles import PackageIndex, Project


@pytest.fixture
def made(project: Project, index: PackageIndex) -> Environment:
    index.add("alpha", "1.0")
    project.write("requirements.txt", "alpha\n")
    return project.realize()


def test_a_home_without_environments_lists_none(project: Project) -> None:
    assert list_environments(project.home) == []
    assert prune_environments(project.home) == []


def test_environments_are_listed_with_size_packages_and_times(project: Project, made: Environment) -> None:
    (found,) = list_environments(project.home)
    assert found.digest == made.lock.digest
    assert found.python == made.lock.python
    assert found.packages == len(made.lock.packages)
    assert 0 < found.own_bytes <= found.size_bytes
    assert found.created.tzinfo


def test_one_is_shown_with_its_lock(project: Project, made: Environment) -> None:
    found, lock = show_environment(project.home, made.lock.digest[:8])
    assert lock == made.lock
    assert found.prefix == made.prefix


def test_an_unknown_digest_is_wrong_use(project: Project, made: Environment) -> None:
    with pytest.raises(UsageError, match="no environment begins with 'zz'"):
        show_environment(project.home, "zz")


def test_a_use_is_remembered(project: Project, made: Environment) -> None:
    assert made.prefix
    os.utime(made.prefix / STATE_FILE, (1, 1))
    project.realize(made.lock)
    (found,) = list_environments(project.home)
    assert found.last_used.year > 2000


def test_pruning_removes_what_was_not_used_for_long(project: Project, made: Environment) -> None:
    assert made.prefix
    assert prune_environments(project.home, older_than_days=1) == []
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    os.utime(made.prefix / STATE_FILE, (two_days_ago, two_days_ago))
    (would,) = prune_environments(project.home, older_than_days=1, dry_run=True)
    assert made.prefix.exists()
    (removed,) = prune_environments(project.home, older_than_days=1)
    assert removed.digest == would.digest == made.lock.digest
    assert not made.prefix.exists()


def test_an_environment_in_use_is_not_removed(project: Project, made: Environment) -> None:
    with made.hold():
        assert prune_environments(project.home) == []
    assert len(prune_environments(project.home)) == 1


def test_pruning_removes_what_killed_builds_left(project: Project, made: Environment) -> None:
    for name in ("0" * 32 + ".building-1", "1" * 32):
        (project.home.environments / name).mkdir()
    prune_environments(project.home, older_than_days=9)
    assert [path for path in project.home.environments.iterdir() if path.is_dir()] == [made.prefix]


def test_files_that_were_edited_are_named(project: Project, made: Environment) -> None:
    assert made.prefix
    assert changed_files(made.prefix) == []
    (code,) = made.prefix.glob("lib/*/site-packages/alpha/__init__.py")
    code.chmod(0o644)
    code.write_text("X = 'edited'\n")
    assert changed_files(made.prefix) == [code]


def environment_of(project: Project, index: PackageIndex, name: str, used: float) -> Environment:
    index.add(name, "1.0", code="X = 1\n" * 1000)
    project.write("requirements.txt", f"{name}\n")
    made = project.realize(project.lock(upgrade=True))
    assert made.prefix
    os.utime(made.prefix / STATE_FILE, (used, used))
    return made


def test_pruning_keeps_those_used_last_that_fit_into_a_size(project: Project, index: PackageIndex) -> None:
    now = time.time()
    oldest, middle, newest = (
        environment_of(project, index, name, now - age)
        for name, age in (("alpha", 300), ("beta", 200), ("gamma", 100))
    )
    sizes = {each.digest: each.size_bytes for each in list_environments(project.home)}
    room = sizes[newest.lock.digest] + sizes[middle.lock.digest]
    removed = prune_environments(project.home, keep_bytes=room)
    assert [each.digest for each in removed] == [oldest.lock.digest]
    assert len(prune_environments(project.home, keep_bytes=0)) == 2


def test_pruning_leaves_what_is_needed(project: Project, made: Environment) -> None:
    assert prune_environments(project.home, needed={made.lock.digest}) == []
    assert len(prune_environments(project.home, needed={"another"})) == 1


def test_an_environment_works_in_a_home_that_was_moved(project: Project, made: Environment) -> None:
    moved = project.home.root.with_name("moved home")
    project.home.root.rename(moved)
    project.home = Home(moved)
    found = project.realize(made.lock)
    assert not found.created
    printed = run_in(found, "python -c 'import alpha, sys; print(sys.prefix)'; head -1 $(which pip)", moved)
    assert printed.splitlines()[0] == str(found.prefix)
    assert run_in(found, "pip --version", moved).startswith("pip ")
