from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis.errors import HomeError, SourceError
from sources.conftest import Fetcher, Repository, make_repository
from sources.gitservers import files_http, git_daemon, git_http
from sources.test_snapshots import contents, states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis.sources import Source

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ"


@pytest.fixture
def served(upstream: Repository) -> Iterator[str]:
    with git_daemon(upstream.path.parent) as url:
        yield f"{url}/demo"


def files_of(source: Source) -> dict[str, tuple[str, bytes | str]]:
    return {name: value for name, value in contents(source.root).items() if not name.startswith(".git/")}


def train(source: Source) -> str:
    return (source.root / "train.py").read_text().strip()


# A commit by each of its names.


VERSIONS = [
    ("HEAD", "print(3)", "main"),
    ("main", "print(3)", "main"),
    ("feature/x", "print(2)", "feature/x"),
    ("v1", "print(1)", None),
    ("light", "print(1)", None),
    ("refs/tags/v1", "print(1)", None),
    ("refs/heads/feature/x", "print(2)", "feature/x"),
    ("main~1", "print(2)", None),
    ("main^^", "print(1)", None),
    ("HEAD~2", "print(1)", None),
    ("v1^{}", "print(1)", None),
]


@pytest.fixture(params=["served", "path", "bare"])
def uri(request: pytest.FixtureRequest, served: str, upstream: Repository) -> str:
    """The repository by its URL, by its path, and by the path of a bare one."""
    if request.param == "served":
        return served
    if request.param == "path":
        return str(upstream.path)
    bare = upstream.path.parent / "bare.git"
    upstream.git("clone", "--quiet", "--bare", str(upstream.path), str(bare))
    return str(bare)


@pytest.mark.parametrize(("version", "printed", "branch"), VERSIONS)
def test_a_version_by_name(
    version: str, printed: str, branch: str | None, uri: str, upstream: Repository, get: Fetcher
) -> None:
    source = get(uri, version)
    assert train(source) == printed
    assert source.branch == branch
    assert source.commit == upstream.git("rev-parse", f"{version}^{{commit}}")
    assert source.tree == upstream.git("rev-parse", f"{version}^{{tree}}")
    assert (source.kind, source.dirty, source.version) == ("git", False, version)
    assert source.committed_at is not None
    assert source.committed_at.isoformat() == "2024-03-01T12:00:00+00:00"


def test_without_a_version_the_default_branch_is_run(served: str, upstream: Repository, get: Fetcher) -> None:
    bare = upstream.path.parent / "bare.git"
    upstream.git("clone", "--quiet", "--bare", str(upstream.path), str(bare))
    for uri in (served, str(bare), f"file://{bare}"):
        source = get(uri)
        assert (train(source), source.branch, source.version) == ("print(3)", "main", None)


