"""``bis store``: back-ups while a server runs, and stores made from them."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from bis.tracking.model import Metric, Param, Tag
from bis.tracking.sql_store import open_sql_store
from bis_server import serving
from postgres_server import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bis.tracking.sql_store import SqlStore
    from bis_command import Bis

API = "/api/2.0/mlflow"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store that is not there yet."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path / 'restored' / 'tracking.db'}"
    postgres: PostgresServer = request.getfixturevalue("postgres")
    return postgres.new_database()


def fill(store: SqlStore, runs: int = 3) -> list[str]:
    """Runs with something in each table that matters."""
    experiment = store.create_experiment("é'x", tags=[Tag("t", "1")])
    made = []
    for number in range(runs):
        run_id = store.create_run(experiment, name=f"run {number}").info.run_id
        values = [float("nan"), float("inf"), -1.5, 0.1 + 0.2]
        metrics = [Metric("m", value, 1_795_610_431_794, step) for step, value in enumerate(values)]
        store.log_batch(run_id, metrics, [Param("p", "ä\n'")], [Tag("k", "v")])
        store.artifacts.write(f"{experiment}/{run_id}/artifacts/a/b.txt", b"content")
        made.append(run_id)
    return made


def seen(store: SqlStore, run_ids: list[str]) -> str:
    """All that is known of the runs, as text (NaN is equal to NaN there)."""
    runs = [
        (run.info, run.metrics, sorted(run.params.items()), sorted(run.tags.items()))
        for run in map(store.run, run_ids)
    ]
    histories = [store.metric_history(run_id, "m").items for run_id in run_ids]
    experiments = [store.experiment(info.experiment_id) for info, *_ in runs]
    return repr((runs, histories, experiments, store.tokens.all()))


def test_a_store_comes_back_in_either_database(bis: Bis, tmp_path: Path, new_store: str) -> None:
    bis("tokens", "create", "--name", "alice")
    store = open_sql_store(bis.home / "tracking.db", bis.home / "artifacts")
    run_ids = fill(store)
    before = seen(store, run_ids)
    store.close()
    made = bis("store", "backup", tmp_path / "backup", "--json")
    assert made.status == 0, made.err
    assert (made.json["runs"], made.json["artifacts"]) == (3, 3)
    words = ("--store", new_store, "--artifacts", tmp_path / "files")
    restored = bis("store", "restore", tmp_path / "backup", *words)
    assert restored.status == 0, restored.err
    assert "3 runs, 3 files" in restored.out
    again = open_sql_store(new_store, tmp_path / "files")
    assert seen(again, run_ids) == before
    more = fill_one_more(again)
    assert more not in run_ids
    again.close()
    refused = bis("store", "restore", tmp_path / "backup", *words)
    assert refused.status == 2
    assert "not put over a store" in refused.err


def fill_one_more(store: SqlStore) -> str:
    """New rows after a restore get numbers of their own."""
    experiment = store.create_experiment("after")
    run_id = store.create_run(experiment).info.run_id
    store.log_batch(run_id, [Metric("new key", 1.0, 1, 0)])
    return run_id


def test_a_store_moves_from_postgresql_to_a_file(bis: Bis, tmp_path: Path, postgres: PostgresServer) -> None:
    uri = postgres.new_database()
    store = open_sql_store(uri, tmp_path / "files")
    run_ids = fill(store)
    before = seen(store, run_ids)
    store.close()
    variables = {"BIS_STORE": uri, "BIS_ARTIFACTS": str(tmp_path / "files")}
    assert bis("store", "backup", tmp_path / "backup", **variables).status == 0
    assert bis("store", "restore", tmp_path / "backup", "--store", tmp_path / "new.db").status == 0
    again = open_sql_store(tmp_path / "new.db", tmp_path / "artifacts")
    assert seen(again, run_ids) == before
    fill_one_more(again)
    again.close()


def test_it_has_what_was_acknowledged_when_it_began(bis: Bis, tmp_path: Path) -> None:
    with serving(bis) as one:
        wire, stop, steps = one.wire(token=""), threading.Event(), list[int]()
        reply = wire.ask("POST", f"{API}/runs/create", {"experiment_id": "0"})
        run_id = reply.json["run"]["info"]["run_id"]

        def log() -> None:
            while not stop.is_set():
                point = {"run_id": run_id, "key": "m", "value": 1, "timestamp": 1, "step": len(steps)}
                assert wire.ask("POST", f"{API}/runs/log-metric", point).status == 200
                steps.append(len(steps))

        writer = threading.Thread(target=log)
        writer.start()
        try:
            while not steps:
                stop.wait(0.01)
            before = len(steps)
            made = bis("store", "backup", tmp_path / "backup")
        finally:
            stop.set()
            writer.join()
        assert made.status == 0, made.err
    store = open_sql_store(tmp_path / "backup" / "tracking.db", tmp_path / "backup" / "artifacts")
    kept = [point.step for point in store.metric_history(run_id, "m").items]
    store.close()
    assert kept == list(range(len(kept)))
    assert before <= len(kept) <= len(steps)


def test_files_may_be_left_out(bis: Bis, tmp_path: Path) -> None:
    store = open_sql_store(bis.home / "tracking.db", bis.home / "artifacts")
    fill(store, 1)
    store.close()
    assert bis("store", "backup", "b", "--without-artifacts", "--json").json["artifacts"] is None
    assert not (tmp_path / "b" / "artifacts").exists()
    assert bis("store", "restore", "b", "--store", "new/t.db").out.endswith(" kB\n")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda backup: (backup / "tracking.db").unlink(), "it has no tracking.db"),
        (lambda backup: (backup / "tracking.db").write_text("junk"), "backup/tracking.db: this is not a"),
        (lambda backup: _overwrite(backup / "tracking.db"), "tracking.db is damaged"),
        (lambda backup: shutil.rmtree(backup / "artifacts"), "it has 0 of 3 files"),
    ],
    ids=["no database", "another file", "a damaged database", "no artifacts"],
)
def test_a_backup_that_is_not_whole_makes_no_store(
    bis: Bis, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    with closing(open_sql_store(bis.home / "tracking.db", bis.home / "artifacts")) as store:
        fill(store)
    assert bis("store", "backup", "backup").status == 0
    damage(tmp_path / "backup")
    result = bis("store", "restore", "backup", "--store", "new/t.db")
    assert (result.status, said in result.err, result.err.count("\n")) == (2, True, 2), result.err
    assert [path.name for path in tmp_path.glob("new/*")] == []


def _overwrite(database: Path) -> None:
    content = bytearray(database.read_bytes())
    content[3 * 4096 : 8 * 4096] = b"\xff" * 5 * 4096
    database.write_bytes(content)


def test_a_restore_that_was_cut_short_is_begun_again(bis: Bis, tmp_path: Path) -> None:
    with closing(open_sql_store(bis.home / "tracking.db", bis.home / "artifacts")) as store:
        run_ids = fill(store)
    assert bis("store", "backup", "backup").status == 0
    (tmp_path / "new").mkdir()
    for suffix in ("", "-wal", "-shm", ".lock"):
        (tmp_path / "new" / f"t.db.restored{suffix}").write_text("of one that was killed")
    files = tmp_path / "new" / "artifacts"
    files.touch()  # so that none can be put there
    assert bis("store", "restore", "backup", "--store", "new/t.db").status == 2
    files.unlink()
    assert bis("store", "restore", "backup", "--store", "new/t.db").status == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["artifacts", "t.db"]
    with closing(open_sql_store(tmp_path / "new" / "t.db", files)) as store:
        assert sorted(run.info.run_id for run in store.search_runs().items) == sorted(run_ids)


def test_stores_and_backups_are_for_their_user_alone(bis: Bis, tmp_path: Path) -> None:
    assert bis("tokens", "create", "--store", "team/t.db").status == 0
    with closing(open_sql_store(tmp_path / "team" / "t.db", tmp_path / "team" / "artifacts")) as store:
        fill(store)
    assert bis("store", "backup", "backup", "--store", "team/t.db").status == 0
    assert bis("store", "restore", "backup", "--store", "new/t.db").status == 0
    for database in ("team/t.db", "backup", "new/t.db", "new/artifacts"):
        assert (tmp_path / database).stat().st_mode & 0o077 == 0, database


def test_what_is_no_backup_is_refused_and_leaves_nothing(bis: Bis, tmp_path: Path) -> None:
    (tmp_path / "newer").mkdir()
    (tmp_path / "newer" / "backup.json").write_text(json.dumps({"format": 999}))
    for name, said in (("none", "is not a back-up"), ("newer", "made by a newer bis")):
        result = bis("store", "restore", name, "--store", "new.db")
        assert (result.status, said in result.err) == (2, True), result.err
    assert not (tmp_path / "new.db").exists()
    missing_store = bis("store", "backup", "b", "--store", "none.db")
    assert "there is no store at" in missing_store.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["newer"]
    assert bis("list").status == 0
    (tmp_path / "b").mkdir()
    assert "is there already" in bis("store", "backup", "b").err
    assert bis("store").status == 2
