"""What only the store in the home does: equal values of bis's own parameters, order of arrival, many writers."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.tracking import Metric, Param, RefusedError, Tag
from bis.tracking.sql_store import SqlStore, open_sql_store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_parameter_of_bis_may_be_logged_again_with_an_equal_value(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    local.log_batch(run_id, params=[Param("rate", "0.10"), Param("text", "'hello world'")], origin="bis")
    local.log_batch(run_id, params=[Param("rate", "0.1"), Param("text", "hello world")])
    assert local.run(run_id).params == {"rate": "0.10", "text": "'hello world'"}
    with pytest.raises(RefusedError, match=r"logged with value='0\.10' for run ID"):
        local.log_batch(run_id, params=[Param("rate", "0.2")])


def test_a_parameter_may_be_logged_again_as_the_script_received_it(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    local.log_batch(
        run_id, params=[Param("data", "s3://b/iris.csv", received_as="/tmp/iris.csv")], origin="bis"
    )
    local.log_batch(run_id, params=[Param("data", "/tmp/iris.csv")])
    assert local.run(run_id).params == {"data": "s3://b/iris.csv"}


def test_a_parameter_of_the_script_keeps_its_text(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    local.log_batch(run_id, params=[Param("rate", "0.10")])
    with pytest.raises(RefusedError):
        local.log_batch(run_id, params=[Param("rate", "0.1")])


_POINT = st.tuples(st.integers(-3, 3), st.integers(0, 3), st.sampled_from([0.0, 1.0, -1.0, float("inf")]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(points=st.lists(_POINT, min_size=1, max_size=12), cut=st.integers(0, 12))
def test_the_latest_point_is_the_same_in_any_order(
    local: SqlStore, points: list[tuple[int, int, float]], cut: int
) -> None:
    run_id = local.create_run("0").info.run_id
    metrics = [Metric("m", value, time, step) for step, time, value in points]
    local.log_batch(run_id, metrics[:cut])
    local.log_batch(run_id, metrics[cut:])
    (latest,) = local.run(run_id).metrics
    assert (latest.step, latest.timestamp, latest.value) == max(points)
    assert len(local.metric_history(run_id, "m").items) == len(set(points))


def test_a_step_or_time_that_cannot_be_stored_is_refused(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    for metric in (Metric("m", 1.0, 2**63), Metric("m", 1.0, -1), Metric("m", 1.0, 1, 2**63)):
        with pytest.raises(RefusedError, match=r"invalid (step|timestamp)"):
            local.log_batch(run_id, [metric])


def test_a_key_of_a_batch_that_was_undone_is_not_remembered(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    local.log_batch(run_id, params=[Param("p", "1")])
    with pytest.raises(RefusedError):
        local.log_batch(run_id, [Metric("new", 1.0, 1)], [Param("p", "2")])
    local.log_batch(run_id, [Metric("new", 1.0, 1)])
    assert local.run(run_id).metrics == (Metric("new", 1.0, 1),)


def test_several_stores_write_one_run_at_once(local: SqlStore, address: str | Path, tmp_path: Path) -> None:
    run_id = local.create_run("0").info.run_id

    def write(number: int) -> None:
        store = open_sql_store(address, tmp_path / "home" / "artifacts")
        for step in range(50):
            store.log_batch(
                run_id, [Metric(f"m{step % 5}", 1.0, number, step)], tags=[Tag(f"t{number}", "x")]
            )
        store.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = sum(len(local.metric_history(run_id, f"m{key}").items) for key in range(5))
    assert found == 200
    assert len(local.run(run_id).tags) == 5


def test_the_layout_of_artifacts_is_experiment_then_run(local: SqlStore, tmp_path: Path) -> None:
    run_id = local.create_run("0").info.run_id
    local.log_text(run_id, "hello", "a/b.txt")
    where = tmp_path / "home" / "artifacts" / "0" / run_id / "artifacts"
    assert local.artifact_path(run_id, "a/b.txt") == where / "a" / "b.txt"
    assert local.artifact_location(run_id) == where.as_uri()
    assert (where / "a" / "b.txt").read_text() == "hello"


def test_a_model_is_noted_once(local: SqlStore) -> None:
    run_id = local.create_run("0").info.run_id
    for _ in range(2):
        local.record_model(run_id, {"artifact_path": "model"})
    local.record_model(run_id, {"artifact_path": "other"})
    history = local.run(run_id).tags["mlflow.log-model.history"]
    assert history == '[{"artifact_path": "model"}, {"artifact_path": "other"}]'
