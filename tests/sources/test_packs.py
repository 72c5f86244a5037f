from __future__ import annotations

import io
import os
import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from bis.errors import SourceError
from bis.home import Home
from bis.sources import restore
from bis.sources.object_store import ObjectStore
from bis.sources.objects import add_blob, write_tree
from bis.sources.packs import pack, unpack, write_pack

if TYPE_CHECKING:
    from pathlib import Path

    from sources.scene import Fetcher


@pytest.fixture
def elsewhere(tmp_path: Path) -> Home:
    """The home of another machine."""
    return Home(tmp_path / "elsewhere")


def test_a_snapshot_that_travelled_is_the_same_byte_for_byte(
    get: Fetcher, tmp_path: Path, elsewhere: Home
) -> None:
    root = tmp_path / "p"
    (root / "sub").mkdir(parents=True)
    (root / "train.py").write_text("print(1)\r\n")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "sub" / "é ü%.bin").write_bytes(bytes(range(256)))
    (root / "link").symlink_to("sub")
    tree = get(root).tree
    assert tree
    assert unpack(elsewhere, pack(get.home, tree)) == tree
    restore(tree, tmp_path / "back", elsewhere)
    back = tmp_path / "back"
    assert (back / "train.py").read_bytes() == b"print(1)\r\n"
    assert os.access(back / "run.sh", os.X_OK)
    assert (back / "sub" / "é ü%.bin").read_bytes() == bytes(range(256))
    assert os.readlink(back / "link") == "sub"  # noqa: PTH115


@pytest.mark.parametrize("name", [b"not \xff text", b"back\\slash", b"100%", b"new\nline"])
def test_a_name_that_a_zip_cannot_say_is_kept(get: Fetcher, elsewhere: Home, name: bytes) -> None:
    store = ObjectStore.open(get.home)
    tree = write_tree(store, [("100644", add_blob(store, b"x"), name)])
    assert unpack(elsewhere, pack(get.home, tree)) == tree


def test_the_same_snapshot_gives_the_same_bytes(get: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a").write_text("a")
    tree = get(tmp_path / "p").tree
    assert tree
    assert pack(get.home, tree) == pack(get.home, tree)


def test_a_large_file_travels_by_its_hash_alone(
    get: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_SNAPSHOT_MAX_FILE_SIZE", "10")
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "data").write_bytes(b"0" * 11)
    source = get(tmp_path / "p")
    assert source.tree
    assert write_pack(get.home, source.tree, io.BytesIO()) == source.large_files


def test_a_snapshot_that_lost_an_object_is_not_packed(get: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a").write_text("a")
    tree = get(tmp_path / "p").tree
    assert tree
    store = ObjectStore.open(get.home)
    blob = add_blob(store, b"a")
    (store.directory / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(SourceError, match=f"{blob} is missing"):
        pack(get.home, tree)
    with pytest.raises(SourceError, match="is not in"):
        pack(get.home, "0" * 40)


def _zip(*members: tuple[str, int, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, mode, content in members:
            member = zipfile.ZipInfo(name)
            member.create_system = 3
            member.external_attr = mode << 16
            file.writestr(member, content)
    return target.getvalue()


_FILE = stat.S_IFREG | 0o644


@pytest.mark.parametrize(
    ("packed", "said"),
    [
        (_zip(("../out", _FILE, b"")), "leaves the directory"),
        (_zip(("/out", _FILE, b"")), "leaves the directory"),
        (_zip(("a/.GIT/config", _FILE, b"")), "leaves the directory"),
        (_zip(("a//b", _FILE, b"")), "leaves the directory"),
        (_zip(("device", stat.S_IFCHR | 0o600, b"")), "no plain file"),
        (_zip(("setuid", stat.S_IFREG | 0o4755, b"")), "no plain file"),
        (_zip(("a", _FILE, b"1"))[:-30], "no snapshot that can be read"),
        (b"", "no snapshot that can be read"),
        (b"text", "no snapshot that can be read"),
    ],
)
def test_what_no_snapshot_has_is_refused(elsewhere: Home, packed: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        unpack(elsewhere, packed)


def test_a_zip_that_unpacks_to_far_more_is_refused(elsewhere: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.sources.packs.MAX_UNPACKED_BYTES", 100)
    monkeypatch.setattr("bis.sources.packs.MAX_RATIO", 0)
    with pytest.raises(SourceError, match="far more than it is"):
        unpack(elsewhere, _zip(("a", _FILE, b"0" * 60), ("b", _FILE, b"0" * 60)))


def test_a_changed_byte_gives_another_tree(get: Fetcher, elsewhere: Home) -> None:
    store = ObjectStore.open(get.home)
    tree = write_tree(store, [("100644", add_blob(store, b"x"), b"a")])
    assert unpack(elsewhere, _zip(("a", _FILE, b"y"))) != tree
