"""The lock that a project carries, with packages from an index on loopback."""

from __future__ import annotations

import json
import threading
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from bis_command import git, write_project
from environments.doubles import PackageIndex, handler

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis_command import Bis

MLPROJECT = """\
python_env: python_env.yaml
entry_points:
  main: {command: "python -c 'import alpha; print(alpha.__version__)'"}
"""


@pytest.fixture
def index(bis: Bis, tmp_path: Path) -> Iterator[PackageIndex]:
    """An index that bis uses instead of the real one."""
    found = PackageIndex()
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(found))
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    for name, version in (("pip", "20.0"), ("setuptools", "60.0")):
        found.add(name, version)
    bis.variables |= {
        "UV_DEFAULT_INDEX": f"{found.url}/simple",
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "UV_NO_CONFIG": "1",
        "UV_HTTP_RETRIES": "0",
        "PIP_EXTRA_INDEX_URL": "",
        "UV_EXTRA_INDEX_URL": "",
        "UV_INDEX": "",
    }
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(index: PackageIndex, tmp_path: Path) -> Path:
    """A project that asks for alpha, of which there are a release of 2020 and one of 2022."""
    index.add("alpha", "1.0", uploaded="2020-01-01T00:00:00Z")
    index.add("alpha", "2.0", uploaded="2022-01-01T00:00:00Z")
    index.add("beta", "1.0", uploaded="2020-01-01T00:00:00Z")
    index.add("beta", "2.0", uploaded="2022-01-01T00:00:00Z")
    return write_project(
        tmp_path / "project",
        MLPROJECT,
        {"python_env.yaml": "dependencies:\n  - alpha\nbuild_dependencies: []\n"},
    )


def declare(project: Path, *packages: str) -> None:
    lines = "".join(f"  - {each}\n" for each in packages)
    (project / "python_env.yaml").write_text(f"dependencies:\n{lines}build_dependencies: []\n")


def test_runs_take_the_packages_of_the_lock(bis: Bis, project: Path) -> None:
    locked = bis("lock", project, "--as-of", "2021-01-01")
    assert (locked.status, "bis.lock is written: Python" in locked.out) == (0, True), locked.err
    assert bis("run", project, "-q").out == "1.0\n"
    assert bis("run", project, "-q", "--locked").out == "1.0\n"
    assert bis("run", project, "-q", "--as-of", "2022-06-01").out == "2.0\n"


