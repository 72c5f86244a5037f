from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bis.environments import local_paths

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "pkg"
    (folder / "src" / "inner").mkdir(parents=True)
    (folder / "setup.py").write_text("from setuptools import setup\nsetup(name='pkg')\n")
    (folder / "src" / "inner" / "__init__.py").write_text("X = 1\n")
    return folder


def test_an_edit_makes_another_digest_and_undoing_it_the_first(package: Path, home: Home) -> None:
    code = package / "src" / "inner" / "__init__.py"
    before = local_paths.digest(package, home, editable=False)
    code.write_text("X = 2\n")
    assert local_paths.digest(package, home, editable=False) != before
    code.write_text("X = 1\n")
    assert local_paths.digest(package, home, editable=False) == before


def test_a_file_is_read_again_only_when_its_times_change(package: Path, home: Home) -> None:
    code = package / "src" / "inner" / "__init__.py"
    before = local_paths.digest(package, home, editable=False)
    code.chmod(0o000)
    code.chmod(0o644)
    os.utime(code, (1, 1))
    assert local_paths.digest(package, home, editable=False) == before


@pytest.mark.parametrize(
    "name", [".git/x", "build/x", "a.egg-info/x", "src/__pycache__/x.pyc", ".venv/x", "mlruns/0/x"]
)
def test_what_is_no_part_of_a_package_does_not_count(package: Path, home: Home, name: str) -> None:
    before = local_paths.digest(package, home, editable=False)
    (package / name).parent.mkdir(parents=True)
    (package / name).write_text("x")
    assert local_paths.digest(package, home, editable=False) == before


def test_the_digest_does_not_depend_on_the_place(package: Path, home: Home) -> None:
    before = local_paths.digest(package, home, editable=False)
    assert local_paths.digest(package.rename(package.with_name("moved")), home, editable=False) == before


def test_only_metadata_counts_for_an_editable_package(package: Path, home: Home) -> None:
    before = local_paths.digest(package, home, editable=True)
    (package / "src" / "inner" / "__init__.py").write_text("X = 2\n")
    assert local_paths.digest(package, home, editable=True) == before
    (package / "setup.py").write_text("from setuptools import setup\nsetup(name='pkg', version='2')\n")
    assert local_paths.digest(package, home, editable=True) != before


def test_an_editable_package_that_compiles_counts_whole(package: Path, home: Home) -> None:
    (package / "setup.py").write_text("setup(ext_modules=[Extension('x', ['x.c'])])\n")
    before = local_paths.digest(package, home, editable=True)
    (package / "x.c").write_text("int x;")
    assert local_paths.digest(package, home, editable=True) != before


def test_the_source_root_is_src_where_there_is_one(package: Path, tmp_path: Path) -> None:
    assert local_paths.source_root(package) == package / "src"
    assert local_paths.source_root(tmp_path) == tmp_path


def test_a_staged_copy_takes_what_a_build_writes(package: Path, tmp_path: Path) -> None:
    before = sorted(package.rglob("*"))
    local_paths.stage(package, tmp_path / "copy")
    (tmp_path / "copy" / "src" / "pkg.egg-info").mkdir()
    assert (tmp_path / "copy" / "src" / "inner" / "__init__.py").read_text() == "X = 1\n"
    assert sorted(package.rglob("*")) == before


def test_a_large_file_is_not_copied(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_paths, "_LARGE_BYTES", 10)
    local_paths.stage(package, tmp_path / "copy")
    assert (tmp_path / "copy" / "setup.py").readlink() == package / "setup.py"
    assert not (tmp_path / "copy" / "src" / "inner" / "__init__.py").is_symlink()


def test_a_link_counts_by_where_it_points_to_and_is_not_followed(package: Path, home: Home) -> None:
    (package / "link").symlink_to("/nowhere/one")
    before = local_paths.digest(package, home, editable=False)
    (package / "link").unlink()
    (package / "link").symlink_to("/nowhere/two")
    assert local_paths.digest(package, home, editable=False) != before
