from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bis.errors import SourceError
from sources.gitservers import files_http, git_daemon, git_http
from sources.scene import Fetcher, Repository, train


def test_no_such_repository(upstream: Repository, get: Fetcher) -> None:
    with git_http(upstream.path.parent) as server, pytest.raises(SourceError, match="no Git repository at"):
        get(f"{server.url}/nothing")
    with git_daemon(upstream.path.parent) as url, pytest.raises(SourceError):
        get(f"{url}/nothing")


def test_a_page_that_is_no_repository(tmp_path: Path, get: Fetcher) -> None:
    with files_http(tmp_path) as server, pytest.raises(SourceError, match="no Git repository at"):
        get(f"{server.url}/org/repo")


def test_an_empty_remote(upstream: Repository, get: Fetcher) -> None:
    Repository(upstream.path.parent).git("init", "--quiet", "--bare", "empty.git")
    with git_daemon(upstream.path.parent) as url, pytest.raises(SourceError, match="no commit yet"):
        get(f"{url}/empty.git")


def test_a_server_that_is_not_there(get: Fetcher) -> None:
    with pytest.raises(SourceError, match="cannot reach") as caught:
        get("git://127.0.0.1:1/repo")
    assert caught.value.hint


def test_the_network_gone_in_the_middle_leaves_nothing_half_fetched(
    upstream: Repository, get: Fetcher
) -> None:
    upstream.write("big.bin", os.urandom(500_000))
    commit = upstream.commit()
    with git_http(upstream.path.parent, cut_after=100_000) as server:
        port = server.url
        with pytest.raises(SourceError) as caught:
            get(f"{port}/demo", commit)
    assert "broke off" in caught.value.message
    assert not list(get.home.repositories.glob("*/trees/*.json"))
    assert not list(get.home.repositories.glob("*/git/objects/pack/*.pack"))
    with git_http(upstream.path.parent) as server:
        assert get(f"{server.url}/demo", commit).commit == commit


def test_what_a_killed_fetch_left_is_no_hindrance(served: str, get: Fetcher) -> None:
    get(served, "v1")
    (cache,) = get.home.repositories.glob("*/git")
    (cache / "shallow.lock").touch()
    (cache / "objects" / "pack" / "tmp_pack_x").touch()
    assert train(get(served, "main")) == "print(3)"
    assert not (cache / "objects" / "pack" / "tmp_pack_x").exists()


def test_the_second_run_of_a_commit_asks_the_network_nothing(upstream: Repository, get: Fetcher) -> None:
    commit = upstream.git("rev-parse", "v1^{commit}")
    with git_http(upstream.path.parent) as server:
        get(f"{server.url}/demo", commit[:8]).close()
        asked = len(server.requests)
        for version in (commit, commit[:8]):
            source = get(f"{server.url}/demo", version)
            assert train(source) == "print(1)"
            source.close()
        assert len(server.requests) == asked
    assert train(get(f"{server.url}/demo", commit)) == "print(1)"


def test_two_trees_of_one_commit_are_fetched_once(served: str, get: Fetcher) -> None:
    first, second = get(served, "v1"), get(served, "v1")
    assert first.root != second.root
    assert get.fetched == 1


def test_a_branch_that_moved_is_fetched_again(served: str, upstream: Repository, get: Fetcher) -> None:
    assert train(get(served)) == "print(3)"
    upstream.write("train.py", "print(4)\n")
    upstream.commit()
    assert train(get(served)) == "print(4)"
    upstream.git("reset", "--hard", "--quiet", "main~3")
    assert train(get(served, "main")) == "print(1)"


def test_a_tag_that_moved_is_fetched_again(served: str, upstream: Repository, get: Fetcher) -> None:
    assert train(get(served, "light")) == "print(1)"
    upstream.git("tag", "--force", "light", "main")
    assert train(get(served, "light")) == "print(3)"