def test_a_lock_that_is_up_to_date_is_left_as_it_is(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    before = (project / "bis.lock").stat().st_mtime_ns
    again = bis("lock", project)
    assert "is up to date" in again.out
    assert (project / "bis.lock").stat().st_mtime_ns == before


def test_a_stale_lock_fails_a_locked_run_and_is_said_otherwise(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    declare(project, "alpha>1")
    locked = bis("run", project, "--locked")
    assert (locked.status, "bis.lock:1: the lock is stale" in locked.err) == (2, True), locked.err
    free = bis("run", project)
    assert (free.status, free.out) == (0, "2.0\n"), free.err
    assert "bis.lock is not used: the lock is stale" in free.err


def test_a_lock_of_another_manager_is_called_that_and_not_stale(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    file = project / "bis.lock"
    file.write_text(file.read_text().replace('"manager": "uv"', '"manager": "conda"'))
    locked = bis("run", project, "--locked")
    assert locked.status == 2
    assert "bis.lock:1: the lock is of conda, and what is asked for is of uv" in locked.err


def test_a_refreshed_lock_changes_what_was_declared_anew_alone(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    declare(project, "alpha", "beta")
    refreshed = bis("lock", project)
    assert refreshed.status == 0, refreshed.err
    assert refreshed.out.splitlines()[1:] == ["  beta added: 1.0"]
    assert bis("run", project, "-q", "--locked").out == "1.0\n"


def test_upgrading_moves_everything_to_now(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    upgraded = bis("lock", project, "--upgrade", "--json")
    assert upgraded.status == 0, upgraded.err
    assert {"package": "alpha", "before": "1.0", "after": "2.0"} in upgraded.json["differences"]
    assert bis("run", project, "-q").out == "2.0\n"


def test_a_locked_run_without_a_lock_fails(bis: Bis, project: Path) -> None:
    result = bis("run", project, "--locked")
    assert (result.status, "the project has no bis.lock" in result.err) == (2, True)


def test_a_lock_is_good_in_another_home_and_with_newer_releases(
    bis: Bis, project: Path, index: PackageIndex, tmp_path: Path
) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    index.add("alpha", "1.5", uploaded="2020-06-01T00:00:00Z")
    bis.home = tmp_path / "another home"
    assert bis("run", project, "-q", "--locked").out == "1.0\n"


def test_a_committed_lock_counts_for_a_git_version(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "all")
    result = bis("run", project, "-v", git(project, "rev-parse", "HEAD"), "-q", "--locked")
    assert (result.status, result.out) == (0, "1.0\n"), result.err


def test_locks_of_other_platforms_are_kept_beside(bis: Bis, project: Path) -> None:
    bis("lock", project, "--as-of", "2021-01-01")
    file = project / "bis.lock"
    document = json.loads(file.read_text())
    document["locks"][0]["platform"] = "plan9-mips-libc1"
    file.write_text(json.dumps(document))
    foreign = bis("run", project, "--locked")
    assert (foreign.status, "nothing for this platform" in foreign.err) == (2, True), foreign.err
    added = bis("lock", project, "--as-of", "2021-01-01")
    assert added.status == 0, added.err
    platforms = [lock["platform"] for lock in json.loads(file.read_text())["locks"]]
    assert len(platforms) == 2
    assert "plan9-mips-libc1" in platforms
    declare(project, "beta")
    dropped = bis("lock", project)
    assert "the lock for plan9-mips-libc1 was of another declaration and is dropped" in dropped.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the lock cannot be read"),
        ('{"format": "bis.lock/9"}', "its format is 'bis.lock/9'"),
        ("<<<<<<< ours\n{}", "an unresolved merge conflict"),
        ('{"format": "bis.lock/1", "declared": "x", "locks": [1]}', "the lock cannot be read"),
        ('{"format": "bis.lock/1", "declared": "x", "locks": [{"format": 1}]}', "the lock cannot be read"),
    ],
)
def test_a_lock_that_cannot_be_read_is_an_error_of_locked_runs_and_written_anew(
    bis: Bis, project: Path, text: str, said: str
) -> None:
    (project / "bis.lock").write_text(text)
    locked = bis("run", project, "--locked")
    assert (locked.status, said in locked.err) == (2, True), locked.err
    assert bis("lock", project, "-q").status == 0
    assert bis("run", project, "-q", "--locked").status == 0


def test_a_lock_holds_no_index_and_no_credentials(bis: Bis, project: Path, index: PackageIndex) -> None:
    host = index.url.removeprefix("http://")
    bis("lock", project, UV_DEFAULT_INDEX=f"http://user:word@{host}/simple")
    text = (project / "bis.lock").read_text()
    assert "alpha==2.0" in text
    assert host not in text
    assert "word" not in text


def test_a_local_package_may_change_its_code_and_not_what_it_needs(bis: Bis, project: Path) -> None:
    package = project / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["beta"]\n'
    )
    (project / "python_env.yaml").unlink()
    (project / "requirements.txt").write_text("alpha\n-e ./package\n")
    (project / "MLproject").write_text(MLPROJECT.replace("python_env: python_env.yaml\n", ""))
    locked = bis("lock", project, "--as-of", "2021-01-01")
    if locked.status and "build" in locked.err:
        pytest.skip("the index of this test has no build backend that works")
    (package / "mine.py").write_text("changed = 1\n")
    assert "is up to date" in bis("lock", project).out
    (package / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\ndependencies = []\n')
    assert "the lock is stale" in bis("run", project, "--locked").err


def test_what_cannot_be_locked_is_said(bis: Bis, project: Path, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    nothing = bis("lock", "nothing")
    assert (nothing.status, "declares no environment" in nothing.err) == (2, True), nothing.err
    both = bis("lock", project, "--upgrade", "--as-of", "2021-01-01")
    assert (both.status, "not both" in both.err) == (2, True)
    local = bis("run", project, "--locked", "--env-manager", "local")
    assert (local.status, "no lock can hold it" in local.err) == (2, True), local.err


def test_a_project_with_a_lock_of_uv_keeps_that(bis: Bis, project: Path) -> None:
    (project / "python_env.yaml").unlink()
    (project / "MLproject").unlink()
    (project / "pyproject.toml").write_text(
        '[project]\nname = "mine"\nversion = "1"\ndependencies = ["alpha<2"]\n'
    )
    (project / "show.py").write_text("import alpha\nprint(alpha.__version__)\n")
    (project / "uv.lock").write_text('version = 1\nrequires-python = ">=3.8"\n')
    refused = bis("lock", project)
    assert (refused.status, "a lock of its own, uv.lock" in refused.err) == (2, True), refused.err
    stale = bis("run", project, "-e", "show.py", "--locked")
    assert (stale.status, "the lock is stale" in stale.err) == (2, True), stale.err
