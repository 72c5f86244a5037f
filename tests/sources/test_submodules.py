from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import SourceError
from sources.gitservers import git_http
from sources.scene import Fetcher, Repository, files_of, make_repository, states

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "ghp_0123456789abcdefghijABCDEFGHIJ"  # made up


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


def test_credentials_are_used_for_submodules_of_the_same_server(
    library: Repository, upstream: Repository, get: Fetcher
) -> None:
    with git_http(upstream.path.parent, login=f"ada:{TOKEN}") as server:
        source = get(f"http://ada:{TOKEN}@{server.url.removeprefix('http://')}/demo")
    assert (source.root / "lib" / "train.py").is_file()
    for path in get.home.root.rglob("*"):
        assert path.is_dir() or TOKEN.encode() not in path.read_bytes(), path
