from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.errors import SourceError
from bis.sources.locations import (
    Archive,
    LocalPath,
    Remote,
    check_subdirectory,
    parse,
    read_repository_url,
    submodule_url,
    without_credentials,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("uri", "url", "version", "subdirectory"),
    [
        ("https://host/org/repo", "https://host/org/repo", None, ""),
        ("https://host/org/repo.git#sub/dir", "https://host/org/repo.git", None, "sub/dir"),
        ("https://host/org/repo#v1.2/x", "https://host/org/repo", None, "v1.2/x"),
        ("https://host/org/repo@v1", "https://host/org/repo", "v1", ""),
        ("https://host/org/repo@feature/x#sub", "https://host/org/repo", "feature/x", "sub"),
        ("https://host/@scope/repo", "https://host/@scope/repo", None, ""),
        ("http://host:8080/repo", "http://host:8080/repo", None, ""),
        ("git+https://host/org/repo@main", "https://host/org/repo", "main", ""),
        ("git+https://host/org/repo.zip", "https://host/org/repo.zip", None, ""),
        ("git+ssh://git@host/org/repo", "ssh://git@host/org/repo", None, ""),
        ("ssh://git@host:2222/org/repo@v1", "ssh://git@host:2222/org/repo", "v1", ""),
        ("git://host/repo", "git://host/repo", None, ""),
        ("git@host:org/repo.git", "git@host:org/repo.git", None, ""),
        ("git@host:org/repo.git@v1#sub", "git@host:org/repo.git", "v1", "sub"),
        ("host:repo", "host:repo", None, ""),
        ("'https://host/org/repo'", "https://host/org/repo", None, ""),
        ('"git@host:org/repo"', "git@host:org/repo", None, ""),
        ("https://host/r#egg=x&subdirectory=pkg", "https://host/r", None, "pkg"),
        ("https://host/org/with%20space", "https://host/org/with%20space", None, ""),
    ],
)
def test_a_remote_repository_is_read(uri: str, url: str, version: str | None, subdirectory: str) -> None:
    location = parse(uri)
    assert isinstance(location, Remote)
    assert (location.url, location.version, location.subdirectory) == (url, version, subdirectory)


@pytest.mark.parametrize(
    ("uri", "url", "tree"),
    [
        ("https://github.com/org/repo/tree/main/sub/dir", "https://github.com/org/repo", "main/sub/dir"),
        ("https://github.example.org/org/repo/tree/v1/", "https://github.example.org/org/repo", "v1"),
        ("https://git.example.org/a/b/c/-/tree/dev/x", "https://git.example.org/a/b/c", "dev/x"),
    ],
)
def test_the_address_of_a_web_page_names_repository_and_tree(uri: str, url: str, tree: str) -> None:
    location = parse(uri)
    assert isinstance(location, Remote)
    assert (location.url, location.tree) == (url, tree)


def test_a_tree_on_a_host_that_is_not_known_is_part_of_the_path() -> None:
    location = parse("https://host/org/repo/tree/main")
    assert isinstance(location, Remote)
    assert location.url == "https://host/org/repo/tree/main"


@pytest.mark.parametrize(
    "uri",
    ["https://host/a.zip", "http://host/a.tar.gz#sub", "https://host/a.tgz?raw=true", "https://host/A.ZIP"],
)
def test_an_archive_by_http_is_read(uri: str) -> None:
    location = parse(uri)
    assert isinstance(location, Archive)
    assert location.url == uri.partition("#")[0]


def test_credentials_are_taken_out_of_the_address() -> None:
    location = parse("https://ada:s3%40cret@host/org/repo@v1")
    assert isinstance(location, Remote)
    assert location.url == "https://host/org/repo"
    assert location.text == "https://host/org/repo@v1"
    assert location.credentials is not None
    assert (location.credentials.username, location.credentials.password) == ("ada", "s3@cret")
    assert "s3" not in repr(location)
    assert "ada" not in repr(location)


def test_a_password_for_ssh_or_git_is_dropped() -> None:
    assert parse("ssh://git:secret@host/repo").text == "ssh://git@host/repo"
    assert parse("git://ada:secret@host/repo").text == "git://host/repo"


def test_secret_fields_of_a_query_are_hidden() -> None:
    shown = parse("https://host/a.zip?raw=true&X-Amz-Signature=abc&token=def").text
    assert shown == "https://host/a.zip?raw=true&X-Amz-Signature=***&token=***"


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "''",
        "-u",
        "--upload-pack=touch /tmp/x",
        "'-x'",
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "git-remote-foo::x",
        "ftp://host/repo",
        "s3://bucket/a.zip",
        "https://",
        "https:///repo",
        "https://host",
        "ssh://-oProxyCommand=x/repo",
        "git@-host:repo",
        "host:-repo",
        "https://host/a\nb",
        "https://host/repo#../x",
        "https://host/repo#a/../../x",
        "https://host/repo#.git/hooks",
        "https://host/repo@-x",
        "https://host/repo@a..b",
        "https://host/repo@a b",
        "file://other/path",
    ],
)
def test_what_git_could_misread_is_refused(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SourceError):
        parse(uri)


