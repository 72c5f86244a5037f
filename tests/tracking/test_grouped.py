"""Writes in groups: what one does to another, when the answer comes, and what outlives a process or a full disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bis.errors import TrackingError
from bis.tracking.grouped import GroupedStore
from bis.tracking.model import Metric, Param
from bis.tracking.refusals import RefusedError
from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.home import Home


@pytest.fixture
def grouped(address: str | Path, home: Home) -> Iterator[GroupedStore]:
    store = GroupedStore(lambda: open_sql_store(address, home.artifacts))
    yield store
    store.close()


@pytest.fixture
def run_id(grouped: GroupedStore) -> str:
    return grouped.write(lambda store: store.create_run("0").info.run_id).result()


class Held:
    """Keeps the writer busy until it is let go, so that what comes meanwhile is one group."""

    def __init__(self, grouped: GroupedStore) -> None:
        self._go, begun = threading.Event(), threading.Event()

        def hold(_: SqlStore) -> None:
            begun.set()
            self._go.wait(30)

        self.done = grouped.write(hold)
        begun.wait(30)

    def let_go(self) -> None:
        self._go.set()


def _log(grouped: GroupedStore, run_id: str, step: int, key: str = "m") -> Future[None]:
    return grouped.write(lambda store: store.log_batch(run_id, [Metric(key, float(step), step, step)]))


def _points(store: SqlStore, run_id: str) -> int:
    return len(store.metric_history(run_id, "m").items)


def _all_done(futures: list[Future[Any]]) -> None:
    for future in futures:
        future.result(60)


def test_writes_that_wait_share_a_transaction(grouped: GroupedStore, run_id: str) -> None:
    held, before = Held(grouped), grouped.groups
    futures = [_log(grouped, run_id, step) for step in range(50)]
    held.let_go()
    _all_done(futures)
    grouped.read(lambda store: store.run(run_id)).result()
    assert grouped.read(lambda store: _points(store, run_id)).result() == 50
    assert grouped.groups - before < 10


def test_a_refused_write_undoes_itself_alone(grouped: GroupedStore, run_id: str) -> None:
    held = Held(grouped)

    def write(number: int) -> Future[None]:
        metric = [Metric("m", 1.0, number, number)]
        return grouped.write(lambda store: store.log_batch(run_id, metric, [Param("p", str(number % 5))]))

    futures = [write(number) for number in range(20)]
    held.let_go()
    refused = [future for future in futures if future.exception(60) is not None]
    assert len(refused) == 16
    assert all(isinstance(future.exception(), RefusedError) for future in refused)
    run = grouped.read(lambda store: store.run(run_id)).result()
    assert run.params == {"p": "0"}
    assert grouped.read(lambda store: _points(store, run_id)).result() == 4


def test_a_defect_in_one_does_no_harm_to_the_others(grouped: GroupedStore, run_id: str) -> None:
    held = Held(grouped)
    first = _log(grouped, run_id, 1)
    broken = grouped.write(lambda _: 1 // 0)
    last = _log(grouped, run_id, 2)
    held.let_go()
    _all_done([first, last])
    assert isinstance(broken.exception(60), ZeroDivisionError)
    assert grouped.read(lambda store: _points(store, run_id)).result() == 2


def test_a_key_that_was_undone_gets_another_number_without_harm(grouped: GroupedStore, run_id: str) -> None:
    held = Held(grouped)

    def fail(store: SqlStore) -> None:
        store.log_batch(run_id, [Metric("undone", 1.0, 1)])
        raise ValueError

    failed = grouped.write(fail)
    futures = [_log(grouped, run_id, 1, key) for key in ("other", "undone", "third")]
    held.let_go()
    _all_done(futures)
    assert isinstance(failed.exception(), ValueError)
    run = grouped.read(lambda store: store.run(run_id)).result()
    assert [metric.key for metric in run.metrics] == ["other", "third", "undone"]


def test_the_answer_comes_after_the_commit(
    grouped: GroupedStore, run_id: str, address: str | Path, home: Home
) -> None:
    other = open_sql_store(address, home.artifacts)
    seen: list[bool] = []

    def look(step: int, future: Future[None]) -> None:
        future.result()
        points = other.metric_history(run_id, "m").items
        seen.append(any(point.step == step for point in points))

    held, futures = Held(grouped), list[Future[None]]()
    for step in range(40):
        future = _log(grouped, run_id, step)
        future.add_done_callback(partial(look, step))
        futures.append(future)
    held.let_go()
    _all_done(futures)
    grouped.write(lambda _: None).result()  # after the last callback, which is called by the writer
    other.close()
    assert seen == [True] * 40


def test_many_threads_write_and_nothing_is_lost(grouped: GroupedStore, run_id: str) -> None:
    def write(number: int) -> None:
        for step in range(25):
            _log(grouped, run_id, number * 1000 + step).result(60)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert grouped.read(lambda store: _points(store, run_id)).result() == 400


def test_a_long_read_delays_neither_a_write_nor_another_read(grouped: GroupedStore, run_id: str) -> None:
    go, begun = threading.Event(), threading.Event()

    def read(_: SqlStore) -> None:
        begun.set()
        go.wait(30)

    long = grouped.read(read)
    begun.wait(30)
    _log(grouped, run_id, 1).result(30)
    assert grouped.read(lambda store: _points(store, run_id)).result(30) == 1
    assert not long.done()
    go.set()
    long.result(30)


def test_a_write_that_nobody_waits_for_any_more_is_not_done(grouped: GroupedStore, run_id: str) -> None:
    held = Held(grouped)
    cancelled, kept = _log(grouped, run_id, 1), _log(grouped, run_id, 2)
    assert cancelled.cancel()
    held.let_go()
    kept.result(30)
    with pytest.raises(CancelledError):
        cancelled.result()
    assert grouped.read(lambda store: _points(store, run_id)).result() == 1


def test_closing_finishes_what_was_accepted_and_takes_no_more(
    address: str | Path, home: Home, local: SqlStore
) -> None:
    grouped = GroupedStore(lambda: open_sql_store(address, home.artifacts))
    run_id = grouped.write(lambda store: store.create_run("0").info.run_id).result()
    futures = [_log(grouped, run_id, step) for step in range(100)]
    grouped.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert _points(local, run_id) == 100
    for refused in (grouped.write(lambda _: None), grouped.read(lambda _: None)):
        with pytest.raises(RefusedError, match="about to end"):
            refused.result()
    grouped.close()


def test_a_full_disk_refuses_what_does_not_fit_and_keeps_the_rest(home: Home) -> None:
    home.ensure()
    opened: list[SqlStore] = []

    def open_one() -> SqlStore:
        opened.append(open_sql_store(home.database, home.artifacts))
        return opened[-1]

    grouped = GroupedStore(open_one)
    run_id = grouped.write(lambda store: store.create_run("0").info.run_id).result()
    pages = opened[0]._db.row("PRAGMA page_count")[0]
    opened[0]._db.row(f"PRAGMA max_page_count={pages + 4}")
    held = Held(grouped)
    small = [_log(grouped, run_id, step) for step in range(3)]
    big = grouped.write(lambda store: store.set_tag(run_id, "big", "x" * 200_000))
    after = [_log(grouped, run_id, step) for step in range(3, 6)]
    held.let_go()
    assert isinstance(big.exception(60), TrackingError)
    assert "disk is full" in str(big.exception())
    _all_done([*small, *after])
    assert grouped.read(lambda store: _points(store, run_id)).result() == 6
    assert grouped.read(lambda store: store.run(run_id)).result().tags.keys() == {"mlflow.runName"}
    grouped.close()


_WRITER = """
import sys
from bis.tracking.grouped import GroupedStore
from bis.tracking.model import Metric
from bis.tracking.sql_store import open_sql_store
from pathlib import Path
address, artifacts, run_id = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
grouped = GroupedStore(lambda: open_sql_store(address, artifacts))
def log(step):
    done = grouped.write(lambda store: store.log_batch(run_id, [Metric("m", 1.0, step, step)]))
    done.add_done_callback(lambda _: print(step, flush=True))
    return done
step = 0
while True:
    for done in [log(step + i) for i in range(16)]:
        done.result()
    step += 16
"""


@pytest.mark.parametrize("after", [1, 40, 333])
def test_a_killed_process_loses_nothing_that_it_had_answered(
    local: SqlStore, address: str | Path, home: Home, after: int
) -> None:
    run_id = local.create_run("0").info.run_id
    where = address if isinstance(address, str) else f"sqlite:///{address}"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITER, where, str(home.artifacts), run_id],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        answered = [int(process.stdout.readline()) for _ in range(after)]
        os.kill(process.pid, signal.SIGKILL)
        answered += [int(line) for line in process.stdout.read().splitlines(keepends=True) if "\n" in line]
    kept = {point.step for point in local.metric_history(run_id, "m").items}
    assert set(answered) <= kept
    if isinstance(address, str):
        return
    assert local._db.row("PRAGMA integrity_check") == ("ok",)
