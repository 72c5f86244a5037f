"""Projects from Git servers on loopback, from the URI to the recorded result."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, git, write_project
from sources.gitservers import git_daemon, git_http, ssh_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MLPROJECT = """\
name: remote
entry_points:
  main:
    parameters: {rate: {type: float, default: 0.1}}
    command: "cat message.txt; echo {rate}"
"""


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A directory to serve, with a repository of three commits, a branch, a tag, and a project in a subdirectory."""
    work = write_project(tmp_path / "work", MLPROJECT, {"message.txt": "first\n"})
    write_project(work / "sub" / "project", MLPROJECT.replace("message.txt", "../../message.txt"))
    git(work, "init", "-q", "-b", "main")
    for words in ("first", "second", "third"):
        (work / "message.txt").write_text(f"{words}\n")
        git(work, "add", ".")
        git(work, "commit", "-qm", words)
    git(work, "tag", "v1", "HEAD~2")
    git(work, "branch", "feature/x", "HEAD~1")
    served = tmp_path / "served"
    served.mkdir()
    git(tmp_path, "clone", "-q", "--bare", str(work), str(served / "repo.git"))
    return served


@pytest.fixture
def url(served: Path) -> Iterator[str]:
    with git_http(served) as server:
        yield f"{server.url}/repo.git"


def test_the_default_branch_is_run(bis: Bis, url: str, tmp_path: Path) -> None:
    document = bis.run_json(url)
    assert document["source"]["commit"] == git(tmp_path / "work", "rev-parse", "main")
    assert document["source"]["tree"] == git(tmp_path / "work", "rev-parse", "main^{tree}")
    assert document["source"]["dirty"] is False
    assert document["tags"]["mlflow.source.name"] == url
    assert document["tags"]["mlflow.source.git.repoURL"] == url
    assert bis("logs").out == "third\n0.1\n"


@pytest.mark.parametrize(("version", "said"), [("v1", "first"), ("feature/x", "second"), ("main", "third")])
def test_a_branch_or_a_tag_is_run(bis: Bis, url: str, version: str, said: str) -> None:
    assert bis("run", url, "-v", version, "-q", "-P", "rate=0.2").out == f"{said}\n0.2\n"
    assert bis("run", f"{url}@{version}", "-q").out == f"{said}\n0.1\n"


@pytest.mark.parametrize("form", ["{url}@v1#sub/project", "{url}#sub/project -v v1"])
def test_the_command_that_repeats_it_names_the_commit(bis: Bis, url: str, tmp_path: Path, form: str) -> None:
    result = bis("run", *form.format(url=url).split())
    commit = git(tmp_path / "work", "rev-parse", "v1")
    assert f"again       bis run '{url}#sub/project' -v {commit} -P rate=0.1\n" in result.err


def test_the_project_is_called_by_its_repository_where_it_has_no_name(bis: Bis, tmp_path: Path) -> None:
    work = write_project(tmp_path / "nameless", MLPROJECT.replace("name: remote\n", ""), {"message.txt": ""})
    git(work, "init", "-q", "-b", "main")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    assert bis("run", work, "-v", "main").err.count("nameless · main\n") == 1


def test_a_short_commit_is_run(bis: Bis, url: str, tmp_path: Path) -> None:
    short = git(tmp_path / "work", "rev-parse", "--short=8", "HEAD~1")
    assert bis("run", url, "-v", short, "-q").out == "second\n0.1\n"


def test_a_subdirectory_is_run_in_its_repository(bis: Bis, url: str) -> None:
    document = bis.run_json(f"{url}#sub/project", "-v", "v1")
    assert bis("logs").out == "first\n0.1\n"
    assert document["tags"]["mlflow.source.name"] == f"{url}#sub/project"


def test_the_environment_is_resolved_as_of_the_commit(bis: Bis, url: str) -> None:
    plan = bis("run", url, "--dry-run", "--json").json
    assert plan["environment"]["as_of"].startswith("2024-05-01")
    assert plan["environment"]["as_of_origin"] == "commit"