def test_a_version_that_begins_with_a_dash_is_refused() -> None:
    with pytest.raises(SourceError, match="not a version"):
        parse("https://host/repo", "--upload-pack=x")


def test_two_different_versions_are_refused() -> None:
    with pytest.raises(SourceError, match="two versions"):
        parse("https://host/repo@v1", "v2")
    assert parse("https://host/repo@v1", "v1") == parse("https://host/repo@v1")


def test_an_archive_has_no_version() -> None:
    with pytest.raises(SourceError, match="has no versions"):
        parse("https://host/a.zip", "v1")


@pytest.mark.parametrize(
    "name", ["plain", "with space", "a#b", "a@b", "quo'te", "new\nline", "ünïcode-日本", "a:b"]
)
def test_a_directory_that_exists_wins_over_every_other_reading(name: str, tmp_path: Path) -> None:
    directory = tmp_path / name
    (directory / "sub").mkdir(parents=True)
    assert parse(str(directory)) == LocalPath(str(directory), directory, "", None)
    with_all = parse(f"{directory}@v1#sub")
    assert isinstance(with_all, LocalPath)
    assert (with_all.path, with_all.subdirectory, with_all.version) == (directory, "sub", "v1")


@pytest.mark.parametrize("form", ["file://{}", "file://localhost{}", "file:{}", "'{}'", '"{}"', "{}/"])
def test_forms_of_a_local_path(form: str, tmp_path: Path) -> None:
    location = parse(form.format(tmp_path))
    assert isinstance(location, LocalPath)
    assert location.path == tmp_path


def test_a_file_url_is_percent_decoded(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    location = parse(f"file://{tmp_path}/a%20b#x")
    assert isinstance(location, LocalPath)
    assert (location.path, location.subdirectory) == (tmp_path / "a b", "x")


def test_a_tilde_is_the_users_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "project").mkdir()
    location = parse("~/project")
    assert isinstance(location, LocalPath)
    assert location.path == tmp_path / "project"


def test_a_relative_path_that_begins_with_a_dash_needs_its_dot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "-x").mkdir()
    with pytest.raises(SourceError) as caught:
        parse("-x")
    assert "./-x" in (caught.value.hint or "")
    assert isinstance(parse("./-x"), LocalPath)


def test_a_path_that_is_not_there_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    with pytest.raises(SourceError, match="no such directory") as caught:
        parse(str(tmp_path / "projct" / "sub"))
    assert caught.value.hint == "Did you mean 'project'?"


def test_a_web_address_without_its_scheme_is_recognised() -> None:
    with pytest.raises(SourceError) as caught:
        parse("github.com/org/repo")
    assert "https://github.com/org/repo" in (caught.value.hint or "")


def test_a_file_that_is_no_archive_is_no_project(tmp_path: Path) -> None:
    (tmp_path / "MLproject").touch()
    with pytest.raises(SourceError, match="is a file") as caught:
        parse(str(tmp_path / "MLproject"))
    assert str(tmp_path) in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("url", "parent", "expected"),
    [
        ("../other", "https://host/org/repo", "https://host/org/other"),
        ("../../x/y", "https://host/org/repo/", "https://host/x/y"),
        ("./inner", "https://host/org/repo", "https://host/org/repo/inner"),
        ("../other.git", "git@host:org/repo.git", "git@host:org/other.git"),
        ("../other.git", "git@host:repo.git", "git@host:other.git"),
        ("../other", "/srv/repos/repo", "/srv/repos/other"),
        ("https://else/x", "https://host/org/repo", "https://else/x"),
    ],
)
def test_the_url_of_a_submodule_is_taken_from_its_parent(url: str, parent: str, expected: str) -> None:
    assert submodule_url(url, parent, parent_is_local=parent.startswith("/")) == expected


@pytest.mark.parametrize("url", ["/etc", "file:///etc", "FILE:///etc", "../../../../../x", "dir/repo"])
def test_a_repository_from_elsewhere_names_no_path_here(url: str) -> None:
    with pytest.raises(SourceError):
        submodule_url(url, "https://host/org/repo", parent_is_local=False)


@pytest.mark.parametrize(
    "url", ["-x", "ext::sh", "ftp://host/x", "ssh://-x/y", "host:-x", "https://host/a\nb"]
)
def test_the_url_of_a_submodule_is_held_to_the_same_rules(url: str) -> None:
    with pytest.raises(SourceError):
        read_repository_url(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:secret@host/x", "https://host/x"),
        ("https://token@host/x", "https://host/x"),
        ("ssh://git:secret@host/x", "ssh://git@host/x"),
        ("git@host:x", "git@host:x"),
        ("/srv/x", "/srv/x"),
    ],
)
def test_the_url_of_a_remote_is_shown_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@given(st.text(alphabet="ab./~\\-", max_size=12))
def test_a_subdirectory_never_climbs_out(text: str) -> None:
    try:
        clean = check_subdirectory(text)
    except SourceError:
        return
    assert not clean.startswith("/")
    assert ".." not in clean.split("/")


@given(st.text(max_size=40))
def test_no_uri_is_read_with_anything_but_a_source_error(text: str) -> None:
    try:
        parse(text)
    except SourceError:
        return
