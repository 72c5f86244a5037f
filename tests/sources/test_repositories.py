from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from bis.errors import HomeError, SourceError
from sources.scene import Fetcher, Repository, states, train

if TYPE_CHECKING:
    from pathlib import Path


def test_the_names_of_a_local_project_are_those_of_mlflow(upstream: Repository, get: Fetcher) -> None:
    upstream.git("remote", "add", "origin", "https://ada:secret@host/org/demo")
    for version in (None, "v1"):
        source = get(upstream.path / "sub.d", version)
        assert source.name == f"file://{upstream.path}#sub.d"
        assert source.repo_url == "https://host/org/demo"
        assert source.directory == source.root / "sub.d"
        assert get(upstream.path, version).name == f"file://{upstream.path}"


def test_a_linked_work_tree_is_a_repository_too(upstream: Repository, get: Fetcher, tmp_path: Path) -> None:
    upstream.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "feature/x")
    assert get(tmp_path / "linked").branch == "feature/x"
    assert train(get(tmp_path / "linked", "v1")) == "print(1)"


def test_a_shallow_clone_is_a_repository_too(upstream: Repository, get: Fetcher, tmp_path: Path) -> None:
    upstream.git("clone", "--quiet", "--depth=1", f"file://{upstream.path}", str(tmp_path / "shallow"))
    assert train(get(tmp_path / "shallow", "main")) == "print(3)"
    before = states(tmp_path / "shallow")
    get(tmp_path / "shallow", "HEAD")
    assert states(tmp_path / "shallow") == before


def test_git_file_urls_run_the_commit(upstream: Repository, get: Fetcher) -> None:
    upstream.write("train.py", "print('not committed')\n")
    assert train(get(f"git+file://{upstream.path}")) == "print(3)"


@pytest.mark.parametrize("form", ["ssh://git@host{}", "git@host:{}", "host:{}", "git+ssh://host{}"])
def test_ssh(
    form: str, upstream: Repository, get: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = tmp_path / "ssh"  # runs here what the server would run
    client.write_text('#!/bin/sh\nwhile [ "$#" -gt 1 ]; do shift; done\nexec sh -c "$1"\n')
    client.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(client))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    uri = form.format(upstream.path)
    source = get(f"{uri}@v1#sub.d")
    assert train(source) == "print(1)"
    assert source.repo_url == uri.removeprefix("git+")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_repository_of_another_user(upstream: Repository, get: Fetcher) -> None:
    commit = upstream.git("rev-parse", "HEAD")
    os.chown(upstream.path, 65534, 65534)
    os.chown(upstream.path / ".git", 65534, 65534)
    assert get(upstream.path).commit == commit
    assert get(upstream.path, "v1").kind == "git"


def test_no_such_subdirectory(served: str, get: Fetcher) -> None:
    with pytest.raises(SourceError, match="no subdirectory 'subd'") as caught:
        get(f"{served}#subd")
    assert caught.value.hint == "Did you mean 'sub.d'?"
    with pytest.raises(SourceError, match="no subdirectory"):
        get(f"{served}#train.py")


def test_a_subdirectory_that_is_a_link_out_of_the_repository(
    served: str, upstream: Repository, get: Fetcher
) -> None:
    (upstream.path / "out").symlink_to("/")
    upstream.commit()
    with pytest.raises(SourceError, match="a link that leaves"):
        get(f"{served}#out")


def test_a_version_of_a_directory_without_git(tmp_path: Path, get: Fetcher) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="not a Git repository") as caught:
        get(tmp_path / "plain", "v1")
    assert "Leave the version out" in (caught.value.hint or "")


def test_without_git_a_directory_runs_and_a_repository_says_what_to_install(
    upstream: Repository, get: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    source = get(upstream.path)
    assert (source.directory, source.tree, source.commit) == (upstream.path, None, None)
    assert "git is not installed" in get.notes[-1]
    for uri, version in ((str(upstream.path), "v1"), ("https://host/org/repo", None)):
        with pytest.raises(SourceError, match="git is not installed") as caught:
            get(uri, version)
        assert "Install git" in (caught.value.hint or "")


@pytest.mark.parametrize("place", ["", "snapshots", "repositories", "snapshots/indexes"])
def test_a_home_that_cannot_be_written(place: str, upstream: Repository, get: Fetcher) -> None:
    blocked = get.home.root / place
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where a directory should be")
    with pytest.raises(HomeError) as caught:
        get(upstream.path, "v1")
    assert "BIS_HOME" in (caught.value.hint or "")


def test_a_git_that_lacks_an_option_is_called_too_old(
    served: str, get: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "old" / "git"
    old.parent.mkdir()
    old.write_text('#!/bin/sh\ncase "$*" in *version*) echo git version 2.11.0;; *) exit 129;; esac\n')
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{old.parent}:{os.environ['PATH']}")
    with pytest.raises(SourceError) as caught:
        get(served)
    assert re.search(r"2\.25 or newer; this is 'git version 2\.11\.0'", caught.value.hint or "")
