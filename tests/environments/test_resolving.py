from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from bis.environments import AsOf, Lock
from bis.errors import BisError, HomeError, ResolutionError, SpecError

if TYPE_CHECKING:
    from pathlib import Path

    from environments.doubles import PackageIndex, Project

IN_2021 = AsOf.option("2021-06-01")


@pytest.fixture
def releases(index: PackageIndex) -> PackageIndex:
    """An index with alpha 1.0 of 2020 and 2.0 of 2022."""
    index.add("alpha", "1.0", uploaded="2020-01-01T00:00:00Z")
    index.add("alpha", "2.0", uploaded="2022-01-01T00:00:00Z")
    return index


def test_a_spec_is_resolved_as_of_a_date(project: Project, releases: PackageIndex) -> None:
    project.write("requirements.txt", "alpha\n")
    lock = project.lock(IN_2021)
    assert lock.packages["alpha"] == "1.0"
    assert (lock.as_of, lock.as_of_origin) == ("2021-06-01T23:59:59Z", "--as-of")
    assert project.lock(AsOf.latest()).packages["alpha"] == "2.0"


def test_every_package_has_hashes_and_no_index_is_named(project: Project, releases: PackageIndex) -> None:
    releases.add("beta", "1.0")
    project.write("requirements.txt", "alpha==1.0\nbeta\n")
    lock = project.lock(IN_2021)
    assert lock.requirements.count("--hash=sha256:") == len(lock.packages)
    assert "127.0.0.1" not in str(lock.to_dict())


