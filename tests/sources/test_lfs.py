from __future__ import annotations

import os
from pathlib import Path

import pytest

from bis.errors import SourceError
from sources.scene import Fetcher, Repository, train

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
        for command in Path(place).glob("*") if os.access(place, os.R_OK | os.X_OK) else ():
            link = directory / command.name
            if command.name != "git-lfs" and not link.is_symlink():
                link.symlink_to(command)
    return str(directory)
