"""Removing for good what was deleted: all that belongs to it and nothing else, in little memory, beside writers."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from bis.errors import RunNotFoundError
from bis.tracking.deletion import Deletion, Removed, remove_deleted
from bis.tracking.experiments import now_ms
from bis.tracking.model import Dataset, DatasetInput, Metric, ModelLink, Param, Tag
from bis.tracking.refusals import RefusedError
from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home

DAY = 24 * 3600 * 1000


def _remove(store: SqlStore, before: int) -> Removed:
    return remove_deleted(store, before, rest=lambda _: None)


def _whole_run(store: SqlStore, name: str, experiment_id: str = "0") -> str:
    """A run with something in every table."""
    run_id = store.create_run(experiment_id, name=name).info.run_id
    model = store.create_logged_model(experiment_id, source_run_id=run_id, tags=[Tag("a", "b")]).model_id
    metrics = [Metric("m", 1.0, 1, step, model_id=model) for step in range(3)]
    store.log_batch(run_id, metrics, [Param("p", name)], [Tag("t", name)])
    shared, own = Dataset("shared", "1", "s", "s"), Dataset(name, "1", "s", "s")
    store.log_inputs(
        run_id,
        [DatasetInput(one, (Tag("context", "training"),)) for one in (shared, own)],
        [ModelLink(model)],
    )
    store.log_outputs(run_id, [ModelLink(model)])
    store.log_text(run_id, name, "a/b.txt")
    return run_id


def _counts(store: SqlStore) -> dict[str, int]:
    tables = (
        *("runs", "tags", "params", "points", "latest", "inputs", "input_tags", "datasets", "run_models"),
        *("logged_models", "logged_model_metrics", "logged_model_tags", "experiments"),
    )
    return {table: store._db.row(f"SELECT count(*) FROM {table}")[0] for table in tables}


def test_a_run_goes_with_all_it_has_and_nothing_else_goes(local: SqlStore) -> None:
    kept = _whole_run(local, "kept")
    model = local.run(kept).model_outputs[0].model_id
    before = _counts(local)
    gone = _whole_run(local, "gone")
    gone_model = local.run(gone).model_outputs[0].model_id
    files = local.artifact_path(gone)
    local.delete_run(gone)
    local.delete_logged_model(gone_model)
    assert _remove(local, now_ms() + 1) == Removed(runs=1, rows=17, models=1)
    assert _counts(local) == before
    assert not files.parent.exists()
    assert local.artifact_path(kept, "a/b.txt").read_text() == "kept"
    assert [one.dataset.name for one in local.run(kept).datasets] == ["shared", "kept"]
    assert len(local.logged_model(model).metrics) == 1
    with pytest.raises(RunNotFoundError):
        local.run(gone)


def test_what_was_deleted_later_stays_and_can_be_restored(local: SqlStore) -> None:
    run_id = _whole_run(local, "late")
    local.delete_run(run_id)
    assert _remove(local, now_ms() - DAY) == Removed()
    assert remove_deleted(local, now_ms() + 1, dry_run=True) == Removed(runs=1)
    local.restore_run(run_id)
    assert _remove(local, now_ms() + 1) == Removed()
    assert local.run(run_id).params == {"p": "late"}


def test_a_deletion_that_is_sent_again_does_not_begin_anew(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    local.delete_run(run_id)
    with local.writing() as statements:
        statements.execute("UPDATE runs SET deleted_time = ?", (now_ms() - 2 * DAY,))
    local.delete_run(run_id)
    assert _remove(local, now_ms() - DAY).runs == 1


def test_a_run_that_is_not_deleted_is_not_removed(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    with pytest.raises(RefusedError, match="must be in the 'deleted' state"):
        next(Deletion(local).run(run_id))
    with pytest.raises(RunNotFoundError):
        next(Deletion(local).run("f" * 32))


def test_a_removal_that_was_broken_off_is_finished_and_the_run_not_restored(local: SqlStore) -> None:
    experiment = local.create_experiment("e")
    run_id = _whole_run(local, "half", experiment)
    local.delete_run(run_id)
    next(Deletion(local).run(run_id))
    with pytest.raises(RefusedError, match="being removed for good"):
        local.restore_run(run_id)
    local.delete_experiment(experiment)
    local.restore_experiment(experiment)
    assert local.run(run_id).info.lifecycle_stage == "deleted"
    assert _remove(local, 1).runs == 1


def test_a_deleted_experiment_goes_when_nothing_is_left_in_it(local: SqlStore) -> None:
    empty, full = local.create_experiment("empty", tags=[Tag("a", "b")]), local.create_experiment("full")
    run_id = _whole_run(local, "kept", full)
    local.delete_experiment(empty)
    local.delete_experiment(full)
    with local.writing() as statements:
        statements.execute("UPDATE runs SET deleted_time = ?", (now_ms() + DAY,))
    assert _remove(local, now_ms() + 1) == Removed(experiments=1)
    assert local.experiment_named("empty") is None
    assert local.create_experiment("empty") != empty
    local.restore_experiment(full)
    assert local.run(run_id).info.lifecycle_stage == "active"


def test_others_write_while_a_large_run_is_removed(local: SqlStore, address: str | Path, home: Home) -> None:
    run_id, other = local.create_run("0").info.run_id, local.create_run("0").info.run_id
    for start in range(0, 30_000, 1000):
        local.log_batch(run_id, [Metric("m", 0.0, step, step) for step in range(start, start + 1000)])
    local.delete_run(run_id)
    removed: list[Removed] = []

    def remove() -> None:
        store = open_sql_store(address, home.artifacts)
        removed.append(remove_deleted(store, now_ms() + 1))
        store.close()

    thread = threading.Thread(target=remove)
    thread.start()
    count = 0
    while thread.is_alive():
        local.log_batch(other, [Metric("m", 0.0, count, count)])
        count += 1
    thread.join()
    assert removed[0].rows == 30_000 + 3
    assert len(local.metric_history(other, "m").items) == count


_PURGE = """
import resource, sys
from pathlib import Path
from bis.tracking.deletion import remove_deleted
from bis.tracking.sql_store import open_sql_store
store = open_sql_store(Path(sys.argv[1]), Path(sys.argv[2]))
store._db.rows("SELECT 1")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(remove_deleted(store, 2**62, rest=lambda _: None).rows)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
store.close()
"""


@pytest.mark.slow
def test_a_million_points_are_removed_in_little_memory(tmp_path: Path) -> None:
    store = open_sql_store(tmp_path / "t.db", tmp_path / "a")
    run_id = store.create_run("0").info.run_id
    store.log_batch(run_id, [Metric("m", 0.0, 0, 0)])
    with store.writing() as statements:
        statements.execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999999)"
            " INSERT INTO points SELECT 1, 1, i, i, i / 7.0, 0 FROM n"
        )
    store.delete_run(run_id)
    store.close()
    done = subprocess.run(
        [sys.executable, "-c", _PURGE, str(tmp_path / "t.db"), str(tmp_path / "a")],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, grown_kb = map(int, done.stdout.split())
    assert rows == 1_000_000 + 3
    assert grown_kb < 16_000


@pytest.mark.parametrize("uri", ["file:///tmp/elsewhere", "s3://bucket/x"])
def test_files_that_were_kept_elsewhere_are_left_there(local: SqlStore, uri: str) -> None:
    experiment = local.create_experiment("e", artifact_location=uri)
    run_id = local.create_run(experiment).info.run_id
    local.delete_run(run_id)
    assert _remove(local, now_ms() + 1).runs == 1