def test_a_second_lock_asks_nothing_and_runs_nothing(
    project: Project, releases: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("requirements.txt", "alpha\n")
    first = project.lock()
    asked = len(releases.requests)

    def refuse(*args: object, **settings: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert project.lock() == first
    assert len(releases.requests) == asked


def test_a_working_tree_keeps_the_packages_of_its_first_run_until_upgraded(
    project: Project, releases: PackageIndex
) -> None:
    project.write("requirements.txt", "alpha\n")
    first = project.lock()
    assert first.as_of_origin == "first run"
    releases.add("alpha", "3.0", uploaded="2023-01-01T00:00:00Z")
    assert project.lock().packages["alpha"] == "2.0"
    (kept,) = project.home.locks.glob("*.first-run.json")
    kept.write_text('{"first_run": "2021-06-01T00:00:00+00:00"}')
    assert project.lock().packages["alpha"] == "1.0"


def test_a_date_before_every_version_is_an_error_that_names_latest(
    project: Project, releases: PackageIndex
) -> None:
    project.write("requirements.txt", "# what we need\nalpha\n")
    with pytest.raises(ResolutionError, match="as of 2019-01-01") as caught:
        project.lock(AsOf.option("2019-01-01"))
    assert "--as-of latest" in (caught.value.hint or "")


def test_an_unresolvable_spec_keeps_the_reasons_and_the_line(
    project: Project, releases: PackageIndex
) -> None:
    project.write("requirements.txt", "# what we need\nalpha==9.9\n")
    with pytest.raises(ResolutionError, match=r"alpha==9\.9") as caught:
        project.lock()
    assert str(caught.value.where).endswith("requirements.txt:2")


def test_a_package_that_does_not_exist_is_named(project: Project, releases: PackageIndex) -> None:
    project.write("requirements.txt", "alhpa\n")
    with pytest.raises(ResolutionError, match="alhpa was not found") as caught:
        project.lock()
    assert "spelling" in (caught.value.hint or "")


@pytest.mark.parametrize("line", ["alpha beta", "alpha==", "alpha ; python_version and x"])
def test_a_requirement_that_cannot_be_read_is_reported_at_its_line(
    project: Project, releases: PackageIndex, line: str
) -> None:
    project.write("requirements.txt", f"alpha\n{line}\n")
    with pytest.raises(SpecError, match=r"cannot read the requirement") as caught:
        project.lock()
    assert str(caught.value.where).endswith("requirements.txt:2")


def test_a_repository_that_cannot_be_read_is_an_error_without_its_credentials(
    project: Project, releases: PackageIndex
) -> None:
    project.write("requirements.txt", "x @ git+http://user:hunter2@127.0.0.1:1/x.git\n")
    with pytest.raises(ResolutionError, match="cannot be resolved") as caught:
        project.lock()
    assert "repository" in (caught.value.hint or "")
    assert "hunter2" not in str(caught.value)


def test_a_version_that_is_yanked_is_used_when_pinned_and_named(
    project: Project, index: PackageIndex
) -> None:
    index.add("alpha", "1.0", yanked="broken wheel")
    project.write("requirements.txt", "alpha==1.0\n")
    lock = project.lock()
    assert lock.packages["alpha"] == "1.0"
    assert "alpha==1.0 was withdrawn by its authors (yanked): broken wheel" in lock.notes
    assert set(lock.notes) <= set(project.notes)


def test_a_package_of_which_all_versions_are_yanked_is_an_error_that_says_so(
    project: Project, index: PackageIndex
) -> None:
    index.add("alpha", "1.0", yanked="broken wheel")
    project.write("requirements.txt", "alpha\n")
    with pytest.raises(ResolutionError, match="yanked") as caught:
        project.lock()
    assert "withdrawn" in (caught.value.hint or "")


def test_a_contradiction_is_not_blamed_on_a_yanked_version_nearby(
    project: Project, index: PackageIndex
) -> None:
    index.add("alpha", "1.0")
    index.add("alpha", "2.0")
    index.add("beta", "1.0", requires=("alpha>=2",))
    index.add("beta", "1.1", yanked="broken wheel")
    project.write("requirements.txt", "alpha==1.0\nbeta\n")
    with pytest.raises(ResolutionError, match="beta") as caught:
        project.lock()
    assert "Loosen" in (caught.value.hint or "")


def test_a_folder_that_is_no_package_is_called_by_its_name(project: Project, index: PackageIndex) -> None:
    project.write("lib/code.py", "")
    project.write("requirements.txt", "# ours\n-e lib\n")
    with pytest.raises(ResolutionError, match="`lib` does not appear to be a Python project") as caught:
        project.lock()
    assert str(caught.value.where).endswith("requirements.txt:2")
    assert "pyproject.toml" in (caught.value.hint or "")


def test_an_index_without_upload_times_is_reported(project: Project, index: PackageIndex) -> None:
    index.add("alpha", "1.0", uploaded=None)
    project.write("requirements.txt", "alpha\n")
    with pytest.raises(ResolutionError) as caught:
        project.lock()
    assert "no upload times" in (caught.value.hint or "")
    assert project.lock(AsOf.latest()).packages["alpha"] == "1.0"


def test_a_pinned_version_without_upload_time_is_used_and_noted(
    project: Project, index: PackageIndex
) -> None:
    index.add("alpha", "1.0", uploaded=None)
    project.write("requirements.txt", "alpha==1.0\n")
    lock = project.lock()
    assert lock.undated == ("alpha",)
    assert any("no upload times for alpha" in note for note in lock.notes)
    assert project.realize(lock).created


def test_a_file_without_upload_time_that_was_left_out_is_noted(project: Project, index: PackageIndex) -> None:
    index.add("alpha", "1.0")
    index.add("alpha", "2.0", uploaded=None)
    project.write("requirements.txt", "alpha\n")
    lock = project.lock()
    assert lock.packages["alpha"] == "1.0"
    assert any("alpha-2.0-py3-none-any.whl" in note for note in lock.notes)


def test_an_index_that_does_not_answer_is_an_error_with_a_way_out(
    project: Project, index: PackageIndex
) -> None:
    index.down = True
    project.write("requirements.txt", "alpha\n")
    with pytest.raises(ResolutionError, match="cannot be reached") as caught:
        project.lock()
    assert "network" in (caught.value.hint or "")
    index.down = False
    index.add("alpha", "1.0")
    assert project.lock().packages["alpha"] == "1.0"


def test_credentials_of_an_index_are_in_no_error_and_no_lock(
    project: Project, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("alpha", "1.0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url.replace("//", "//user:hunter2@") + "/simple")
    project.write("requirements.txt", "alpha\n")
    lock = project.lock()
    index.down = True
    project.write("requirements.txt", "alpha>0\n")
    monkeypatch.setenv("UV_CACHE_DIR", str(project.directory.parent / "another-cache"))
    with pytest.raises(ResolutionError) as caught:
        project.lock()
    kept = "".join(path.read_text() for path in project.home.locks.iterdir() if path.is_file())
    assert "hunter2" not in str(lock.to_dict()) + str(caught.value) + kept + "".join(project.notes)


def test_pip_s_index_setting_is_honoured(
    project: Project, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    index.add("alpha", "1.0")
    monkeypatch.setenv("PIP_INDEX_URL", os.environ["UV_DEFAULT_INDEX"])
    monkeypatch.delenv("UV_DEFAULT_INDEX")
    project.write("requirements.txt", "alpha\n")
    assert project.lock().packages["alpha"] == "1.0"


def test_indexes_that_the_project_names_are_searched_as_pip_does(
    project: Project, index: PackageIndex
) -> None:
    index.add("alpha", "1.0+cu118", extra=True)
    index.add("beta", "1.0", extra=True)
    index.add("beta", "2.0")
    extra = index.url.replace("//", "//user:hunter2@")
    project.write("requirements.txt", f"--extra-index-url {extra}/extra\nalpha==1.0+cu118\nbeta\n")
    lock = project.lock()
    assert lock.packages["alpha"] == "1.0+cu118"
    assert lock.packages["beta"] == "2.0"
    assert index.url not in lock.requirements
    assert "hunter2" not in str(lock.to_dict())
    assert project.realize(lock).created


def test_a_folder_of_wheels_is_relative_to_the_file_that_names_it(
    project: Project, index: PackageIndex
) -> None:
    index.add("alpha", "1.0")
    (release,) = index.releases.pop("alpha")
    project.write("deep/requirements.txt", "-f ./wheels\nalpha==1.0\n")
    (project.directory / "deep" / "wheels").mkdir()
    (project.directory / "deep" / "wheels" / release.file).write_bytes(release.content)
    project.write("requirements.txt", "-r deep/requirements.txt\n")
    lock = project.lock()
    assert lock.options == ("--find-links=deep/wheels",)
    assert project.realize(lock).created


def test_constraints_and_markers_hold(project: Project, releases: PackageIndex) -> None:
    project.write("limits.txt", "alpha<2\n")
    project.write("requirements.txt", "-c limits.txt\nalpha\nnever ; python_version < '3'\n")
    assert project.lock().packages["alpha"] == "1.0"


def test_pip_is_there_without_being_asked(project: Project, releases: PackageIndex) -> None:
    project.write("requirements.txt", "alpha\n")
    assert "pip" in project.lock().packages


def test_an_empty_environment_needs_no_network(project: Project, index: PackageIndex) -> None:
    index.down = True
    lock = project.lock()
    assert lock.packages == {}
    assert project.realize(lock).created


def test_a_repository_is_pinned_to_its_commit_and_said_to_have_no_hash(
    project: Project, index: PackageIndex, tmp_path: Path
) -> None:
    commit = _repository(tmp_path / "repo", index)
    project.write("requirements.txt", f"git+file://{tmp_path}/repo@main#egg=gamma\n")
    lock = project.lock()
    assert lock.packages["gamma"] == commit
    assert "not pinned by hash: gamma" in lock.notes
    assert "gamma" not in lock.requirements


def _repository(path: Path, index: PackageIndex) -> str:
    """A package in a Git repository; its build backend is a file of its own, so that nothing is downloaded."""
    path.mkdir()
    (path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "gamma"\nversion = "1.0"\n'
    )
    (path / "backend.py").write_text("")
    git = ["git", "-C", str(path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], check=True)
    return subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_editing_a_local_package_makes_another_lock(project: Project, index: PackageIndex) -> None:
    index.add("alpha", "1.0")
    wheel = index.releases["alpha"][0]
    (project.directory / wheel.file).write_bytes(wheel.content)
    project.write("requirements.txt", f"./{wheel.file}\n")
    before = project.lock()
    index.add("alpha", "1.0", code="X = 2\n")
    (project.directory / wheel.file).write_bytes(index.releases["alpha"][1].content)
    after = project.lock()
    assert before.local != after.local
    assert before.digest != after.digest


def test_the_interpreter_that_is_missing_is_reported_at_its_line(
    project: Project, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("python_env.yaml", "# mine\npython: '3.98'\n")
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS", "never")
    with pytest.raises(BisError, match=r"3\.98") as caught:
        project.lock()
    assert str(caught.value.where).endswith("python_env.yaml:2")


def test_a_python_that_cannot_be_read_is_reported_at_its_line(project: Project) -> None:
    project.write("python_env.yaml", "python: three\n")
    with pytest.raises(SpecError, match="'three'") as caught:
        project.lock()
    assert str(caught.value.where).endswith("python_env.yaml:1")


def test_two_first_locks_at_once_agree(project: Project, releases: PackageIndex) -> None:
    project.write("requirements.txt", "alpha\n")
    spec = project.detect()
    code = (
        "import sys; from pathlib import Path; from bis import environments as e; from bis.home import Home\n"
        "spec = e.detect(Path(sys.argv[1]), kind=None, file=None, manager=None)\n"
        "home = Home(Path(sys.argv[2]))\n"
        "print(e.lock(spec, as_of=e.AsOf.first_run(), home=home, notify=lambda _: None).to_dict())\n"
    )
    command = [sys.executable, "-c", code, str(spec.directory), str(project.home.root)]
    with ThreadPoolExecutor(2) as pool:
        both = pool.map(
            lambda _: subprocess.run(command, capture_output=True, text=True, check=True).stdout, range(2)
        )
    first, second = both
    assert first == second


def test_a_commit_in_the_past_decides_even_for_a_clock_that_is_wrong(
    project: Project, releases: PackageIndex
) -> None:
    project.write("requirements.txt", "alpha\n")
    lock = project.lock(AsOf.commit(datetime(2021, 1, 1, tzinfo=timezone.utc)))
    assert lock.packages["alpha"] == "1.0"


def test_a_full_disk_is_a_clear_error(
    project: Project, releases: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("requirements.txt", "alpha\n")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HomeError, match="No space left") as caught:
        project.lock()
    assert "prune" in (caught.value.hint or "")


def test_the_lock_of_the_project_is_used_as_it_is(project: Project, releases: PackageIndex) -> None:
    project.write("pyproject.toml", '[project]\nname = "x"\nversion = "1"\ndependencies = ["alpha"]\n')
    project.write(
        "pylock.toml",
        'lock-version = "1.0"\n[[packages]]\nname = "alpha"\nversion = "1.0"\nwheels = [{hashes = {sha256 = "aa"}}]\n',
    )
    lock: Lock = project.lock()
    assert lock.requirements == "alpha==1.0 \\\n    --hash=sha256:aa\n"
    assert (lock.as_of, lock.as_of_origin) == (None, "pylock.toml")
