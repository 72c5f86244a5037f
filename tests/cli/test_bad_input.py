"""Mistakes, as users make them: one clear message with a way out, exit status 2, and no run left behind."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from bis_command import Bis, git, write_project

GOOD = """\
name: good
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      epochs: int
      data: {type: path, default: data.csv}
      where: {type: uri, default: "http://host/x"}
    command: "python main.py {alpha} {epochs} {data} {where}"
"""
FILES = {"main.py": "print('ran')\n", "python_env.yaml": "dependencies: []\n", "data.csv": "1\n"}
ENTRY = "entry_points: {main: {command: echo}}\n"


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_project(tmp_path / "good", GOOD, FILES)


def assert_refused(bis: Bis, words: list[str], *said: str, status: int = 2) -> None:
    """It says all of this, has the exit status, and there is no run that it left."""
    result = bis(*words)
    assert result.status == status, result.err
    assert result.out == ""
    assert result.err.startswith("error: ") or "\nerror: " in result.err
    for part in said:
        assert part in result.err, result.err
    assert bis("list", "--json").json == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-P", "epochs=1", "-P", "alpha=much"], ["MLproject:6", "'much'", "alpha", "number"]),
        (["-P", "epochs=1.5"], ["MLproject:7", "whole number"]),
        ([], ["epochs", "-P epochs=VALUE"]),
        (["-P", "epohcs=1"], ["epochs", "Did you mean 'epohcs'?"]),
        (["-P", "epochs=1", "-P", "epochs=2"], ["epochs", "twice"]),
        (["-P", "epochs"], ["NAME=VALUE"]),
        (["-P", "epochs=1", "-P", "data=nowhere.csv"], ["data", "nowhere.csv"]),
        (["-P", "epochs=1", "-P", "where=nowhere"], ["where", "nowhere"]),
        (
            ["-P", "epochs=1", "-P", "alpha=0.5", "-e", "mian"],
            ["'mian'", "Did you mean 'main'?", "MLproject:1"],
        ),
        (["-P", "epochs=1", "-e", "tran.py"], ["'tran.py'", "main.py"]),
        (["-P", "epochs=1", "-P", f"name={'1' * 131_000}"], ["bytes long"]),
        (["-P", "epochs=1", "-v", "v1"], ["not a Git repository", "'v1'"]),
        (["-P", "epochs=1", "--env-manager", "uvv"], ["'uvv'", "Did you mean 'uv'?"]),
        (["-P", "epochs=1", "-b", "kubernets"], ["'kubernets'", "local"]),
        (["-P", "epochs=1", "-c", "{bad"], ["JSON"]),
        (["-P", "epochs=1", "-c", "nowhere.json"], ["nowhere.json"]),
        (["-P", "epochs=1", "--as-of", "yesterday"], ["yesterday"]),
        (["-P", "epochs=1", "--timeout", "soon"], ["--timeout", "30m"]),
        (["-P", "epochs=1", "--set-tag", "novalue"], ["KEY=VALUE"]),
        (["-P", "epochs=1", "--env-file", "nowhere.env"], ["nowhere.env"]),
        (["-P", "epochs=1", "--run-id", "0" * 32], ["0" * 32]),
        (["-P", "epochs=1", "--experiment-id", "99"], ["99"]),
        (["-P", "epochs=1", "-A", "--memory=2g"], ["without dashes"]),
        (["--entrypoint", "x"], ["--entrypoint", "Did you mean '--entry-point'?"]),
        (["--env", "local"], ["'--env-file' or '--env-manager'"]),
        (["-p", "epochs=1"], ["Did you mean '-P'?"]),
        (["epochs=1"], ["-P NAME=VALUE"]),
        (["--", "-P", "epochs=1"], ["before it"]),
        (["--epochs", "1"], ["-P NAME=VALUE"]),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else None,
)
def test_options_and_parameters(bis: Bis, good: Path, options: list[str], said: list[str]) -> None:
    assert_refused(bis, ["run", str(good), *options], *said)


@pytest.mark.parametrize(
    ("mlproject", "files", "said"),
    [
        ("name: [unclosed", {}, ["MLproject:", "YAML"]),
        ("", {}, ["no entry point"]),
        ("- a\n- b\n", {}, ["MLproject:1"]),
        ("entry_points: {main: {parameters: {a: int}}}\n", {}, ["MLproject:1", "command"]),
        ("entry_points:\n  main:\n    command: [a, b]\n", {}, ["MLproject:3"]),
        ("entry_points:\n  main:\n    command: 'echo {oops}'\n", {}, ["MLproject:3", "oops"]),
        (f"python_env: nope.yaml\n{ENTRY}", {}, ["MLproject:1", "nope.yaml"]),
        (f"conda_env: nope.yaml\n{ENTRY}", {}, ["MLproject:1", "nope.yaml"]),
        (f"conda_env: ../../etc/c.yaml\n{ENTRY}", {}, ["MLproject:1", "c.yaml"]),
        (
            f"conda_env: c.yaml\npython_env: p.yaml\n{ENTRY}",
            {"c.yaml": "", "p.yaml": ""},
            ["conda_env", "python_env"],
        ),
        (f"python_env: p.yaml\n{ENTRY}", {"p.yaml": "dependencies: {a: 1}\n"}, ["p.yaml:1"]),
        (f"python_env: p.yaml\n{ENTRY}", {"p.yaml": "dependencies: ['-r nope.txt']\n"}, ["nope.txt"]),
        (f"python_env: p.yaml\n{ENTRY}", {"p.yaml": "python: '3.5'\n"}, ["p.yaml:1", "3.5", "There are:"]),
        (
            f"conda_env: c.yaml\n{ENTRY}",
            {"c.yaml": "channels: [file:///no/such/channel]\ndependencies: [r-base]\n"},
            ["c.yaml:1", "channel", "/no/such/channel"],
        ),
        (f"docker_env: {{image: x, volumes: y}}\n{ENTRY}", {}, ["'volumes' must be a list"]),
        (
            f"python_env: p.yaml\n{ENTRY}",
            {"p.yaml": "dependencies:\n  - six\n  - surely-no-such-package-anywhere==1\n"},
            ["p.yaml:3", "surely-no-such-package-anywhere"],
        ),
        (f"python_env: p.yaml\n{ENTRY}", {"p.yaml": "dependencies: ['six==99']\n"}, ["six==99", "p.yaml:1"]),
    ],
    ids=lambda value: value.replace("\n", " ")[:50] if isinstance(value, str) else None,
)
def test_files(bis: Bis, tmp_path: Path, mlproject: str, files: dict[str, str], said: list[str]) -> None:
    project = write_project(tmp_path / "bad", mlproject, files)
    assert_refused(bis, ["run", str(project)], *said)


def test_a_directory_without_anything_to_run(bis: Bis, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert_refused(bis, ["run", str(tmp_path / "empty")], "has no MLproject file")
    assert_refused(bis, ["run", str(tmp_path / "empty"), "-e", "train.py"], "'train.py'")


def test_a_directory_above_the_project(bis: Bis, good: Path) -> None:
    assert_refused(bis, ["run", str(good.parent)], "has no MLproject file", "There are projects in good")


def test_a_directory_within_the_project(bis: Bis, good: Path) -> None:
    (good / "inside").mkdir()
    assert_refused(bis, ["run", str(good / "inside")], f"in the directory above: {good}")


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("nowhere", ["nowhere"]),
        ("./goood", ["Did you mean"]),
        ("nowhere.zip", ["no such file"]),
        ("-x", ["begins with '-'"]),
        ("ext::sh -c touch% owned", ["transport"]),
        ("git://127.0.0.1:9/none", ["git://127.0.0.1:9/none"]),
        ("http://someone:s3cret@127.0.0.1:9/none", ["http://127.0.0.1:9/none"]),
        ("good#../..", [".."]),
        ("good#nowhere", ["nowhere"]),
        ("repository -v no-such-ref", ["no-such-ref"]),
        ("repository -v --upload-pack=x", ["--upload-pack=x"]),
        ("repository#nowhere -v trunk", ["nowhere"]),
    ],
)
def test_sources(bis: Bis, good: Path, uri: str, said: list[str]) -> None:
    repository = write_project(good.parent / "repository", ENTRY)
    git(repository, "init", "-q", "-b", "trunk")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "start")
    name, *version = uri.split(" -v ")
    words = [f"--version={v}" for v in version] + ["--", name]
    assert_refused(bis, ["run", *words], *said)
    assert "s3cret" not in bis("run", *words).err
    assert not (bis.cwd / "owned").exists()


def _zip(path: Path, name: str, content: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("MLproject", ENTRY)
        archive.writestr(name, content)


def _tar(path: Path, member: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as archive:
        project = tarfile.TarInfo("MLproject")
        project.size = len(ENTRY)
        archive.addfile(project, io.BytesIO(ENTRY.encode()))
        archive.addfile(member)


def test_archives_that_climb_out_or_carry_links(bis: Bis, tmp_path: Path) -> None:
    _zip(tmp_path / "climbs.zip", "../../evil", "x")
    _zip(tmp_path / "absolute.zip", "/tmp/evil-of-the-test", "x")
    climbing, link, device = (tarfile.TarInfo(name) for name in ("../evil", "link", "device"))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    device.type = tarfile.CHRTYPE
    for name, member in (("climbs", climbing), ("links", link), ("device", device)):
        _tar(tmp_path / f"{name}.tar.gz", member)
    (tmp_path / "damaged.zip").write_bytes(b"PK\x03\x04 not really")
    for name in (
        "climbs.zip",
        "absolute.zip",
        "climbs.tar.gz",
        "links.tar.gz",
        "device.tar.gz",
        "damaged.zip",
    ):
        assert_refused(bis, ["run", str(tmp_path / name)], name)
    assert not list(tmp_path.rglob("evil*"))


def test_commands_that_are_misspelt(bis: Bis) -> None:
    assert_refused(bis, ["rn"], "Did you mean 'run'?")
    assert_refused(bis, ["list", "--jsno"], "Did you mean '--json'?")
    assert_refused(bis, ["run"], "URI")
    assert_refused(bis, ["completion", "fihs"], "SHELL")
    assert_refused(bis, ["show", "latest"], "no runs yet")
    assert_refused(bis, ["env", "show", "abc"], "abc")


def test_a_current_directory_that_is_gone(bis: Bis, good: Path, tmp_path: Path) -> None:
    command = f"mkdir gone && cd gone && rmdir ../gone && '{sys.executable}' -m bis run '{good}' -P epochs=1"
    answer = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=bis.environ(), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 2
    assert "error: the current directory is gone" in answer.stderr


def test_a_home_that_is_a_file(bis: Bis, good: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = bis("run", good, "-P", "epochs=1", BIS_HOME=str(tmp_path / "file"))
    assert result.status == 2
    assert "BIS_HOME" in result.err


@pytest.mark.skipif(not Path("/dev/full").exists() or os.getuid() != 0, reason="mounts a small file system")
def test_a_full_disk_leaves_no_run_that_runs(bis: Bis, good: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=120k", "tmpfs", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("cannot mount a file system here")
    try:
        result = bis("run", good, "-P", "epochs=1", BIS_HOME=str(small / "home"))
        assert result.status in (1, 2), result.err
        assert "error: " in result.err
        assert "full" in result.err or "No space" in result.err
        listed = bis("list", "--json", BIS_HOME=str(small / "home"))
        assert "RUNNING" not in listed.out
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


@pytest.mark.parametrize(
    ("config", "said"),
    [("nowhere.json", "nowhere.json: No such file"), ("{", "is not JSON"), ("[" * 100_000, "is not JSON")],
)
def test_a_backend_configuration_that_cannot_be_read_is_refused(
    bis: Bis, good: Path, config: str, said: str
) -> None:
    assert_refused(bis, ["run", str(good), "-P", "epochs=1", "-c", config], said)


@pytest.mark.parametrize(
    "options",
    [["-P", "epochs=1", "-P", "more=\udcff"], ["-P", "epochs=1", "--set-tag", "k=\udcff"]],
)
def test_bytes_that_are_no_text_are_refused(bis: Bis, good: Path, options: list[str]) -> None:
    assert_refused(bis, ["run", str(good), *options], "not UTF-8 text")


@pytest.mark.parametrize("days", ["nan", "-5", "x"])
def test_an_age_that_is_none_deletes_no_environment(bis: Bis, days: str) -> None:
    assert_refused(bis, ["env", "prune", "--older-than", days], "not a number of days")


def test_a_damaged_database_is_one_clear_error(bis: Bis, good: Path) -> None:
    bis.home.mkdir()
    (bis.home / "tracking.db").write_bytes(b"this is not a database" * 100)
    result = bis("run", good, "-P", "epochs=1")
    assert result.status == 2
    assert "tracking.db" in result.err