def test_the_second_run_of_a_commit_asks_the_network_nothing(bis: Bis, served: Path, tmp_path: Path) -> None:
    commit = git(tmp_path / "work", "rev-parse", "HEAD")
    with git_http(served) as server:
        url = f"{server.url}/repo.git"
        assert bis("run", url, "-v", commit, "-q").status == 0
        asked = len(server.requests)
        assert bis("run", url, "-v", commit, "-q").out == "third\n0.1\n"
        assert len(server.requests) == asked > 0
    assert bis("run", url, "-v", commit[:10], "-q").out == "third\n0.1\n"  # the server is gone


def test_a_token_is_recorded_nowhere(bis: Bis, served: Path) -> None:
    with git_http(served, login="someone:s3cr3t-token") as server:
        url = server.url.replace("http://", "http://someone:s3cr3t-token@") + "/repo.git"
        result = bis("run", url, "--json")
        refused = bis("run", url.replace("s3cr3t-token", "wr0ng-token"), "-v", "feature/x")
    assert result.status == 0, result.err
    document = result.json
    assert document["tags"]["mlflow.source.name"] == f"{server.url}/repo.git"
    for text in (result.err, result.out, json.dumps(document), refused.err):
        assert "s3cr3t" not in text
        assert "wr0ng" not in text
    found = subprocess.run(["grep", "-ra", "s3cr3t", str(bis.home)], capture_output=True, check=False)
    assert found.stdout == b""


def test_a_server_that_speaks_git_s_own_protocol(bis: Bis, served: Path) -> None:
    with git_daemon(served) as url:
        assert bis("run", f"{url}/repo.git", "-v", "v1", "-q").out == "first\n0.1\n"


def test_a_server_of_ssh(bis: Bis, served: Path, tmp_path: Path) -> None:
    with ssh_server(tmp_path / "ssh") as server:
        reach = {"GIT_SSH_COMMAND": server.command}
        url = f"ssh://{server.address}:{server.port}{served}/repo.git"
        document = bis.run_json(url, "-v", "v1", **reach)
        assert document["tags"]["mlflow.source.git.repoURL"] == url
        assert bis("logs").out == "first\n0.1\n"
        assert bis("run", f"git+{url}@feature/x", "-q", **reach).out == "second\n0.1\n"
        absent = bis("run", url.replace("repo.git", "none.git"), **reach)
        # The short form has no place for a port: it comes from ssh's own settings.
        reach = {"GIT_SSH_COMMAND": f"{server.command} -p {server.port}"}
        short = f"{server.address}:{served}/repo.git#sub/project"
        document = bis.run_json(short, **reach)
        assert document["tags"]["mlflow.source.name"] == short
        assert bis("logs").out == "third\n0.1\n"
        stranger = {"GIT_SSH_COMMAND": f"ssh -F none -o BatchMode=yes -o UserKnownHostsFile={tmp_path}/none"}
        unknown = bis("run", url, **stranger)
    gone = bis("run", url, **reach)
    assert gone.status == 2
    assert "Connection refused" in gone.err
    assert absent.status == unknown.status == 2
    assert "none.git" in absent.err
    assert "host key" in unknown.err.lower()


def test_a_local_repository_is_never_touched(bis: Bis, tmp_path: Path) -> None:
    work = write_project(tmp_path / "local", MLPROJECT, {"message.txt": "committed\n"})
    git(work, "init", "-q", "-b", "main")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    (work / "message.txt").write_text("uncommitted\n")
    before = {path: path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()}
    assert bis("run", work, "-v", "main", "-q").out == "committed\n0.1\n"
    assert bis("run", work, "-q").out == "uncommitted\n0.1\n"
    assert {path: path.read_bytes() for path in sorted(work.rglob("*")) if path.is_file()} == before


def test_two_runs_of_one_commit_at_once_have_a_tree_each(bis: Bis, url: str, tmp_path: Path) -> None:
    from bis_command import finish

    work = tmp_path / "work"
    (work / "MLproject").write_text(
        "entry_points: {main: {command: 'pwd; test ! -e made && touch made && sleep 1'}}"
    )
    git(work, "commit", "-qam", "writes")
    git(work, "push", "-q", str(tmp_path / "served" / "repo.git"), "main")
    processes = [bis.start("run", url, "-q") for _ in range(2)]
    results = [finish(process) for process in processes]
    assert [result.status for result in results] == [0, 0], [result.err for result in results]
    assert results[0].out.splitlines()[0] != results[1].out.splitlines()[0]
    assert bis("run", url, "-q").status == 0  # what the first run wrote is gone
