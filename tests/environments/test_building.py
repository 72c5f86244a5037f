from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from bis import environments
from bis.environments.environment import STATE_FILE
from bis.errors import BuildError, HomeError
from environments.doubles import python_or_skip, run_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from environments.doubles import PackageIndex, Project

CODE = "def main():\n    import sys\n    print('hello from', sys.prefix)\n"

BUILD = """
import sys
from pathlib import Path
from bis import environments
from bis.environments import AsOf
from bis.home import Home
home = Home(Path(sys.argv[2]))
spec = environments.detect(Path(sys.argv[1]), kind=None, file=None, manager=None)
lock = environments.lock(spec, as_of=AsOf.first_run(), home=home, notify=print)
made = environments.realize(lock, home=home, notify=print, directory=spec.directory)
print("created" if made.created else "found", made.prefix)
"""


@pytest.fixture
def built(project: Project, index: PackageIndex) -> Project:
    """A project with one package, whose script is alpha-run."""
    index.add("alpha", "1.0", code=CODE, scripts=("alpha-run=alpha:main",))
    project.write("requirements.txt", "alpha\n")
    return project


def _everything(project: Project) -> list[str]:
    return sorted(path.name for path in project.home.environments.iterdir() if path.is_dir())


def test_an_environment_is_built_once_and_found_again(built: Project) -> None:
    first = built.realize()
    second = built.realize()
    assert (first.created, second.created) == (True, False)
    assert first.prefix == second.prefix
    assert "Installed 2 packages" in " ".join(built.notes) or "Installed 3 packages" in " ".join(built.notes)


def test_a_command_runs_in_it_with_its_python_and_scripts(built: Project) -> None:
    made = built.realize()
    assert made.prefix
    printed = run_in(
        made, "python -c 'import sys, alpha; print(sys.prefix)'; alpha-run; which python", built.directory
    )
    assert printed.splitlines() == [
        str(made.prefix),
        f"hello from {made.prefix}",
        str(made.prefix / "bin" / "python"),
    ]


def test_no_path_of_the_place_where_it_was_built_is_left_in_it(built: Project) -> None:
    made = built.realize()
    assert made.prefix
    texts = [
        path
        for path in made.prefix.rglob("*")
        if path.is_file() and path.suffix in {"", ".cfg", ".pth", ".py", ".json"}
    ]
    assert not [path for path in texts if b".building-" in path.read_bytes()]


def test_the_activate_script_works_where_the_environment_is(built: Project) -> None:
    made = built.realize()
    done = subprocess.run(
        ["bash", "-c", f". '{made.prefix}/bin/activate' && python -c 'import alpha, sys; print(sys.prefix)'"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(made.prefix)


def test_the_cache_is_asked_before_the_network(built: Project, index: PackageIndex) -> None:
    lock = built.lock()
    built.realize(lock)
    shutil.rmtree(built.home.environments)
    index.down = True
    assert built.realize(lock).created


def test_what_does_not_have_the_locked_hash_is_not_installed(built: Project, index: PackageIndex) -> None:
    lock = built.lock()
    index.releases["alpha"].clear()
    index.add("alpha", "1.0", code="EVIL = 1\n")
    with pytest.raises(BuildError, match=r"(?i)hash"):
        built.realize(lock)
    assert _everything(built) == []


def test_a_download_that_breaks_off_leaves_nothing_and_can_be_repeated(
    built: Project, index: PackageIndex
) -> None:
    index.add("beta", "1.0", truncated=True)
    lock = built.lock()
    good = index.releases["beta"][0]
    whole = dataclasses.replace(lock, requirements=lock.requirements + _line("beta", good.content))
    with pytest.raises(BuildError) as caught:
        built.realize(whole)
    assert "run again" in (caught.value.hint or "").lower()
    assert _everything(built) == []
    good.truncated = False
    assert built.realize(whole).created


def _line(name: str, content: bytes) -> str:
    import hashlib

    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


def test_a_directory_without_state_is_not_an_environment(built: Project) -> None:
    made = built.realize()
    assert made.prefix
    (made.prefix / STATE_FILE).unlink()
    (made.prefix / "half-made").touch()
    again = built.realize()
    assert again.created
    assert not (made.prefix / "half-made").exists()


def test_an_environment_whose_interpreter_is_gone_is_built_anew(built: Project) -> None:
    made = built.realize()
    python = made.python
    assert python is not None
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert built.realize().created


def test_two_processes_build_it_once(built: Project) -> None:
    command = [sys.executable, "-c", BUILD, str(built.directory), str(built.home.root)]
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, check=True), range(2))
        )
    last = [each.stdout.splitlines()[-1].split() for each in done]
    assert sorted(words[0] for words in last) == ["created", "found"]
    assert len({words[1] for words in last}) == 1


