from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from bis.file_locks import exclusive, exclusive_if_free, shared

if TYPE_CHECKING:
    from pathlib import Path


def test_one_holds_it_alone(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock"), exclusive_if_free(tmp_path / "lock") as free:
        assert not free
    with exclusive_if_free(tmp_path / "lock") as free:
        assert free


def test_those_who_share_it_keep_out_who_wants_it_alone(tmp_path: Path) -> None:
    with shared(tmp_path / "lock"), shared(tmp_path / "lock"), exclusive_if_free(tmp_path / "lock") as free:
        assert not free


def test_it_is_given_back_although_a_child_has_the_descriptor(tmp_path: Path) -> None:
    with exclusive(tmp_path / "lock") as held:
        child = subprocess.Popen(["sleep", "60"], pass_fds=[held])
    try:
        with exclusive_if_free(tmp_path / "lock") as free:
            assert free
    finally:
        child.kill()
        child.wait()
