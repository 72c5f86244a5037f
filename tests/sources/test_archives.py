from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from bis.errors import SourceError
from bis.sources import restore, unpacking
from sources.gitservers import files_http
from sources.scene import contents

if TYPE_CHECKING:
    from pathlib import Path

    from sources.scene import Fetcher

FILES = {"MLproject": b"name: x\n", "train.py": b"print(1)\n", "sub/a b.txt": b"x"}


def make_zip(file: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


def make_tar(file: Path, members: dict[str, bytes]) -> Path:
    compression = {"gz": "gz", "tgz": "gz", "bz2": "bz2", "tbz2": "bz2", "xz": "xz", "txz": "xz"}
    kind = compression.get(file.suffix[1:], "")
    with tarfile.open(file, f"w:{kind}") as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file


def make(file: Path, members: dict[str, bytes]) -> Path:
    return make_zip(file, members) if file.suffix.lower() == ".zip" else make_tar(file, members)


@pytest.mark.parametrize(
    "name",
    ["p.zip", "P.ZIP", "p.tar", "p.tar.gz", "p.tgz", "p.tar.bz2", "p.tbz2", "p.tar.xz", "p.txz", "a b#c.zip"],
)
def test_an_archive_is_unpacked(name: str, tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / name, FILES)
    source = get(file)
    assert {path: value[1] for path, value in contents(source.root).items()} == FILES
    assert (source.kind, source.commit, source.dirty, source.name) == ("archive", None, False, str(file))
    assert source.tree is not None
    restore(source.tree, tmp_path / "again", get.home)
    assert contents(tmp_path / "again") == contents(source.root)


def test_the_single_top_folder_is_entered(tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / "p.zip", {f"repo-main/{name}": content for name, content in FILES.items()})
    source = get(f"{file}#sub")
    assert source.root.name == "repo-main"
    assert source.directory == source.root / "sub"
    assert source.tree == get(make(tmp_path / "q.tar.gz", FILES)).tree


def test_a_subdirectory_that_is_not_in_the_archive(tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / "p.zip", FILES)
    with pytest.raises(SourceError, match="no subdirectory 'sup'"):
        get(f"{file}#sup")


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_an_archive_has_no_version(form: str, tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / "p.zip", FILES)
    with pytest.raises(SourceError, match="has no versions"):
        get(form.format(file), "v1")


def test_programs_stay_executable(tmp_path: Path, get: Fetcher) -> None:
    file = tmp_path / "p.zip"
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("run.sh")
        info.external_attr = (stat.S_IFREG | 0o4755) << 16
        archive.writestr(info, "x")
        archive.writestr("data", "x")
    source = get(file)
    assert os.access(source.root / "run.sh", os.X_OK)
    assert not (source.root / "run.sh").stat().st_mode & stat.S_ISUID
    assert not os.access(source.root / "data", os.X_OK) or not (source.root / "data").stat().st_mode & 0o111


def test_a_git_directory_in_an_archive_is_left_out(tmp_path: Path, get: Fetcher) -> None:
    file = make(
        tmp_path / "p.zip", {**FILES, ".git/config": b"[core]\n\tfsmonitor = touch /tmp/x\n", "a/.GIT/x": b""}
    )
    assert {path: value[1] for path, value in contents(get(file).root).items()} == FILES


def test_what_a_run_changed_is_unpacked_anew(tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / "p.zip", FILES)
    first = get(file)
    (first.root / "train.py").write_bytes(b"print(2)\n")
    (first.root / "out").mkdir()
    first.close()
    second = get(file)
    assert second.root == first.root
    assert {path: value[1] for path, value in contents(second.root).items()} == FILES
    assert not (second.root / "out").exists()


def test_runs_at_once_get_a_directory_each(tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / "p.zip", FILES)
    first, second = get(file), get(file)
    assert first.root != second.root
    assert first.tree == second.tree


# By HTTP.


@pytest.mark.parametrize("name", ["p.zip", "p.tar.gz"])
def test_an_archive_is_downloaded(name: str, tmp_path: Path, get: Fetcher) -> None:
    (tmp_path / "www").mkdir()
    make(tmp_path / "www" / name, FILES)
    with files_http(tmp_path / "www") as server:
        source = get(f"{server.url}/{name}#sub")
        assert (source.root / "train.py").read_bytes() == FILES["train.py"]
        assert source.name == f"{server.url}/{name}#sub"
        assert get(f"{server.url}/moved/{name}").tree == source.tree


def test_an_archive_of_another_content_is_another_source(tmp_path: Path, get: Fetcher) -> None:
    (tmp_path / "www").mkdir()
    with files_http(tmp_path / "www") as server:
        make(tmp_path / "www" / "p.zip", FILES)
        first = get(f"{server.url}/p.zip")
        make(tmp_path / "www" / "p.zip", {**FILES, "train.py": b"print(2)\n"})
        assert get(f"{server.url}/p.zip").tree != first.tree


def test_credentials_of_an_archive_work_and_are_seen_nowhere(tmp_path: Path, get: Fetcher) -> None:
    (tmp_path / "www").mkdir()
    make(tmp_path / "www" / "p.zip", FILES)
    with files_http(tmp_path / "www", login="ada:s3cret-token") as server:
        address = server.url.removeprefix("http://")
        source = get(f"http://ada:s3cret-token@{address}/p.zip?token=s3cret-token")
        assert "s3cret" not in repr(source)
        for uri in (f"http://{address}/p.zip", f"http://ada:wr0ng@{address}/p.zip?sig=wr0ng"):
            with pytest.raises(SourceError, match="HTTP 401") as caught:
                get(uri)
            assert "wr0ng" not in str(caught.value)
    assert not any("s3cret" in note or "wr0ng" in note for note in get.notes)
    for path in get.home.root.rglob("*"):
        assert path.is_dir() or b"s3cret" not in path.read_bytes()


def test_credentials_do_not_follow_a_redirect(tmp_path: Path, get: Fetcher) -> None:
    make(tmp_path / "p.zip", FILES)
    with files_http(tmp_path) as server:
        get(f"http://ada:secret@{server.url.removeprefix('http://')}/moved/p.zip")
        assert [bool(each) for each in server.authorizations] == [True, False]


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path, get: Fetcher) -> None:
    make(tmp_path / "p.zip", {"big": os.urandom(100_000)})
    with (
        files_http(tmp_path, cut_after=50_000) as server,
        pytest.raises(SourceError, match="broke off") as caught,
    ):
        get(f"{server.url}/p.zip")
    assert caught.value.hint == "Try again."
    assert list(get.home.archives.iterdir()) == []


