"""What the command promises as a whole: MLflow's options, a run's variables, help, completion, colours, sources."""

from __future__ import annotations

import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from bis_command import Bis, git, write_project
from mlflow_clients import LATEST, client_python
from sources.gitservers import files_http, git_http

COMMANDS = ["run", "check", "describe", "init", "list", "show", "logs", "env list", "env show", "env prune"]
SAYS_HELLO = "entry_points: {main: {command: 'cat hello.txt'}}\n"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return write_project(tmp_path / "hello", SAYS_HELLO, {"hello.txt": "hello\n"})


def test_every_option_of_mlflow_run_is_taken_with_its_letter(bis: Bis) -> None:
    mlflow = client_python(LATEST).with_name("mlflow")
    theirs = subprocess.run([mlflow, "run", "--help"], capture_output=True, text=True, check=True).stdout
    ours = bis("run", "--help").out
    options = re.findall(r"^  (?:(-\w), )?(--[a-z-]+)", theirs, re.MULTILINE)
    assert len(options) > 10
    for letter, name in options:
        if name != "--help":
            assert name in ours
            assert not letter or re.search(rf"{letter} [^\n]*{name}", ours), f"{letter} {name}"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(bis: Bis, command: str) -> None:
    result = bis(*command.split(), "--help")
    assert (result.status, result.err) == (0, "")
    assert f"example:\n  bis {command}" in result.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_a_completion_script_knows_commands_and_options(bis: Bis, tmp_path: Path, shell: str) -> None:
    script = bis("completion", shell).out
    for word in ("describe", "env-manager", "dry-run"):
        assert word in script
    if shutil.which(shell) and shell != "tcsh":
        (tmp_path / "script").write_text(script)
        subprocess.run([shell, "-n", tmp_path / "script"], check=True)


def test_bash_completes_a_command_and_an_option(bis: Bis, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(bis("completion", "bash").out)
    for words, completed in (("de", "describe"), ("run --env-m", "--env-manager")):
        last = len(words.split())
        asked = (
            f"source ./script; COMP_WORDS=(bis {words}); COMP_CWORD={last}; COMP_LINE='bis {words}';"
            " _shtab_bis; echo ${COMPREPLY[*]}"
        )
        answer = subprocess.run(
            ["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        assert answer.stdout.split() == [completed]


def test_the_variables_of_the_run_are_set(bis: Bis, tmp_path: Path) -> None:
    command = "echo $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID $MLFLOW_TRACKING_URI"
    project = write_project(tmp_path / "p", f"entry_points: {{main: {{command: '{command}'}}}}\n")
    document = bis.run_json(project, "--experiment-name", "forests")
    run_id, experiment_id, uri = bis("logs").out.split()
    assert (run_id, experiment_id) == (document["run_id"], document["experiment_id"])
    assert uri.startswith("http://127.0.0.1:")


def on_a_terminal(bis: Bis, *words: str | Path, **variables: str) -> str:
    """What a command shows where standard output and error are a terminal."""
    leader, follower = pty.openpty()
    environ = bis.environ(**variables)
    for name in [name for name, value in variables.items() if not value]:
        del environ[name]
    with subprocess.Popen(
        [sys.executable, "-m", "bis", *words],
        cwd=bis.cwd,
        env={**environ, "TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    ) as process:
        os.close(follower)
        shown = b""
        while piece := _read(leader):
            shown += piece
    os.close(leader)
    assert process.returncode == 0, shown
    return shown.decode()


def _read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # Linux's way to say that the other end is closed
        return b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", [["list"], ["show", "--json"], ["logs"]])
def test_a_full_disk_behind_standard_output_is_said(bis: Bis, hello: Path, words: list[str]) -> None:
    assert bis("run", hello).status == 0
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "bis", *words],
            env=bis.environ(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr.count("\n")) == (2, 2)
    assert done.stderr.startswith("error: cannot write: No space left")


def test_a_path_that_cannot_be_used_is_said(bis: Bis, hello: Path) -> None:
    assert bis("list").status == 0
    done = bis("store", "backup", hello / "MLproject" / "below")
    assert (done.status, done.err.count("\n")) == (2, 2)
    assert done.err.startswith(f"error: cannot use {hello / 'MLproject'}")


def test_a_closed_standard_output_is_like_none_that_listens(bis: Bis, hello: Path) -> None:
    assert bis("run", hello).status == 0
    command = f"{shlex.quote(sys.executable)} -m bis list >&-"
    done = subprocess.run(command, shell=True, env=bis.environ(), stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_letter_that_the_output_cannot_have_is_escaped(bis: Bis, hello: Path) -> None:
    assert bis("run", hello, "--run-name", "caf\u00e9").status == 0
    assert "caf\\xe9" in bis("list", PYTHONIOENCODING="ascii").out


def test_colours_are_for_terminals_only(bis: Bis, hello: Path) -> None:
    assert "\x1b[" in on_a_terminal(bis, "run", hello, NO_COLOR="")
    assert "\x1b[" not in on_a_terminal(bis, "run", hello, NO_COLOR="1")
    result = bis("run", hello)
    assert "\x1b[" not in result.out + result.err


@pytest.mark.parametrize("form", ["{0}", "file://{0}", "git+file://{0}", "{0}@main", "file://{0}#sub/p"])
def test_a_bare_repository_is_run(bis: Bis, hello: Path, tmp_path: Path, form: str) -> None:
    write_project(hello / "sub" / "p", SAYS_HELLO, {"hello.txt": "hello\n"})
    git(hello, "init", "-q", "-b", "main")
    git(hello, "add", ".")
    git(hello, "commit", "-qm", "start")
    git(tmp_path, "clone", "-q", "--bare", str(hello), str(tmp_path / "bare.git"))
    result = bis("run", form.format(tmp_path / "bare.git"), "-q")
    assert (result.status, result.out) == (0, "hello\n"), result.err


def test_archives_are_run_from_here_and_from_a_server(bis: Bis, hello: Path, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    with zipfile.ZipFile(served / "p.zip", "w") as archive:
        for name in ("MLproject", "hello.txt"):
            archive.write(hello / name, f"top/sub/{name}")
    with tarfile.open(served / "p.tar.gz", "w:gz") as tar:
        tar.add(hello, "top")
    with files_http(served) as server:
        for uri in (
            f"{served}/p.zip#sub",
            f"{served}/p.tar.gz",
            f"file://{served}/p.tar.gz",
            f"{server.url}/p.zip#sub",
            f"{server.url}/p.tar.gz",
        ):
            result = bis("run", uri, "-q")
            assert (result.status, result.out) == (0, "hello\n"), result.err


def test_a_network_that_goes_in_the_middle_leaves_no_run(bis: Bis, hello: Path, tmp_path: Path) -> None:
    (hello / "noise").write_bytes(os.urandom(200_000))
    git(hello, "init", "-q", "-b", "main")
    git(hello, "add", ".")
    git(hello, "commit", "-qm", "start")
    git(tmp_path, "clone", "-q", "--bare", str(hello), str(tmp_path / "served" / "repo.git"))
    with git_http(tmp_path / "served", cut_after=50_000) as server:
        cut = bis("run", f"{server.url}/repo.git")
    assert cut.status == 2
    assert f"{server.url}/repo.git" in cut.err
    assert bis("list", "--json").json == []
    with git_http(tmp_path / "served") as server:
        assert bis("run", f"{server.url}/repo.git", "-q").out == "hello\n"
