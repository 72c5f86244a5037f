"""MLflow's own servers as the store: an old one and the latest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bis.errors import RunNotFoundError, TrackingError
from bis.tracking import Metric, Param, RefusedError, RunStatus, Tag, View
from bis.tracking.remote import RemoteStore
from mlflow_clients import LATEST, running_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("version", ["1.30.1", LATEST])
def test_a_run_is_tracked_by_mlflows_server(version: str, tmp_path: Path) -> None:
    with running_server(version, tmp_path) as url:
        store = RemoteStore(url)
        number = store.create_experiment("iris", tags=[Tag("team", "blue")])
        assert store.experiment_named("iris") == store.experiment(number)
        assert store.experiment_named("rose") is None
        info = store.create_run(number, user_id="ada", tags=[Tag("a", "b")]).info
        _log(store, info.run_id)
        _keep_artifacts(store, info.run_id, tmp_path)
        _find(store, info.run_id, number)
        with pytest.raises(TrackingError, match="cannot move a run"):
            store.move_run(info.run_id, "0")
        assert store.update_run(info.run_id, status=RunStatus.FINISHED).status is RunStatus.FINISHED


def _log(store: RemoteStore, run_id: str) -> None:
    points = [Metric("m", math.nan, 1), *(Metric("m", float(step), 1, step) for step in range(1, 1500))]
    store.log_batch(run_id, points, [Param(f"p{n}", "v") for n in range(150)], [Tag("t", "w")])
    store.delete_tag(run_id, "t")
    run = store.run(run_id)
    assert (run.metrics[0].step, len(run.params), run.tags["a"]) == (1499, 150, "b")
    history = store.metric_history(run_id, "m").items
    assert math.isnan(history[0].value)
    assert len(history) == 1500
    with pytest.raises(RefusedError, match="Changing param values is not allowed"):
        store.log_batch(run_id, params=[Param("p1", "w")])


def _keep_artifacts(store: RemoteStore, run_id: str, tmp_path: Path) -> None:
    store.log_text(run_id, "hello", "a b/ü.txt")
    (tmp_path / "empty").touch()
    store.log_artifact(run_id, tmp_path / "empty")
    assert [(file.path, file.is_dir) for file in store.list_artifacts(run_id)] == [
        ("a b", True),
        ("empty", False),
    ]
    here = store.download_artifacts(run_id, "a b", tmp_path / "down")
    assert (here / "ü.txt").read_text() == "hello"


def _find(store: RemoteStore, run_id: str, number: str) -> None:
    assert [info.run_id for info in store.find_runs("latest")] == [run_id]
    assert [info.run_id for info in store.find_runs(run_id[:8])] == [run_id]
    assert store.recent_runs()[0].experiment_name == "iris"
    found = store.search_runs([number], filter="metrics.m > 5", order_by=["metrics.m DESC"])
    assert [run.info.run_id for run in found.items] == [run_id]
    store.delete_run(run_id)
    assert store.search_runs([number], view=View.DELETED_ONLY).items != ()
    store.restore_run(run_id)
    with pytest.raises(RunNotFoundError):
        store.run("0" * 32)
