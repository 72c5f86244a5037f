"""Back-ups of both kinds of stores: made under writers, whole, and looked at before they are put in place."""

from __future__ import annotations

import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from bis.errors import TrackingError
from bis.tracking.backup import back_up, restore
from bis.tracking.model import Metric
from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home


def _uri(address: str | Path) -> str:
    return address if isinstance(address, str) else f"sqlite:///{address}"


def test_a_back_up_under_writers_has_all_that_was_acknowledged(
    local: SqlStore, address: str | Path, home: Home, tmp_path: Path
) -> None:
    run_id = local.create_run("0").info.run_id
    acknowledged, ended = [0], threading.Event()

    def write() -> None:
        store = open_sql_store(address, home.artifacts)
        while not ended.is_set():
            store.log_batch(run_id, [Metric("m", 0.0, acknowledged[0], acknowledged[0])])
            acknowledged[0] += 1
        store.close()

    thread = threading.Thread(target=write)
    thread.start()
    while acknowledged[0] < 20:
        pass
    before = acknowledged[0]
    back_up(_uri(address), str(home.artifacts), tmp_path / "backup")
    ended.set()
    thread.join()
    restore(tmp_path / "backup", f"sqlite:///{tmp_path}/new.db", str(tmp_path / "new"))
    store = open_sql_store(tmp_path / "new.db", tmp_path / "new")
    steps = [point.step for point in store.metric_history(run_id, "m").items]
    assert len(steps) >= before
    assert steps == list(range(len(steps)))
    assert store._db.rows("PRAGMA foreign_key_check") == []
    store.close()


def test_files_of_the_runs_of_a_back_up_are_in_it(
    local: SqlStore, address: str | Path, home: Home, tmp_path: Path
) -> None:
    run_id = local.create_run("0").info.run_id
    local.log_text(run_id, "hello", "a/b.txt")
    assert back_up(_uri(address), str(home.artifacts), tmp_path / "backup").artifacts == 1
    restore(tmp_path / "backup", f"sqlite:///{tmp_path}/new.db", str(tmp_path / "new"))
    store = open_sql_store(tmp_path / "new.db", tmp_path / "new")
    assert store.artifact_path(run_id, "a/b.txt").read_text() == "hello"
    store.close()


def test_a_damaged_back_up_is_not_put_in_place(tmp_path: Path) -> None:
    store = open_sql_store(tmp_path / "t.db", tmp_path / "a")
    for _ in range(50):
        store.create_run("0")
    store.close()
    back_up(f"sqlite:///{tmp_path}/t.db", str(tmp_path / "a"), tmp_path / "backup")
    file = tmp_path / "backup" / "tracking.db"
    connection = sqlite3.connect(file)
    page, size = connection.execute(
        "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = 'runs_by_start'"
    ).fetchone()
    connection.close()
    content = bytearray(file.read_bytes())
    content[(page - 1) * size + 200 : page * size] = b"\xff" * (size - 200)
    file.write_bytes(content)
    with pytest.raises(TrackingError, match="damaged"):
        restore(tmp_path / "backup", f"sqlite:///{tmp_path}/new.db", str(tmp_path / "new"))
    assert not (tmp_path / "new.db").exists()
