"""The one place where a path that a client names becomes a path on disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.errors import TrackingError
from bis.tracking import RefusedError
from bis.tracking.artifact_store import checked_path
from bis.tracking.artifacts import ArtifactDirectory, local_directory, upload_path


@pytest.mark.parametrize(
    ("path", "checked"),
    [
        ("a/b.txt", "a/b.txt"),
        ("./a//b/", "a/b"),
        ("", ""),
        ("ü #;%2e%2e?.txt", "ü #;%2e%2e?.txt"),
        ("...", "..."),
        ("a:b", "a:b"),
    ],
)
def test_a_path_is_taken(path: str, checked: str) -> None:
    assert checked_path(path) == checked


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../a",
        "a/../b",
        "a/..",
        "/etc/passwd",
        "//x",
        "a\0b",
        "a\\..\\b",
        "file:/etc",
        "S3://b/k",
        "x+y:/z",
    ],
)
def test_a_path_that_could_leave_the_root_is_refused(path: str, tmp_path: Path) -> None:
    directory = ArtifactDirectory(tmp_path / "root")
    for use in (checked_path, directory.resolve, directory.file, directory.listing, directory.delete):
        with pytest.raises(RefusedError):
            use(path)
    with pytest.raises(RefusedError):
        directory.write(path, b"x")
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="./\\:a%\0~", max_size=12))
def test_no_path_leaves_the_root(tmp_path: Path, path: str) -> None:
    try:
        found = ArtifactDirectory(tmp_path).resolve(path)
    except RefusedError:
        return
    assert found == tmp_path or tmp_path in found.parents


def test_links_do_not_lead_out(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("secret")
    (root / "dir").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    directory = ArtifactDirectory(root)
    for path in ("dir", "dir/secret", "file", "dir/new"):
        with pytest.raises(RefusedError):
            directory.resolve(path)
    with pytest.raises(RefusedError):
        directory.write("dir/new", b"x")
    assert [path.name for path in outside.iterdir()] == ["secret"]


def test_a_root_that_is_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    ArtifactDirectory(tmp_path / "link").write("a/b", b"x")
    assert (tmp_path / "real" / "a" / "b").read_bytes() == b"x"


def test_a_link_to_its_parent_has_an_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "file").touch()
    assert [file.path for file in ArtifactDirectory(tmp_path).files()] == ["a/file"]


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    directory = ArtifactDirectory(tmp_path)
    directory.write("a", b"old")

    def fail() -> None:
        with directory.writing("a") as file:
            file.write(b"new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert (tmp_path / "a").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_that_is_being_written_is_not_listed(tmp_path: Path) -> None:
    directory = ArtifactDirectory(tmp_path)
    with directory.writing("a") as file:
        file.write(b"half")
        assert directory.listing() == []
    assert [entry.path for entry in directory.listing()] == ["a"]


@pytest.mark.parametrize("path", ["a/b", "a"])
def test_a_file_and_a_directory_are_not_in_each_others_place(tmp_path: Path, path: str) -> None:
    directory = ArtifactDirectory(tmp_path)
    directory.write("a" if path == "a/b" else "a/b", b"x")
    with pytest.raises(RefusedError, match="another artifact"):
        directory.write(path, b"y")


def test_a_name_that_is_too_long_is_an_error_in_words(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="is too long"):
        ArtifactDirectory(tmp_path).write("x" * 300, b"")


def test_the_root_itself_is_neither_written_nor_deleted(tmp_path: Path) -> None:
    directory = ArtifactDirectory(tmp_path)
    for path in ("", ".", "./"):
        with pytest.raises(RefusedError, match="needs a path"):
            directory.delete(path)
        with pytest.raises(RefusedError, match="needs a path"):
            directory.write(path, b"")


def test_files_and_directories_are_deleted(tmp_path: Path) -> None:
    directory = ArtifactDirectory(tmp_path)
    directory.write("a/b/c", b"x")
    directory.write("d", b"x")
    directory.delete("a")
    directory.delete("d")
    with pytest.raises(RefusedError, match="No such artifact"):
        directory.delete("d")
    assert directory.listing() == []


def test_a_directory_is_uploaded_as_its_content_and_a_file_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "f.txt").touch()
    assert upload_path(tmp_path / "f.txt", None) == "f.txt"
    assert upload_path(tmp_path / "f.txt", "a/b") == "a/b/f.txt"
    assert upload_path(tmp_path, None) == ""
    assert upload_path(tmp_path, "a") == "a"


@pytest.mark.parametrize(
    ("uri", "directory"),
    [
        ("/a/b", "/a/b"),
        ("file:///a%20b", "/a b"),
        ("file:/a", "/a"),
        ("file://localhost/a", "/a"),
    ],
)
def test_an_address_on_this_disk(uri: str, directory: str) -> None:
    assert local_directory(uri) == Path(directory)


@pytest.mark.parametrize("uri", ["s3://b/k", "file://otherhost/a", "gs://x", "relative"])
def test_an_address_elsewhere_is_refused(uri: str) -> None:
    with pytest.raises(TrackingError, match="cannot be reached"):
        local_directory(uri)
