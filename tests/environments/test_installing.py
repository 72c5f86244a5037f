"""A lock, made real when the package index is not what it was."""

from __future__ import annotations

import dataclasses
import shutil
from typing import TYPE_CHECKING

import pytest

from bis import environments
from bis.errors import BuildError
from environments.doubles import run_in

if TYPE_CHECKING:
    from pathlib import Path

    from bis.environments import Lock
    from environments.doubles import PackageIndex, Project

CODE = "ORIGIN = 'the file that was locked'\n"
PRINT = "python -c 'import alpha, beta; print(alpha.ORIGIN, beta.__version__)'"


@pytest.fixture
def locked(project: Project, index: PackageIndex) -> Lock:
    """The lock of a project with two packages."""
    index.add("alpha", "1.0", code=CODE)
    index.add("beta", "1.0")
    project.write("requirements.txt", "alpha\nbeta\n")
    return project.lock()


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "another cache"))


def keep_only_alpha_in_the_cache(project: Project, tmp_path: Path) -> None:
    """Fill uv's cache with alpha, through another project."""
    other = dataclasses.replace(project, directory=tmp_path / "other")
    other.write("requirements.txt", "alpha\n")
    other.realize()
    shutil.rmtree(project.home.environments)


@pytest.mark.usefixtures("empty_cache")
def test_newer_releases_change_nothing(project: Project, index: PackageIndex, locked: Lock) -> None:
    index.add("alpha", "2.0", uploaded="2020-06-01T00:00:00Z")
    made = project.realize(locked)
    assert run_in(made, PRINT, project.directory) == "the file that was locked 1.0"


@pytest.mark.usefixtures("empty_cache")
def test_a_yanked_release_is_installed_and_named(project: Project, index: PackageIndex, locked: Lock) -> None:
    index.releases["alpha"][0].yanked = "wrong numbers"
    project.realize(locked)
    assert "alpha 1.0 was withdrawn by its authors (yanked): wrong numbers" in project.notes


@pytest.mark.usefixtures("empty_cache")
def test_every_vanished_release_is_named(project: Project, index: PackageIndex, locked: Lock) -> None:
    index.add("alpha", "2.0")
    index.releases["alpha"].pop(0)
    del index.releases["beta"]
    with pytest.raises(BuildError, match=r"not in uv's cache: alpha 1\.0, beta 1\.0") as caught:
        project.realize(locked)
    assert "bis run --upgrade" in (caught.value.hint or "")


@pytest.mark.parametrize("whole_project", [False, True])
def test_a_vanished_release_is_found_in_the_cache(
    project: Project, index: PackageIndex, locked: Lock, tmp_path: Path, whole_project: bool
) -> None:
    keep_only_alpha_in_the_cache(project, tmp_path)
    if whole_project:
        del index.releases["alpha"]
    else:
        index.add("alpha", "2.0")
        index.releases["alpha"].pop(0)
    made = project.realize(locked)
    assert run_in(made, PRINT, project.directory) == "the file that was locked 1.0"
    assert "alpha 1.0 is gone from the package index: taken from uv's cache" in project.notes


def test_a_cached_release_that_was_edited_is_not_taken(
    project: Project, index: PackageIndex, locked: Lock, tmp_path: Path
) -> None:
    keep_only_alpha_in_the_cache(project, tmp_path)
    index.add("alpha", "2.0")
    index.releases["alpha"].pop(0)
    for path in (tmp_path / "uv-cache").glob("archive-v*/*/alpha/__init__.py"):
        path.chmod(0o644)
        path.write_text("ORIGIN = 'edited'\n")
    with pytest.raises(BuildError, match=r"not in uv's cache: alpha 1\.0"):
        project.realize(locked)


@pytest.mark.usefixtures("empty_cache")
def test_another_file_under_the_locked_name_is_not_trusted(
    project: Project, index: PackageIndex, locked: Lock
) -> None:
    index.releases["alpha"].clear()
    index.add("alpha", "1.0", code="ORIGIN = 'somebody else'\n")
    with pytest.raises(BuildError, match="alpha") as caught:
        project.realize(locked)
    assert "do not trust it" in (caught.value.hint or "")


@pytest.mark.usefixtures("empty_cache")
def test_vanished_releases_are_named_when_uv_writes_to_the_terminal(
    project: Project, index: PackageIndex, locked: Lock
) -> None:
    index.add("alpha", "2.0")
    index.releases["alpha"].pop(0)
    with pytest.raises(BuildError, match=r"not in uv's cache: alpha 1\.0"):
        environments.realize(locked, home=project.home, notify=project.notes.append, show_progress=True)


def test_a_lock_of_another_platform_is_not_installed(project: Project, locked: Lock) -> None:
    foreign = dataclasses.replace(locked, platform="plan9-mips-libc1")
    with pytest.raises(BuildError, match="was locked for plan9-mips-libc1, and this machine is"):
        project.realize(foreign)


def test_another_version_of_the_c_library_is_taken(project: Project, locked: Lock) -> None:
    older = "-".join([*locked.platform.split("-")[:2], "glibc2.17"])
    assert project.realize(dataclasses.replace(locked, platform=older)).created


@pytest.mark.usefixtures("empty_cache")
@pytest.mark.parametrize("uploaded", [None, "2035-01-01T00:00:00Z"])
def test_a_lock_is_good_on_a_mirror_without_upload_times_or_with_its_own(
    project: Project, index: PackageIndex, locked: Lock, uploaded: str | None
) -> None:
    for releases in index.releases.values():
        releases[0].upload_time = uploaded
    made = project.realize(locked)
    assert run_in(made, PRINT, project.directory) == "the file that was locked 1.0"
