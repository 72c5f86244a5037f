from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import SourceError
from sources.gitservers import git_http
from sources.scene import Fetcher, Repository, train

if TYPE_CHECKING:
    from pathlib import Path

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


def test_a_version_of_a_repository_without_a_commit(tmp_path: Path, get: Fetcher) -> None:
    Repository(tmp_path).git("init", "--quiet", "empty")
    with pytest.raises(SourceError, match="no branch, tag or commit"):
        get(tmp_path / "empty", "main")
    with pytest.raises(SourceError, match="no commit yet"):
        get(f"git+file://{tmp_path}/empty")
