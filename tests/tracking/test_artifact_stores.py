"""What every place for artifacts promises: a directory, S3, Google Cloud Storage and Azure."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis.errors import TrackingError
from bis.tracking.artifact_store import ArtifactStore, open_artifacts
from bis.tracking.artifacts import ArtifactDirectory
from bis.tracking.model import FileInfo
from bis.tracking.refusals import RefusedError
from object_stores import (
    azure_server,
    google_server,
    open_uploads,
    s3_server,
    use_azure,
    use_google,
    use_s3,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("obstore")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(scope="module")
def azure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with azure_server(tmp_path_factory.mktemp("azure")) as address:
        yield address


@pytest.fixture(scope="module")
def google() -> Iterator[str]:
    with google_server() as address:
        yield address


@pytest.fixture(params=["directory", "S3", "Google", pytest.param("Azure", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    if request.param == "directory":
        return open_artifacts(tmp_path / "artifacts")
    if request.param == "S3":
        use_s3(request.getfixturevalue("s3"), monkeypatch, tmp_path)
        return open_artifacts(f"s3://bucket/{tmp_path.name}/with space")
    if request.param == "Google":
        use_google(request.getfixturevalue("google"), monkeypatch, tmp_path)
        return open_artifacts(f"gs://google/{tmp_path.name}/with space")
    use_azure(request.getfixturevalue("azure"), monkeypatch)
    return open_artifacts(f"az://container/{tmp_path.name}/with space")


def content(store: ArtifactStore, path: str, start: int = 0, length: int | None = None) -> bytes:
    with store.open(path) as file:
        return b"".join(file.chunks(start, length))


def names(store: ArtifactStore, path: str = "") -> list[str]:
    return sorted(file.path for file in store.files(path))


@pytest.mark.parametrize("path", ["a", "a/b/c.txt", "ü #;%2e%2e?.txt", "a b/&+=~'\".bin", "...", "x/./y//z"])
def test_what_was_written_is_read_under_its_name(store: ArtifactStore, path: str) -> None:
    store.write(path, b"hello")
    assert content(store, path) == b"hello"
    assert names(store) == [path.replace("/./", "/").replace("//", "/")]


@pytest.mark.parametrize("path", ["..", "a/../../b", "/etc/passwd", "a\0b", "a\\b", "s3://b/c"])
def test_no_name_leaves_the_root(store: ArtifactStore, path: str) -> None:
    for use in (store.below, store.listing, store.delete, lambda name: store.write(name, b"x")):
        with pytest.raises(RefusedError):
            use(path)
    with pytest.raises(RefusedError), store.open(path):
        pass


def test_a_part_of_a_file_is_read(store: ArtifactStore) -> None:
    store.write("a", bytes(range(100)))
    assert content(store, "a", 10, 5) == bytes(range(10, 15))
    assert content(store, "a", 90) == bytes(range(90, 100))
    assert content(store, "a", 0, 0) == b""


def test_a_file_says_its_size_and_changes_its_mark_with_its_content(store: ArtifactStore) -> None:
    store.write("a", b"one")
    with store.open("a") as first:
        assert first.size_bytes == 3
    store.write("a", b"three")
    with store.open("a") as second:
        assert (second.size_bytes, second.etag != first.etag) == (5, True)
        assert second.etag.startswith('"')
        assert second.modified > 1_600_000_000


def test_a_directory_is_listed_by_name_with_sizes(store: ArtifactStore) -> None:
    for path in ("b.txt", "d/one", "d/e/two", "a.txt"):
        store.write(path, b"xyz")
    assert store.listing() == [
        FileInfo("a.txt", is_dir=False, size_bytes=3),
        FileInfo("b.txt", is_dir=False, size_bytes=3),
        FileInfo("d", is_dir=True),
    ]
    assert store.listing("d") == [FileInfo("d/e", is_dir=True), FileInfo("d/one", is_dir=False, size_bytes=3)]
    assert (store.listing("a.txt"), store.listing("nothing")) == ([], [])
    assert (names(store, "d"), names(store, "a.txt")) == (["d/e/two", "d/one"], ["a.txt"])


def test_a_store_below_a_directory_has_its_own_root(store: ArtifactStore) -> None:
    store.below("runs/1").write("model/x", b"1")
    store.write("runs/12/y", b"2")
    below = store.below("runs").below("1")
    assert names(below) == ["model/x"]
    assert below.listing() == [FileInfo("model", is_dir=True)]
    assert content(below, "model/x") == b"1"
    assert below.uri == f"{store.uri}/runs/1"


def test_a_file_and_a_directory_are_deleted(store: ArtifactStore) -> None:
    for path in ("d/a", "d/b/c", "db", "e"):
        store.write(path, b"x")
    store.delete("d")
    store.delete("e")
    assert names(store) == ["db"]
    for path in ("e", "nothing"):
        with pytest.raises(RefusedError, match="No such artifact"):
            store.delete(path)
    with pytest.raises(RefusedError, match="needs a path"):
        store.delete("")


def test_a_file_that_is_not_there_is_told(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="No such artifact"), store.open("a"):
        pass
    with pytest.raises(RefusedError, match="No such artifact"):
        store.copy_to("a", tmp_path / "here")


def test_a_directory_is_copied_in_and_out(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "x").write_bytes(b"x" * 3_000_000)
    (tmp_path / "in" / "empty").touch()
    store.add(tmp_path / "in", "put/here")
    out = store.copy_to("put", tmp_path / "out")
    assert (out / "here" / "deep" / "x").read_bytes() == b"x" * 3_000_000
    assert (out / "here" / "empty").read_bytes() == b""


def test_a_write_that_is_broken_off_leaves_what_was_there(store: ArtifactStore) -> None:
    store.write("a", b"old")

    def break_off() -> None:
        with store.writing("a") as file:
            for _ in range(20):
                file.write(b"x" * (1 << 20))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert content(store, "a") == b"old"
    assert names(store) == ["a"]


def test_nothing_of_a_large_upload_stays_in_the_bucket_when_it_is_broken_off(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(s3, monkeypatch, tmp_path)
    store = open_artifacts(f"s3://bucket/{tmp_path.name}")
    seen = []

    def break_off() -> None:
        with store.writing("a") as file:
            for _ in range(20):
                file.write(b"x" * (1 << 20))
            seen.append(open_uploads(s3))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert (seen, open_uploads(s3), names(store)) == ([1], 0, [])


def test_of_writers_of_one_path_one_wins_whole(store: ArtifactStore) -> None:
    start = threading.Barrier(4)

    def write(letter: bytes) -> None:
        start.wait()
        with store.writing("d/a") as file:
            for _ in range(50):
                file.write(letter * 10_000)

    threads = [threading.Thread(target=write, args=(bytes([65 + number]),)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = content(store, "d/a")
    assert len(found) == 500_000
    assert len(set(found)) == 1
    assert names(store) == ["d/a"]


def test_a_reader_goes_on_with_the_version_it_opened(tmp_path: Path) -> None:
    store = ArtifactDirectory(tmp_path)
    store.write("a", b"old" * 1_000_000)
    with store.open("a") as file:
        parts = file.chunks()
        first = next(parts)
        store.write("a", b"new")
        assert first + b"".join(parts) == b"old" * 1_000_000


def test_a_reader_of_an_object_is_told_that_another_took_its_place(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(s3, monkeypatch, tmp_path)
    store = open_artifacts(f"s3://bucket/{tmp_path.name}")
    store.write("a", b"old" * 4_000_000)

    def read() -> None:
        with store.open("a") as file:
            parts = file.chunks()
            next(parts)
            store.write("a", b"new" * 4_000_000)
            list(parts)

    with pytest.raises(TrackingError):
        read()


@pytest.mark.parametrize(
    "address",
    ["s3://key:secret@bucket/x", "az://container/x?sig=secret", "gs://bucket/x#secret", "s3://[secret"],
)
def test_credentials_in_an_address_are_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(TrackingError) as caught:
        open_artifacts(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["ftp://host/x", "hdfs://x/y", "mlflow-artifacts://x/y"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(TrackingError, match="cannot be reached from here"):
        open_artifacts(address)


@pytest.mark.parametrize("address", ["gs://bucket/a", "az://container/a"])
def test_google_and_azure_are_opened_without_asking_them(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    assert open_artifacts(address).uri == address


def test_a_path_and_a_file_uri_are_directories(tmp_path: Path) -> None:
    assert open_artifacts(str(tmp_path)).uri == open_artifacts(tmp_path.as_uri()).uri == str(tmp_path)


def test_a_bucket_that_is_not_there_is_told(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_s3(s3, monkeypatch, tmp_path)
    with pytest.raises(TrackingError, match="no such bucket"):
        open_artifacts("s3://nobucket/x").write("a", b"x")


def test_an_object_whose_name_would_leave_the_root_is_refused(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib.request

    use_s3(s3, monkeypatch, tmp_path)
    for name in ("x/%2e%2e/%2e%2e/out", "x/fine"):
        urllib.request.urlopen(
            urllib.request.Request(f"{s3}/bucket/{tmp_path.name}/{name}", data=b"x", method="PUT")
        ).close()
    store = open_artifacts(f"s3://bucket/{tmp_path.name}")
    with contextlib.suppress(TrackingError):
        store.copy_to("", tmp_path / "here")
    assert not (tmp_path / "out").exists()
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} <= {"fine"}


def test_without_a_client_for_object_stores_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "obstore", None)
    monkeypatch.setitem(sys.modules, "obstore.store", None)
    with pytest.raises(TrackingError, match=r"pip install 'bis\[server\]'"):
        open_artifacts("s3://bucket/x")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ArtifactDirectory(tmp_path)
    store.write("a", b"old")
    opened = Path.open

    def on_a_full_disk(path: Path, *arguments: object, **options: object) -> object:
        if path.name.endswith(".bis-part"):
            opened(path, "xb").close()
            return opened(Path("/dev/full"), "wb")
        return opened(path, *arguments, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", on_a_full_disk)
    with pytest.raises(TrackingError, match="No space left on device"):
        store.write("a", b"new")
    monkeypatch.undo()
    assert content(store, "a") == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
