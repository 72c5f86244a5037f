"""``bis init``, and the tutorial project that it copies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bis.cli.init import TUTORIAL

if TYPE_CHECKING:
    from bis_command import Bis

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "iris"


def files(directory: Path) -> dict[str, bytes]:
    """The files below a directory, by their name in it."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_example_is_what_init_makes(bis: Bis, tmp_path: Path) -> None:
    assert bis("init", tmp_path / "demo").status == 0
    assert files(tmp_path / "demo") == files(EXAMPLE) == files(TUTORIAL)
    assert set(files(EXAMPLE)) == {"MLproject", "conda.yaml", "train.py", "data/iris.csv"}


def test_it_can_be_run_as_it_is(bis: Bis, tmp_path: Path) -> None:
    bis("init", tmp_path / "demo")
    checked = bis("check", tmp_path / "demo", "--json").json
    assert checked["warnings"] == []
    assert (
        checked["entry_points"]["main"]["command"] == "python train.py --learning_rate 0.01 --num_epochs 10"
    )
    assert checked["environment"]["python"] == "3.8"


def test_nothing_is_overwritten(bis: Bis, tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "conda.yaml").write_text("mine")
    refused = bis("init", tmp_path / "demo")
    assert refused.status == 2
    assert "conda.yaml is there already" in refused.err
    assert files(tmp_path / "demo") == {"conda.yaml": b"mine"}


def test_a_folder_without_a_name_is_wrong_use(bis: Bis) -> None:
    refused = bis("init", "")
    assert refused.status == 2
    assert list(bis.cwd.iterdir()) == []
