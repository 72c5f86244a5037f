"""A conda environment is built whole or not at all, once, from the cache where it can be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from bis import environments
from bis.environments import AsOf, Lock, store
from bis.environments.environment import STATE_FILE
from bis.errors import BuildError, HomeError
from bis.home import Home
from environments.conda.channel_server import served
from environments.conda_channel import (
    PLACEHOLDER,
    SUBDIR,
    Channel,
    python_or_skip,
    python_package,
    pythons,
)
from environments.doubles import PackageIndex, Project, run_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOOL = {
    "bin/tool": f"#!/bin/sh\necho tool in {PLACEHOLDER}\n",
    "share/data.txt": "data\n",
    "etc/conda/activate.d/tool.sh": 'export TOOL_HOME="$CONDA_PREFIX/share"\nexport PATH="$CONDA_PREFIX/extra:$PATH"\n',
}


OWN_BUILD = """
import base64, hashlib, zipfile
def build_wheel(directory, settings=None, metadata=None):
    name = "own-0.1-py3-none-any.whl"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.write("own.py")
        wheel.writestr("own-0.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 0.1\\n")
        tags = "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
        wheel.writestr("own-0.1.dist-info/WHEEL", tags)
        wheel.writestr("own-0.1.dist-info/RECORD", "")
    return name
"""


@pytest.fixture
def tool(project: Project, channel: Channel) -> Lock:
    """The lock of a project that needs a tool, and no Python."""
    channel.add("tool", "1.0", files=TOOL)
    return locked(project, channel.url)


def locked(project: Project, *channels: str) -> Lock:
    project.write("conda.yaml", f"channels: [{', '.join(channels)}]\ndependencies: [tool]\n")
    return project.lock(AsOf.latest(), manager="conda")


def test_an_environment_without_python_runs_its_tools(project: Project, tool: Lock) -> None:
    environment = project.realize(tool)
    assert environment.python is None
    assert run_in(environment, "tool", project.directory) == f"tool in {environment.prefix}"


def test_what_activating_sets_is_set(project: Project, tool: Lock) -> None:
    environment = project.realize(tool)
    variables = environment.variables({"PATH": "/usr/bin", "VIRTUAL_ENV": "/other", "PYTHONHOME": "/other"})
    prefix = environment.prefix
    assert variables == {
        "PATH": f"{prefix}/extra:{prefix}/bin:/usr/bin",
        "CONDA_PREFIX": str(prefix),
        "CONDA_DEFAULT_ENV": str(prefix),
        "CONDA_SHLVL": "1",
        "TOOL_HOME": f"{prefix}/share",
    }


def test_a_second_time_imports_nothing_of_rattler(project: Project, tool: Lock) -> None:
    project.realize(tool)
    program = """