def test_an_archive_that_is_not_there(tmp_path: Path, get: Fetcher) -> None:
    with files_http(tmp_path) as server, pytest.raises(SourceError, match="HTTP 404"):
        get(f"{server.url}/p.zip")
    with pytest.raises(SourceError, match="cannot reach"):
        get("http://127.0.0.1:1/p.zip")


# What is refused.


@pytest.mark.parametrize(
    "name", ["../out", "a/../../out", "/tmp/out", "..", "a\\..\\..\\out", "C:\\out", "C:/out", "./../out"]
)
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_member_that_climbs_out_is_refused(name: str, suffix: str, tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / f"p.{suffix}", {**FILES, name: b"x"})
    with pytest.raises(SourceError, match="is refused"):
        get(file)
    assert not list(get.home.archives.glob("*/tree-0"))
    assert not list(get.home.archives.glob("**/out"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path, get: Fetcher) -> None:
    file = tmp_path / "p.tar"
    with tarfile.open(file, "w") as archive:
        member = tarfile.TarInfo("link")
        member.type = kind
        member.linkname = "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(SourceError, match="is a link or a device"):
        get(file)


def test_a_link_in_a_zip_is_refused(tmp_path: Path, get: Fetcher) -> None:
    file = tmp_path / "p.zip"
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("link")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(SourceError, match="is a link or a device"):
        get(file)


def test_an_encrypted_zip_is_refused(tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / "p.zip", {"a": b"x"})
    content = bytearray(file.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    file.write_bytes(bytes(content))
    with pytest.raises(SourceError, match="is encrypted"):
        get(file)


@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "tar.xz"])
def test_a_bomb_is_refused(
    suffix: str, tmp_path: Path, get: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 1_000_000)
    file = make(tmp_path / f"p.{suffix}", {"zeros": bytes(10_000_000)})
    with pytest.raises(SourceError, match="unpacks to more than"):
        get(file)
    assert not list(get.home.archives.glob("*/tree-0*/*"))


def test_too_many_members_are_refused(tmp_path: Path, get: Fetcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 10)
    file = make(tmp_path / "p.zip", {str(number): b"" for number in range(11)})
    with pytest.raises(SourceError, match="more than 10 members"):
        get(file)


def test_a_file_that_is_a_directory_too_is_refused(tmp_path: Path, get: Fetcher) -> None:
    for suffix in ("zip", "tar"):
        with pytest.raises(SourceError, match="is a file and a directory"):
            get(make(tmp_path / f"p.{suffix}", {"a": b"x", "a/b": b"x"}))


@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "tar.xz", "tar.bz2"])
def test_a_damaged_archive_is_called_so(suffix: str, tmp_path: Path, get: Fetcher) -> None:
    file = make(tmp_path / f"p.{suffix}", {"a": os.urandom(50_000)})
    whole = file.read_bytes()
    for content in (b"no archive", whole[:30_000], whole[:20_000] + bytes(5_000) + whole[25_000:]):
        file.write_bytes(content)
        with pytest.raises(SourceError, match=r"no archive that can be unpacked|cannot be unpacked"):
            get(file)
    assert not list(get.home.archives.glob("*/tree-0*/*"))
