"""What every store does, in the home and behind a server."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bis.errors import RunNotFoundError, TrackingError
from bis.tracking import (
    Dataset,
    DatasetInput,
    Metric,
    Param,
    RefusedError,
    RunStatus,
    Store,
    Tag,
    View,
    open_store,
)

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home

NOWHERE = "0" * 32


def test_the_default_experiment_is_there(store: Store) -> None:
    default = store.experiment_named("Default")
    assert default is not None
    assert default.experiment_id == "0"
    assert store.experiment("0") == default


def test_an_experiment_is_found_by_id_and_by_name(store: Store) -> None:
    number = store.create_experiment("iris", tags=[Tag("team", "blue")])
    found = store.experiment(number)
    assert (found.name, found.tags, found.lifecycle_stage) == ("iris", {"team": "blue"}, "active")
    assert store.experiment_named("iris") == found
    assert store.experiment_named("rose") is None


def test_the_name_of_an_experiment_is_taken_once(store: Store) -> None:
    store.delete_experiment(store.create_experiment("iris"))
    with pytest.raises(RefusedError, match="already exists") as caught:
        store.create_experiment("iris")
    assert caught.value.code == "RESOURCE_ALREADY_EXISTS"


@pytest.mark.parametrize("number", ["77", "x", "-1", "9" * 30])
def test_an_experiment_that_is_not_there_is_refused(store: Store, number: str) -> None:
    with pytest.raises(RefusedError) as caught:
        store.experiment(number)
    assert caught.value.code == "RESOURCE_DOES_NOT_EXIST"


def test_an_experiment_is_renamed_tagged_deleted_and_restored(store: Store) -> None:
    number = store.create_experiment("iris")
    store.rename_experiment(number, "rose")
    store.set_experiment_tag(number, "a", "1")
    store.set_experiment_tag(number, "a", "2")
    store.set_experiment_tag(number, "b", "3")
    store.delete_experiment_tag(number, "b")
    assert store.experiment(number).tags == {"a": "2"}
    run = store.create_run(number).info.run_id
    store.delete_experiment(number)
    assert store.run(run).info.lifecycle_stage == "deleted"
    with pytest.raises(RefusedError, match="must be in the 'active' state"):
        store.create_run(number)
    store.restore_experiment(number)
    assert store.run(run).info.lifecycle_stage == "active"
    assert [item.name for item in store.search_experiments().items] == ["rose", "Default"]


def test_the_default_experiment_stays(store: Store) -> None:
    with pytest.raises(RefusedError):
        store.delete_experiment("0")


def test_experiments_are_searched_in_pages(store: Store) -> None:
    for name in ("iris", "rose", "rosemary"):
        store.create_experiment(name)
    found = store.search_experiments(filter="name LIKE 'rose%'", order_by=["name DESC"], max_results=1)
    assert [item.name for item in found.items] == ["rosemary"]
    rest = store.search_experiments(
        filter="name LIKE 'rose%'", order_by=["name DESC"], page_token=found.next_token
    )
    assert [item.name for item in rest.items] == ["rose"]
    assert rest.next_token is None


def test_a_run_begins_named_and_running(store: Store) -> None:
    run = store.create_run("0", user_id="ada", start_time=5, tags=[Tag("a", "b")])
    assert (run.info.status, run.info.user_id, run.info.start_time) == (RunStatus.RUNNING, "ada", 5)
    assert run.info.end_time is None
    assert run.tags == {"a": "b", "mlflow.runName": run.info.name}
    assert len(run.info.name.split("-")) == 2
    assert store.run(run.info.run_id) == run


def test_the_name_and_its_tag_are_one(store: Store) -> None:
    run_id = store.create_run("0", name="first").info.run_id
    store.set_tag(run_id, "mlflow.runName", "second")
    assert store.run(run_id).info.name == "second"
    store.update_run(run_id, name="third")
    assert store.run(run_id).tags["mlflow.runName"] == "third"


def test_a_run_that_ends_has_an_end_time(store: Store, run_id: str) -> None:
    info = store.update_run(run_id, status=RunStatus.FAILED)
    assert info.status is RunStatus.FAILED
    assert info.end_time is not None
    assert info.end_time >= info.start_time
    assert store.update_run(run_id, status=RunStatus.RUNNING).end_time is None


def test_a_run_that_is_not_there_is_said_so(store: Store) -> None:
    with pytest.raises(RunNotFoundError, match=NOWHERE):
        store.run(NOWHERE)
    with pytest.raises(RunNotFoundError):
        store.log_batch(NOWHERE, tags=[Tag("a", "b")])


def test_a_deleted_run_is_read_but_not_written(store: Store, run_id: str) -> None:
    store.delete_run(run_id)
    assert store.run(run_id).info.lifecycle_stage == "deleted"
    assert store.search_runs(["0"]).items == ()
    assert len(store.search_runs(["0"], view=View.DELETED_ONLY).items) == 1
    with pytest.raises(RefusedError, match="must be in the 'active' state"):
        store.set_tag(run_id, "a", "b")
    store.restore_run(run_id)
    store.set_tag(run_id, "a", "b")


def test_numbers_come_back_as_they_were(store: Store, run_id: str) -> None:
    points = [
        Metric("nan", math.nan, 1),
        Metric("inf", math.inf, 1),
        Metric("-inf", -math.inf, 1),
        Metric("tiny", 5e-324, 0, -(2**63)),
        Metric("large", 1.7976931348623157e308, 2**63 - 1, 2**63 - 1),
    ]
    store.log_batch(run_id, points)
    found = {point.key: point for point in store.run(run_id).metrics}
    assert math.isnan(found.pop("nan").value)
    assert found == {point.key: point for point in points[1:]}


def test_the_latest_point_is_decided_by_step_not_by_arrival(store: Store, run_id: str) -> None:
    store.log_batch(run_id, [Metric("m", 3.0, 10, 3)])
    store.log_batch(run_id, [Metric("m", 1.0, 90, 1), Metric("m", 2.0, 80, 2)])
    assert store.run(run_id).metrics == (Metric("m", 3.0, 10, 3),)
    assert [point.value for point in store.metric_history(run_id, "m").items] == [1.0, 2.0, 3.0]


def test_a_batch_that_is_sent_again_changes_nothing(store: Store, run_id: str) -> None:
    for _ in range(2):
        store.log_batch(run_id, [Metric("m", 1.0, 1, 1)], [Param("p", "v")], [Tag("t", "w")])
    assert len(store.metric_history(run_id, "m").items) == 1
    assert store.run(run_id).params == {"p": "v"}


def test_a_batch_is_logged_whole_or_not_at_all(store: Store, run_id: str) -> None:
    store.log_batch(run_id, params=[Param("p", "1")])
    with pytest.raises(RefusedError, match="Changing param values is not allowed"):
        store.log_batch(run_id, [Metric("m", 1.0, 1)], [Param("new", "x"), Param("p", "2")], [Tag("t", "w")])
    run = store.run(run_id)
    assert (run.metrics, run.params, "t" in run.tags) == ((), {"p": "1"}, False)


def test_history_comes_in_pages(store: Store, run_id: str) -> None:
    store.log_batch(run_id, [Metric("m", float(step), step, step) for step in range(5)])
    page = store.metric_history(run_id, "m", max_results=2)
    steps = [point.step for point in page.items]
    while page.next_token:
        page = store.metric_history(run_id, "m", max_results=2, page_token=page.next_token)
        steps += [point.step for point in page.items]
    assert steps == [0, 1, 2, 3, 4]
    assert store.metric_history(run_id, "none").items == ()


def test_large_batches_pass(store: Store, run_id: str) -> None:
    store.log_batch(
        run_id,
        [Metric("m", float(step), step, step) for step in range(2500)],
        [Param(f"p{number}", "v") for number in range(250)],
    )
    assert len(store.metric_history(run_id, "m").items) == 2500
    assert len(store.run(run_id).params) == 250


def test_tags_are_removed(store: Store, run_id: str) -> None:
    store.set_tag(run_id, "a", "b")
    store.delete_tag(run_id, "a")
    assert "a" not in store.run(run_id).tags
    with pytest.raises(RefusedError, match="No tag with name: a"):
        store.delete_tag(run_id, "a")


def test_datasets_are_inputs_of_runs(store: Store, run_id: str) -> None:
    dataset = Dataset("iris", "abc123", "local", "{}", schema="{}", profile=None)
    used = DatasetInput(dataset, (Tag("mlflow.data.context", "training"),))
    for _ in range(2):
        store.log_inputs(run_id, [used])
    assert store.run(run_id).datasets == (used,)


def test_a_run_moves_and_keeps_its_artifacts(store: Store, run_id: str) -> None:
    store.log_text(run_id, "before", "a.txt")
    target = store.create_experiment("elsewhere")
    store.move_run(run_id, target)
    store.log_text(run_id, "after", "b.txt")
    assert store.run(run_id).info.experiment_id == target
    assert [file.path for file in store.list_artifacts(run_id)] == ["a.txt", "b.txt"]
    with pytest.raises(RefusedError):
        store.move_run(run_id, "99")


def test_runs_are_found_by_prefix_and_as_the_latest(store: Store) -> None:
    old = store.create_run("0", start_time=1).info
    new = store.create_run("0", start_time=2).info
    assert store.find_runs(old.run_id) == [old]
    assert store.find_runs(old.run_id[:12].upper()) == [old]
    assert store.find_runs("latest") == [new]
    assert store.find_runs("") == store.find_runs("xyz") == store.find_runs("%") == []


def test_recent_runs_carry_what_a_list_shows(store: Store) -> None:
    number = store.create_experiment("iris")
    for start in range(3):
        store.create_run(number, name=f"run{start}", start_time=start + 1)
    store.create_run("0", start_time=9, tags=[Tag("a", "b")])
    found = store.recent_runs(2)
    assert [(item.info.start_time, item.experiment_name) for item in found] == [(9, "Default"), (3, "iris")]
    assert found[0].tags["a"] == "b"
    assert len(store.recent_runs(9, experiment_id=number)) == 3


def test_a_search_over_all_experiments_needs_no_ids(store: Store) -> None:
    store.create_run(store.create_experiment("iris"))
    store.create_run("0")
    assert len(store.search_runs().items) == 2
    assert store.search_runs([]).items == ()


def test_artifacts_are_logged_listed_and_downloaded(store: Store, run_id: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "empty").touch()
    (tree / "sub" / "ü 1.txt").write_text("one")
    store.log_artifact(run_id, tree, "kept")
    store.log_artifact(run_id, tree / "empty", "single")
    store.log_text(run_id, "hello", "notes/a.txt")
    found = [(file.path, file.is_dir, file.size_bytes) for file in store.list_artifacts(run_id, "kept")]
    assert found == [("kept/empty", False, 0), ("kept/sub", True, None)]
    assert [file.path for file in store.list_artifacts(run_id)] == ["kept", "notes", "single"]
    assert store.list_artifacts(run_id, "notes/a.txt") == []
    here = store.download_artifacts(run_id, "kept", tmp_path / "down")
    assert (here / "sub" / "ü 1.txt").read_text() == "one"
    assert (here / "empty").read_bytes() == b""
    text = store.download_artifacts(run_id, "notes/a.txt", tmp_path / "down")
    assert text.read_text() == "hello"


def test_an_artifact_that_is_not_there_is_said_so(store: Store, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="No such artifact"):
        store.download_artifacts(run_id, "nothing", tmp_path / "down")
    with pytest.raises(TrackingError, match="no such file"):
        store.log_artifact(run_id, tmp_path / "nothing")
    assert not (tmp_path / "down" / "nothing").exists()


def test_artifacts_can_be_kept_elsewhere_on_this_disk(store: Store, tmp_path: Path) -> None:
    number = store.create_experiment("own place", artifact_location=(tmp_path / "own place").as_uri())
    run_id = store.create_run(number).info.run_id
    store.log_text(run_id, "hello", "a.txt")
    assert (tmp_path / "own place" / run_id / "artifacts" / "a.txt").read_text() == "hello"
    assert [file.path for file in store.list_artifacts(run_id)] == ["a.txt"]


def test_artifacts_that_cannot_be_reached_are_said_so(store: Store) -> None:
    number = store.create_experiment("cloud", artifact_location="s3://bucket/place")
    run_id = store.create_run(number).info.run_id
    assert store.artifact_location(run_id) == f"s3://bucket/place/{run_id}/artifacts"
    with pytest.raises(TrackingError, match="s3://"):
        store.log_text(run_id, "hello", "a.txt")


@pytest.mark.parametrize(
    "uri", ["databricks", "sqlite:///x.db", "file:///tmp/mlruns", "postgresql://a:secret@b/c"]
)
def test_other_kinds_of_stores_are_refused_with_a_way_out(home: Home, uri: str) -> None:
    with pytest.raises(TrackingError) as caught:
        open_store(home, uri)
    assert caught.value.hint is not None
    assert "secret" not in str(caught.value)