def test_a_branch_by_its_name_in_a_clone(
    served: str, upstream: Repository, get: Fetcher, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    upstream.git("clone", "--quiet", str(upstream.path), str(clone))
    for uri, version in (
        (served, "origin/feature/x"),
        (str(clone), "origin/feature/x"),
        (str(clone), "feature/x"),
    ):
        assert train(get(uri, version)) == "print(2)"


@pytest.mark.parametrize("digits", [40, 12, 7, 5])
def test_a_commit_by_its_hash(digits: int, served: str, upstream: Repository, get: Fetcher) -> None:
    commit = upstream.git("rev-parse", "main~1")
    assert get(served, commit[:digits]).commit == commit
    assert get(str(upstream.path), commit[:digits]).commit == commit
    assert get(served, commit[:digits].upper()).commit == commit


def test_a_commit_of_no_branch_by_its_full_hash(served: str, upstream: Repository, get: Fetcher) -> None:
    commit = upstream.git("rev-parse", "main")
    upstream.git("reset", "--hard", "--quiet", "main~2")
    assert get(served, commit).commit == commit


def test_the_version_behind_an_at_sign(served: str, get: Fetcher) -> None:
    source = get(f"{served}@v1#sub.d")
    assert train(source) == "print(1)"
    assert source.directory == source.root / "sub.d"
    assert (source.subdirectory, source.version) == ("sub.d", "v1")
    assert source.uri == source.name == f"{served}@v1#sub.d"
    assert source.repo_url == served


def test_a_web_page_names_branch_and_subdirectory(upstream: Repository, get: Fetcher) -> None:
    with git_http(upstream.path.parent) as server:
        source = get(f"{server.url}/demo/-/tree/feature/x/sub.d")
    assert (source.version, source.branch, source.subdirectory) == ("feature/x", "feature/x", "sub.d")


def test_a_tag_wins_over_a_branch_of_its_name(served: str, upstream: Repository, get: Fetcher) -> None:
    upstream.git("branch", "v1", "main")
    assert train(get(served, "v1")) == "print(1)"
    assert any("is a tag and a branch" in note for note in get.notes)


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


# What is not there.


@pytest.mark.parametrize("uri", ["served", "path"])
@pytest.mark.parametrize(
    ("version", "hint"), [("mian", "'main'"), ("0123abc", "pushed"), ("0" * 40, None), ("main~9", "")]
)
def test_no_such_version(
    uri: str, version: str, hint: str | None, served: str, upstream: Repository, get: Fetcher
) -> None:
    with pytest.raises(SourceError) as caught:
        get(served if uri == "served" else upstream.path, version)
    assert version in caught.value.message
    assert hint is None or hint in (caught.value.hint or "")


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


def test_a_version_of_a_directory_without_git(tmp_path: Path, get: Fetcher) -> None:
    (tmp_path / "plain").mkdir()
    with pytest.raises(SourceError, match="not a Git repository") as caught:
        get(tmp_path / "plain", "v1")
    assert "Leave the version out" in (caught.value.hint or "")


def test_a_version_of_a_repository_without_a_commit(tmp_path: Path, get: Fetcher) -> None:
    Repository(tmp_path).git("init", "--quiet", "empty")
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        get(tmp_path / "empty", "main")
    with pytest.raises(SourceError, match="no commit yet"):
        get(f"git+file://{tmp_path}/empty")


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


# What asks the network.


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


# Work trees.


def test_what_a_run_left_behind_is_gone_in_the_next(served: str, upstream: Repository, get: Fetcher) -> None:
    upstream.write(".gitignore", "*.log\n")
    upstream.commit()
    first = get(served)
    expected = files_of(first)
    (first.root / "train.py").write_text("changed")
    (first.root / "MLproject").unlink()
    (first.root / "sub.d" / "train.py").chmod(0o755)
    (first.root / "out").mkdir()
    (first.root / "out" / "x.log").write_text("x")
    (first.root / "empty").mkdir()
    (first.root / "new.py").write_text("x")
    make_repository(first.root / "nested")
    first.close()
    second = get(served)
    assert second.root == first.root
    assert files_of(second) == expected
    assert not (second.root / "empty").exists()
    assert second.tree == upstream.git("rev-parse", "HEAD^{tree}")


@pytest.mark.parametrize(
    "command",
    [
        "git checkout -q -b mine && git -c user.name=x -c user.email=x commit -q --allow-empty -m x",
        "git config core.fsmonitor 'touch /tmp/never; false'",
        "git update-index --assume-unchanged train.py && echo changed > train.py",
        "rm -rf .git",
        "rm -rf .git && mkdir .git",
        "chmod -R a-w . || true",
        "rm .git/index",
    ],
)
def test_a_run_that_changed_the_repository_it_is_in(command: str, served: str, get: Fetcher) -> None:
    first = get(served)
    expected = files_of(first)
    subprocess.run(["bash", "-c", command], cwd=first.root, check=True, capture_output=True)
    first.close()
    second = get(served)
    assert files_of(second) == expected
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=second.root, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == second.commit


def test_the_code_that_runs_can_ask_git_where_it_is(served: str, get: Fetcher) -> None:
    source = get(f"{served}@v1")
    for question, answer in (
        ("rev-parse HEAD", source.commit),
        ("status --porcelain", ""),
        ("remote get-url origin", served),
        ("log -1 --format=%s", "one"),
    ):
        done = subprocess.run(
            ["git", *question.split()], cwd=source.directory, check=True, capture_output=True, text=True
        )
        assert done.stdout.strip() == answer


def test_a_leased_tree_is_left_alone_until_it_is_given_back(served: str, get: Fetcher) -> None:
    first = get(served)
    (first.root / "train.py").write_text("at work")
    second = get(served)
    assert second.root != first.root
    assert train(first) == "at work"
    assert train(second) == "print(3)"
    first.close()
    second.close()
    with get(served) as third:
        assert third.root == first.root


def test_a_tree_that_was_not_finished_is_made_anew(served: str, get: Fetcher) -> None:
    first = get(served)
    expected = files_of(first)
    first.close()
    first.root.with_name(f"{first.root.name}.json").unlink()
    (first.root / "train.py").unlink()
    assert files_of(get(served)) == expected


def test_a_subdirectory_that_is_missing_gives_the_tree_back(served: str, get: Fetcher) -> None:
    with pytest.raises(SourceError):
        get(f"{served}#nothing")
    assert "-" not in get(served).root.name


def test_the_home_can_be_moved(served: str, get: Fetcher, tmp_path: Path) -> None:
    get(served, "v1").close()
    get.home.root.rename(tmp_path / "moved")
    get.home = type(get.home)(tmp_path / "moved")
    source = get(served, "v1")
    assert source.root.is_relative_to(tmp_path / "moved")
    assert train(source) == "print(1)"


def test_runs_at_once_get_a_tree_each_and_fetch_once(served: str, tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from bis.home import Home
        from bis.sources import fetch
        with fetch(sys.argv[1], "v1", home=Home(Path(sys.argv[2])), notify=print) as source:
            print("tree", source.root.name, (source.root / "train.py").read_text().strip(), flush=True)
            sys.stdin.read()
        """
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, served, str(tmp_path / "home")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    lines: list[str] = []
    for process in processes:
        assert process.stdout
        for line in process.stdout:
            lines.append(line.strip())
            if line.startswith("tree"):
                break
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    trees = [line for line in lines if line.startswith("tree")]
    assert len(set(trees)) == 3
    assert all(tree.endswith("print(1)") for tree in trees)
    assert len([line for line in lines if line.startswith("fetching")]) == 1


# Credentials.


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


# Submodules.


@pytest.fixture
def library(upstream: Repository) -> Repository:
    """A submodule ``lib`` of the upstream repository, with a submodule ``deep`` of its own, by relative URLs."""
    deep = make_repository(upstream.path.parent / "deep")
    library = make_repository(upstream.path.parent / "library")
    _add_submodule(library, deep, "../deep", "inner deep")
    _add_submodule(upstream, library, "../library", "lib")
    return library


def _add_submodule(repository: Repository, module: Repository, url: str, path: str) -> None:
    allowed = ("-c", "protocol.file.allow=always")
    repository.git(*allowed, "submodule", "add", "--quiet", str(module.path), path)
    repository.git("config", "--file", ".gitmodules", f"submodule.{path}.url", url)
    repository.commit(f"with {path}")


def test_submodules_are_checked_out_theirs_too(
    served: str, library: Repository, upstream: Repository, get: Fetcher
) -> None:
    source = get(served)
    assert (source.root / "lib" / "train.py").read_text() == "print(3)\n"
    assert (source.root / "lib" / "inner deep" / "train.py").read_text() == "print(3)\n"
    fetched = get.fetched
    assert fetched == 3
    source.close()
    again = get(served)
    assert (again.root, again.tree) == (source.root, source.tree)
    assert get.fetched == fetched


def test_what_a_run_did_to_a_submodule_is_undone(served: str, library: Repository, get: Fetcher) -> None:
    source = get(served)
    expected = {name: value for name, value in files_of(source).items() if "/.git/" not in name}
    (source.root / "lib" / "train.py").write_text("changed")
    (source.root / "lib" / "inner deep" / "new").write_text("x")
    source.close()
    again = get(served)
    assert {name: value for name, value in files_of(again).items() if "/.git/" not in name} == expected


def test_submodules_of_a_local_repository_come_from_its_own_copy(
    library: Repository, upstream: Repository, get: Fetcher, tmp_path: Path
) -> None:
    clone = tmp_path / "clone"
    allowed = ("-c", "protocol.file.allow=always")
    upstream.git(*allowed, "clone", "--quiet", "--recurse-submodules", str(upstream.path), str(clone))
    upstream.path.parent.rename(tmp_path / "gone")
    before = states(clone)
    source = get(clone, "HEAD")
    assert (source.root / "lib" / "inner deep" / "train.py").read_text() == "print(3)\n"
    assert states(clone) == before


@pytest.mark.parametrize("url", ["/etc", "file:///etc", "ext::sh -c x", "-x", "ssh://-oProxyCommand=x/y"])
def test_a_submodule_url_that_is_not_allowed(
    url: str, served: str, upstream: Repository, get: Fetcher
) -> None:
    module = make_repository(upstream.path.parent / "module")
    _add_submodule(upstream, module, url, "lib")
    with pytest.raises(SourceError, match="submodule lib"):
        get(served)


def test_a_submodule_that_is_not_declared_stays_empty(
    served: str, upstream: Repository, get: Fetcher
) -> None:
    make_repository(upstream.path / "embedded")
    upstream.commit("by mistake")
    source = get(served)
    assert list((source.root / "embedded").iterdir()) == []
    assert any("embedded" in note for note in get.notes)


def test_a_submodule_commit_that_is_not_pushed(served: str, library: Repository, get: Fetcher) -> None:
    library.git("checkout", "--quiet", "--orphan", "fresh")
    library.commit()
    library.git("branch", "--delete", "--force", "main", "feature/x")
    library.git("tag", "--delete", "v1", "light")
    library.git("reflog", "expire", "--expire=now", "--all")
    library.git("gc", "--quiet", "--prune=now")
    with pytest.raises(SourceError, match="submodule lib: there is no commit"):
        get(served)


# Git LFS.

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n"
FAKE_LFS = """#!/bin/sh
# Stands for git-lfs: `fetch` notes how it was called, `checkout` writes the content of every pointer.
echo "$@" >> "$BIS_TEST_LFS_LOG"
if [ "$1" = checkout ]; then
    for file in *.bin; do printf model > "$file"; done
fi
"""


@pytest.fixture
def model(upstream: Repository) -> Repository:
    upstream.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    upstream.write("model.bin", POINTER.format("0" * 64))
    upstream.write("other.bin", POINTER.format("1" * 64))
    upstream.commit("with a model")
    return upstream


def test_lfs_without_git_lfs_names_the_files(
    model: Repository, served: str, get: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", _path_without_lfs(tmp_path))
    with pytest.raises(SourceError, match=r"model\.bin, other\.bin are in Git LFS") as caught:
        get(served)
    assert "git-lfs" in (caught.value.hint or "")


def test_lfs_files_are_fetched_once_and_kept(
    model: Repository, served: str, get: Fetcher, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "lfs.log"
    tool = tmp_path / "tools" / "git-lfs"
    tool.parent.mkdir()
    tool.write_text(FAKE_LFS)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("BIS_TEST_LFS_LOG", str(log))
    source = get(served)
    assert (source.root / "model.bin").read_bytes() == b"model"
    assert log.read_text().splitlines() == [f"fetch origin {source.commit}", "checkout"]
    assert source.tree != model.git("rev-parse", "HEAD^{tree}")
    source.close()
    again = get(served)
    assert (again.root, again.tree) == (source.root, source.tree)
    assert len(log.read_text().splitlines()) == 2
    (again.root / "train.py").write_text("spoilt")
    again.close()
    cleaned = get(served)
    assert (cleaned.root / "model.bin").read_bytes() == b"model"
    assert train(cleaned) == "print(3)"
    (cleaned.root / "model.bin").write_bytes(b"spoilt")
    cleaned.close()
    assert (get(served).root / "model.bin").read_bytes() == b"model"


def _path_without_lfs(tmp_path: Path) -> str:
    """A PATH with all commands but git-lfs."""
    directory = tmp_path / "commands"
    directory.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for command in Path(place).glob("*") if Path(place).is_dir() else ():
            link = directory / command.name
            if command.name != "git-lfs" and not link.is_symlink():
                link.symlink_to(command)
    return str(directory)


def test_credentials_are_used_for_submodules_of_the_same_server(
    library: Repository, upstream: Repository, get: Fetcher
) -> None:
    with git_http(upstream.path.parent, login=f"ada:{TOKEN}") as server:
        source = get(f"http://ada:{TOKEN}@{server.url.removeprefix('http://')}/demo")
    assert (source.root / "lib" / "train.py").is_file()
    for path in get.home.root.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes(), path


# Git itself.


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
