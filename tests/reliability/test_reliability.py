"""The scripts of this directory, with few rounds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from postgres_server import running_postgres
from reliability.full_disk import fill_and_free, small_disk
from reliability.kill_server import kill_often
from reliability.one_run import write_one_run
from reliability.slow_clients import endure
from reliability.two_servers import share_a_store

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the memory of the server is read from /proc"),
]


def test_a_killed_server_loses_and_doubles_nothing(tmp_path: Path) -> None:
    assert kill_often(tmp_path, kills=10, writers=16) > 0


def test_sixty_four_clients_write_one_run(tmp_path: Path) -> None:
    assert write_one_run(tmp_path, clients=64, seconds=2) > 0


def test_a_full_disk_is_told_and_survived(tmp_path: Path) -> None:
    try:
        with small_disk(tmp_path / "disk", 24) as place:
            before, after = fill_and_free(place)
    except OSError as error:
        pytest.skip(str(error))
    assert before > 0
    assert after > 0


def test_bad_clients_do_not_keep_a_good_one_from_logging(tmp_path: Path) -> None:
    points, _ = endure(tmp_path, each=50, seconds=3)
    assert points > 0


def test_two_servers_share_a_postgresql_store(tmp_path: Path) -> None:
    with running_postgres() as postgres:
        assert share_a_store(tmp_path, postgres.new_database(), kills=5, writers=16) > 0