def test_a_killed_build_leaves_nothing_that_is_used(built: Project, tmp_path: Path) -> None:
    lock = built.lock()
    slow = _slow_uv(tmp_path)
    code = (
        f"from bis.environments import uv_command\nuv_command.uv_executable = lambda: {str(slow)!r}\n{BUILD}"
    )
    builder = subprocess.Popen(
        [sys.executable, "-c", code, str(built.directory), str(built.home.root)], stdout=subprocess.DEVNULL
    )
    while not (tmp_path / "syncing").exists():
        assert builder.poll() is None
        time.sleep(0.01)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    left = _everything(built)
    assert len(left) == 1
    assert ".building-" in left[0]
    (tmp_path / "go").touch()
    made = built.realize(lock)
    assert made.created
    assert made.prefix
    assert _everything(built) == [made.prefix.name]


def _slow_uv(folder: Path) -> Path:
    """A uv that waits before it installs, until a file is there."""
    from bis.environments.uv_command import uv_executable

    script = folder / "slow-uv"
    script.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *sync*) touch {folder}/syncing; while [ ! -e {folder}/go ]; do sleep 0.05; done;; esac\n'
        f'exec {uv_executable()} "$@"\n'
    )
    script.chmod(0o755)
    return script


def test_an_interrupted_build_removes_what_it_began(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = built.lock()

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bis.environments.building.write_state", interrupt)
    with pytest.raises(KeyboardInterrupt):
        built.realize(lock)
    assert _everything(built) == []


def test_installed_files_are_read_only_so_that_the_cache_of_uv_is_safe(built: Project) -> None:
    if sys.platform != "linux":
        pytest.skip("uv makes hard links on Linux only")
    made = built.realize()
    assert made.prefix
    (code,) = made.prefix.glob("lib/*/site-packages/alpha/__init__.py")
    if code.stat().st_nlink == 1:
        pytest.skip("uv's cache and the home are on different disks")
    for _ in range(500):  # it is done beside the run
        if not code.stat().st_mode & 0o222:
            break
        time.sleep(0.01)
    assert not code.stat().st_mode & 0o222
    assert run_in(made, "python -c 'import alpha' && pip --version 2>&1 || true", built.directory) is not None


def test_local_packages_are_installed_and_nothing_is_written_into_the_project(built: Project) -> None:
    for name in ("plain", "edited"):
        built.write(f"{name}/backend.py", _BACKEND.replace("NAME", name))
        built.write(
            f"{name}/pyproject.toml",
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "1.0"\n',
        )
        built.write(f"{name}/{name}.py", "VALUE = 1\n")
    built.write("requirements.txt", "alpha\n./plain\n-e ./edited\n")
    before = sorted(built.directory.rglob("*"))
    made = built.realize()
    command = (
        "python -B -c 'import plain, edited; print(plain.__file__); print(edited.__file__, edited.VALUE)'"
    )
    plain, edited = run_in(made, command, built.directory).splitlines()
    assert plain.startswith(str(made.prefix))
    assert edited == f"{built.directory}/edited/edited.py 1"
    assert sorted(built.directory.rglob("*")) == before
    built.write("edited/edited.py", "VALUE = 2\n")
    again = built.realize()
    assert not again.created
    assert run_in(again, command, built.directory).endswith("2")


# A build backend (PEP 517) without dependencies, which as others do writes beside the sources.
_BACKEND = """
import zipfile
from pathlib import Path


def build_wheel(directory, settings=None, metadata=None):
    Path("NAME.egg-info").mkdir(exist_ok=True)
    file = "NAME-1.0-py3-none-any.whl"
    info = "NAME-1.0.dist-info"
    with zipfile.ZipFile(Path(directory) / file, "w") as wheel:
        wheel.write("NAME.py")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: NAME\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return file
"""


def test_a_local_package_that_cannot_be_built_is_an_error_with_its_words(built: Project) -> None:
    built.write(
        "bad/pyproject.toml",
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "bad"\nversion = "1"\n',
    )
    built.write("bad/backend.py", "def build_wheel(*_):\n    raise SystemExit('the compiler is missing')\n")
    built.write("requirements.txt", "./bad\n")
    with pytest.raises(BuildError, match="the compiler is missing") as caught:
        built.realize()
    assert "built from its source" in (caught.value.hint or "")
    assert _everything(built) == []


def test_a_local_package_that_changed_since_it_was_locked_is_not_installed(built: Project) -> None:
    wheel = built.write("x-1.0-py3-none-any.whl", "")
    built.write("requirements.txt", "alpha\n")
    lock = dataclasses.replace(
        built.lock(), local=(environments.locks.LockedPath(wheel.name, "", editable=False, digest="00"),)
    )
    with pytest.raises(BuildError, match="not what the environment was locked with"):
        built.realize(lock)


def test_an_interpreter_of_the_same_minor_version_stands_in_with_a_note(built: Project) -> None:
    lock = built.lock()
    minor, _, patch = lock.python.rpartition(".")
    made = built.realize(dataclasses.replace(lock, python=f"{minor}.{int(patch) + 40}"))
    assert made.created
    assert f"Python {minor}.{int(patch) + 40} is not here: {lock.python} is used" in built.notes


def test_leftovers_of_other_environments_are_swept(built: Project) -> None:
    left = built.home.environments / ("0" * 32 + ".building-1")
    left.mkdir(parents=True)
    built.realize()
    assert not left.exists()


def _run_bound_by_modes(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python code so that the modes of files hold for it, as they do for every user but root."""
    bound: list[str] = []
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("root without setpriv: modes of files do not hold")
        bound = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all"]
    return subprocess.run(
        [*bound, sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    """Take the right to write from every directory and file below one."""
    every = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    modes = {path: path.stat().st_mode for path in every}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_home_that_cannot_be_made_is_a_clear_error(built: Project) -> None:
    with _read_only(built.directory.parent):
        done = _run_bound_by_modes(BUILD, str(built.directory), str(built.home.root))
    assert "HomeError: cannot make" in done.stderr
    assert "Set BIS_HOME" in done.stderr


def test_a_home_that_cannot_be_written_to_is_a_clear_error(built: Project) -> None:
    built.home.ensure(built.home.locks)
    with _read_only(built.home.root):
        done = _run_bound_by_modes(BUILD, str(built.directory), str(built.home.root))
    assert "HomeError: cannot keep the time of the first run" in done.stderr


def test_a_built_environment_runs_from_a_home_that_cannot_be_written_to(built: Project) -> None:
    made = built.realize()
    with _read_only(built.home.root):
        done = _run_bound_by_modes(BUILD, str(built.directory), str(built.home.root))
    assert done.stdout.split()[-2:] == ["found", str(made.prefix)], done.stderr


def test_a_full_disk_while_building_is_a_clear_error(built: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = built.lock()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("bis.environments.building.write_state", full)
    with pytest.raises(HomeError, match="No space left"):
        built.realize(lock)
    assert _everything(built) == []


@pytest.mark.parametrize("minor", ["3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_an_environment_of_each_python_works(built: Project, minor: str) -> None:
    version = python_or_skip(minor, built.home)
    built.write("python_env.yaml", f"python: '{minor}'\ndependencies: [alpha]\n")
    made = built.realize()
    assert made.lock.python == version
    assert (
        run_in(made, "python -c 'import alpha, platform; print(platform.python_version())'", built.directory)
        == version
    )
    assert ("setuptools" in made.lock.packages) == (int(minor.split(".")[1]) < 12)