import json, sys
from pathlib import Path
from bis import environments
from bis.home import Home
directory, home = Path(sys.argv[1]), Home(Path(sys.argv[2]))
spec = environments.detect(directory, kind=None, file=None, manager="conda")
lock = environments.lock(spec, as_of=environments.AsOf.first_run(), home=home, notify=print)
assert not environments.realize(lock, home=home, notify=print).created
print(json.dumps(sorted(name for name in sys.modules if "rattler" in name or name in ("asyncio", "urllib.request"))))
"""
    first = project.lock(manager="conda")
    project.realize(first)
    done = subprocess.run(
        [sys.executable, "-c", program, project.directory, project.home.root],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == []


def test_it_is_built_again_from_the_cache_when_the_channel_is_gone(
    project: Project, tool: Lock, channel: Channel
) -> None:
    made = project.realize(tool)
    channel.directory.rename(channel.directory.with_name("elsewhere"))
    store.prune_environments(project.home)
    assert made.prefix is not None
    assert not made.prefix.exists()
    assert project.realize(tool).created


def test_what_is_neither_in_the_channel_nor_in_the_cache_is_named(
    project: Project, tool: Lock, channel: Channel, own_cache: Path
) -> None:
    (channel.directory / SUBDIR / "tool-1.0-0.conda").unlink()
    with pytest.raises(BuildError, match=r"tool-1\.0-0\.conda"):
        project.realize(tool)
    assert leftovers(project.home) == []


def test_a_package_of_another_hash_is_refused(
    project: Project, tool: Lock, channel: Channel, own_cache: Path
) -> None:
    (channel.directory / SUBDIR / "tool-1.0-0.conda").write_bytes(b"something else")
    with pytest.raises(BuildError, match=r"tool 1\.0 is not the file that was locked"):
        project.realize(tool)
    assert leftovers(project.home) == []


def test_a_package_that_arrives_damaged_is_fetched_once_more(
    project: Project, channel: Channel, own_cache: Path
) -> None:
    channel.add("tool", "1.0", files=TOOL)
    with served(channel.directory) as server:
        lock = locked(project, server.url)
        server.damaged = 1
        assert project.realize(lock).created
        assert sum(path.endswith(".conda") for path in server.asked) == 2


def test_a_package_that_arrives_damaged_twice_is_named(
    project: Project, channel: Channel, own_cache: Path
) -> None:
    channel.add("tool", "1.0", files=TOOL)
    with served(channel.directory) as server:
        lock = locked(project, server.url)
        server.damaged = 100
        with pytest.raises(BuildError, match=r"tool 1\.0"):
            project.realize(lock)
    assert leftovers(project.home) == []


def test_a_file_that_is_gone_from_the_cache_is_fetched_again(
    project: Project, tool: Lock, own_cache: Path
) -> None:
    project.realize(tool)
    (own_cache / "pkgs" / "tool-1.0-0" / "share" / "data.txt").unlink()
    store.prune_environments(project.home)
    again = project.realize(tool)
    assert again.prefix is not None
    assert (again.prefix / "share" / "data.txt").read_text() == "data\n"


def test_the_scripts_of_packages_that_follow_linking_are_run(project: Project, channel: Channel) -> None:
    after = '#!/bin/sh\necho "$PKG_NAME in $PREFIX" > "$PREFIX/linked.txt"\n'
    channel.add("tool", "1.0", files={**TOOL, "bin/.tool-post-link.sh": after})
    environment = project.realize(locked(project, channel.url))
    assert environment.prefix is not None
    assert (environment.prefix / "linked.txt").read_text() == f"tool in {environment.prefix}\n"


def test_a_script_after_linking_that_fails_is_named_and_leaves_nothing(
    project: Project, channel: Channel
) -> None:
    channel.add("tool", "1.0", files={**TOOL, "bin/.tool-post-link.sh": "#!/bin/sh\nexit 3\n"})
    with pytest.raises(BuildError, match="tool"):
        project.realize(locked(project, channel.url))
    assert leftovers(project.home) == []


def test_an_activation_that_fails_leaves_nothing(project: Project, channel: Channel) -> None:
    channel.add("tool", "1.0", files={**TOOL, "etc/conda/activate.d/tool.sh": "exit 3\n"})
    with pytest.raises(BuildError, match="cannot be activated"):
        project.realize(locked(project, channel.url))
    assert leftovers(project.home) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    project: Project, channel: Channel, own_cache: Path, small_disk: Path
) -> None:
    channel.add("tool", "1.0", files={"share/big": os.urandom(3_000_000)})
    lock = locked(project, channel.url)
    home = Home(small_disk / "home")
    with pytest.raises(HomeError, match="full"):
        environments.realize(lock, home=home, notify=project.notes.append)
    assert leftovers(home) == []


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 2 MB, which the cache of packages is on too."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], capture_output=True, check=False
    )
    if mount.returncode:
        pytest.skip("mounting needs root")
    monkeypatch.setenv("RATTLER_CACHE_DIR", str(path / "cache"))
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", path], check=True)


REALIZE = """
import sys
from pathlib import Path
from bis import environments
from bis.environments import Lock
from bis.home import Home
import json
lock = Lock.from_dict(json.loads(Path(sys.argv[1]).read_text()))
made = environments.realize(lock, home=Home(Path(sys.argv[2])), notify=lambda note: print(note, flush=True))
print("created" if made.created else "found", flush=True)
"""


def start(project: Project, lock: Lock) -> subprocess.Popen[str]:
    file = project.directory / "lock.json"
    file.write_text(json.dumps(lock.to_dict()))
    return subprocess.Popen(
        [sys.executable, "-c", REALIZE, file, project.home.root],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_two_processes_build_one_environment_once(project: Project, tool: Lock) -> None:
    first, second = start(project, tool), start(project, tool)
    printed = [process.communicate(timeout=60)[0].split()[-1] for process in (first, second)]
    assert sorted(printed) == ["created", "found"]


def test_a_build_that_was_killed_leaves_no_environment(project: Project, channel: Channel) -> None:
    """Its last step is held up, so that it is in the middle for certain."""
    slow = {**TOOL, "etc/conda/activate.d/tool.sh": f"touch {project.directory}/begun; sleep 60\n"}
    channel.add("tool", "1.0", files=slow)
    lock = locked(project, channel.url)
    process = start(project, lock)
    deadline = time.monotonic() + 60
    while not (project.directory / "begun").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (half,) = (path for path in project.home.environments.iterdir() if path.is_dir())
    assert (half / "bin" / "tool").exists()
    assert not (half / STATE_FILE).exists()
    assert store.list_environments(project.home) == []
    slow["etc/conda/activate.d/tool.sh"] = ""
    (half / "etc/conda/activate.d/tool.sh").unlink()
    store.prune_environments(project.home)
    assert leftovers(project.home) == []


def leftovers(home: Home) -> list[str]:
    """What lies among the environments and is none."""
    if not home.environments.exists():
        return []
    return [
        path.name
        for path in home.environments.iterdir()
        if path.is_dir() and not (path / STATE_FILE).exists()
    ]


def test_a_moved_home_has_its_environments_built_again_from_the_cache(
    project: Project, tool: Lock, channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RATTLER_CACHE_DIR")  # the home's own cache, which moves along
    project.realize(tool)
    moved = project.home.root.with_name("moved home")
    project.home.root.rename(moved)
    channel.directory.rename(channel.directory.with_name("elsewhere"))
    project.home = Home(moved)
    environment = project.realize(tool)
    assert environment.created
    assert run_in(environment, "tool", project.directory) == f"tool in {environment.prefix}"
    assert not project.realize(tool).created


def test_a_home_by_another_name_is_the_same_home(project: Project, tool: Lock) -> None:
    project.realize(tool)
    link = project.home.root.with_name("link")
    link.symlink_to(project.home.root)
    project.home = Home(link)
    assert not project.realize(tool).created


def test_the_pip_section_is_installed_beside_what_conda_has_put_there(
    project: Project, index: PackageIndex
) -> None:
    version = python_or_skip("3.8")
    Channel(project.directory / "channel").add(
        "shared", "1.0", files=python_package("shared", "1.0"), depends=("python",), noarch="python"
    )
    index.add("shared", "1.0")
    index.add(
        "beta", "1.0", requires=("shared",), scripts=("beta = beta:main",), code="def main(): print('b')"
    )
    own = '[project]\nname = "own"\nversion = "0.1"\n[build-system]\nrequires = []\nbuild-backend = "own_build"\n'
    project.write("local/pyproject.toml", own + 'backend-path = ["."]\n')
    project.write("local/own.py", "NAME = 'own'\n")
    project.write("local/own_build.py", OWN_BUILD)
    project.write("requirements.txt", "beta\n-e ./local\n")
    project.home = Home(project.home.root.with_name("a home with spaces"))
    project.write(
        "conda.yaml",
        f"channels: [{pythons().url}, ./channel]\n"
        "dependencies:\n  - python=3.8\n  - shared\n  - pip:\n    - -r requirements.txt\n"
        "variables: {GREETING: hello}\n",
    )
    lock = project.lock(manager="conda")
    environment = project.realize(lock)
    program = "import shared, beta, own, sys; print(shared.__version__, sys.version.split()[0], sys.prefix)"
    printed = run_in(
        environment, f"python -c '{program}'; beta; echo $GREETING; pip --version", project.directory
    )
    lines = printed.splitlines()
    assert lines[0] == f"1.0 {version} {environment.prefix}"
    assert lines[1:3] == ["b", "hello"]
    assert str(environment.prefix) in lines[3]
    assert lock.python == version


def test_a_git_line_of_the_pip_section_is_installed_at_its_commit(
    project: Project, index: PackageIndex, tmp_path: Path
) -> None:
    python_or_skip("3.8")
    repository = tmp_path / "repository"
    repository.mkdir()
    build = '[build-system]\nrequires = []\nbuild-backend = "own_build"\nbackend-path = ["."]\n'
    (repository / "pyproject.toml").write_text(build + '[project]\nname = "own"\nversion = "0.1"\n')
    (repository / "own_build.py").write_text(OWN_BUILD)
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    for name in ("tagged", "later"):
        (repository / "own.py").write_text(f"NAME = {name!r}\n")
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", name], check=True)
        subprocess.run([*git, "tag", name], check=True)
    project.write(
        "conda.yaml",
        f"channels: [{pythons().url}]\ndependencies:\n  - python=3.8\n"
        f"  - pip:\n    - own @ git+{repository.as_uri()}@tagged\n",
    )
    lock = project.lock(manager="conda")
    commit = subprocess.check_output([*git, "rev-parse", "tagged"], text=True).strip()
    assert commit in lock.unhashed
    assert lock.unhashed_packages == ["own"]
    printed = run_in(project.realize(lock), "python -c 'import own; print(own.NAME)'", project.directory)
    assert printed == "tagged"


def test_credentials_reach_the_channel_and_nothing_else(
    project: Project, channel: Channel, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel.add("tool", "1.0", files=TOOL)
    with served(channel.directory) as server:
        server.token = "tk-secret-123"
        monkeypatch.setenv("TEAM_TOKEN", server.token)
        lock = locked(project, f'"{server.url}/t/${{TEAM_TOKEN}}/"')
        environment = project.realize(lock)
        assert 'used_env_vars: ["TEAM_TOKEN"]' in lock.conda
        written = json.dumps(lock.to_dict()) + "".join(project.notes)
        kept = [path for path in project.home.root.rglob("*") if path.is_file()]
        kept += list((environment.prefix or project.directory).rglob("*.json"))
        found = [str(path) for path in kept if server.token.encode() in path.read_bytes()]
        assert server.token not in written
        assert found == []
        monkeypatch.delenv("TEAM_TOKEN")
        store.prune_environments(project.home)
        assert project.realize(lock).created, "from the cache, without the token"


def test_a_literal_token_is_used_and_not_kept(project: Project, channel: Channel, own_cache: Path) -> None:
    channel.add("tool", "1.0", files=TOOL)
    with served(channel.directory) as server:
        server.token = "tk-literal-456"
        lock = locked(project, f"{server.url}/t/{server.token}")
        assert server.token not in json.dumps(lock.to_dict())
        assert project.realize(lock).created


def test_a_channel_that_wants_credentials_says_so(
    project: Project, channel: Channel, own_cache: Path
) -> None:
    channel.add("tool", "1.0", files=TOOL)
    with served(channel.directory) as server:
        server.user = ("me", "password-789")
        with pytest.raises(Exception, match="cannot be reached") as caught:
            locked(project, server.url)
        assert "credentials" in str(caught.value)
        with_user = server.url.replace("://", "://me:password-789@")
        lock = locked(project, with_user)
        assert "password" not in json.dumps(lock.to_dict())
        assert project.realize(lock).created