def test_without_a_network_a_tag_is_what_it_was_and_a_branch_is_an_error(
    upstream: Repository, get: Fetcher
) -> None:
    with git_daemon(upstream.path.parent) as url:
        get(f"{url}/demo", "v1")
        commit = get(f"{url}/demo", "main").commit
    assert train(get(f"{url}/demo", "v1")) == "print(1)"
    assert "cannot be asked" in get.notes[-1]
    with pytest.raises(SourceError, match="cannot reach") as caught:
        get(f"{url}/demo", "main")
    assert commit
    assert f"-v {commit[:12]} needs no network" in (caught.value.hint or "")


def test_only_the_commit_is_fetched_not_its_history(served: str, upstream: Repository, get: Fetcher) -> None:
    get(served)
    (cache,) = get.home.repositories.glob("*/git")
    done = subprocess.run(
        ["git", "--git-dir", str(cache), "cat-file", "-e", upstream.git("rev-parse", "main~1")],
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_an_old_server_that_gives_no_single_commit_is_asked_for_all(
    upstream: Repository, get: Fetcher
) -> None:
    commit = upstream.git("rev-parse", "main~1")
    upstream.git("branch", "--delete", "--force", "feature/x")
    with git_http(upstream.path.parent, protocol="0") as server:
        source = get(f"{server.url}/demo", commit)
        assert train(source) == "print(2)"
        assert get(f"{server.url}/demo", "v1").commit == upstream.git("rev-parse", "v1^{commit}")


def test_a_server_of_plain_files_serves_a_repository(upstream: Repository, get: Fetcher) -> None:
    upstream.git("update-server-info")
    with files_http(upstream.path.parent) as server:
        assert train(get(f"{server.url}/demo/.git", "main~1")) == "print(2)"
        assert train(get(f"{server.url}/demo/.git")) == "print(3)"


TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ"  # made up


@pytest.mark.parametrize("login", [f"ada:{TOKEN}", f"{TOKEN}:", f"x-access-token:{TOKEN}"])
def test_credentials_in_the_uri_work_and_are_seen_nowhere(
    login: str, upstream: Repository, get: Fetcher
) -> None:
    with git_http(upstream.path.parent, login=login) as server:
        address = server.url.removeprefix("http://")
        uri = f"http://{login.removesuffix(':')}@{address}/demo"
        for version in (None, "v1", "main~1"):
            source = get(uri, version)
            assert TOKEN not in repr(source)
            assert source.name == source.repo_url == f"{server.url}/demo"
        with pytest.raises(SourceError) as caught:
            get(uri, "nope")
    assert TOKEN not in str(caught.value)
    assert not any(TOKEN in note for note in get.notes)
    for path in get.home.root.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes(), path


def test_refused_credentials_are_not_shown(upstream: Repository, get: Fetcher) -> None:
    with git_http(upstream.path.parent, login="ada:right") as server:
        address = server.url.removeprefix("http://")
        for login in ("", f"ada:{TOKEN}@"):
            with pytest.raises(SourceError, match="asks for a name and password") as caught:
                get(f"http://{login}{address}/demo")
            assert TOKEN not in f"{caught.value} {caught.value.__cause__}"
            assert "ada" not in str(caught.value)


def test_credentials_are_sent_only_when_the_server_asks(upstream: Repository, get: Fetcher) -> None:
    with git_http(upstream.path.parent) as server:
        get(f"http://ada:{TOKEN}@{server.url.removeprefix('http://')}/demo")
    assert set(server.authorizations) == {None}


def test_the_users_own_credential_helper_is_asked_when_the_uri_has_only_a_name(
    upstream: Repository, get: Fetcher, tmp_path: Path
) -> None:
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text(
        '[credential]\n\thelper = "!f() { echo password=right; }; f"\n'
    )
    with git_http(upstream.path.parent, login="ada:right") as server:
        source = get(f"http://ada@{server.url.removeprefix('http://')}/demo")
    assert train(source) == "print(3)"


def test_the_users_own_helper_is_not_given_the_token_to_keep(
    upstream: Repository, get: Fetcher, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    Path(os.environ["GIT_CONFIG_GLOBAL"]).write_text(f"[credential]\n\thelper = store --file={kept}\n")
    with git_http(upstream.path.parent, login=f"ada:{TOKEN}") as server:
        get(f"http://ada:{TOKEN}@{server.url.removeprefix('http://')}/demo")
    assert not kept.exists()
