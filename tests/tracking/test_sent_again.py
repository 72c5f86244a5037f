"""Clients send a request again when its answer was lost: what it did is done once."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from bis.tracking.model import Dataset, DatasetInput, Metric, ModelLink, Param, RunStatus, Tag, View
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis.tracking.sql_store import SqlStore

DATASET = DatasetInput(Dataset("iris", "1", "local", "x.csv"), (Tag("mlflow.data.context", "training"),))
NAN = float("nan")


@dataclasses.dataclass(frozen=True)
class Known:
    """What is in the store before."""

    run_id: str
    experiment_id: str
    model_id: str


WRITES: dict[str, Callable[[SqlStore, Known], object]] = {
    "log-metric": lambda store, of: store.log_batch(of.run_id, [Metric("m", 0.5, 7, 3)]),
    "log-metric NaN": lambda store, of: store.log_batch(of.run_id, [Metric("m", NAN, 7, 3)]),
    "log-batch": lambda store, of: store.log_batch(
        of.run_id, [Metric("m", 1.0, 7, n % 5) for n in range(10)], [Param("p", "1")], [Tag("t", "1")]
    ),
    "log-metric of a model": lambda store, of: store.log_batch(
        of.run_id, [Metric("m", 0.5, 7, 3, of.model_id, "iris", "1")]
    ),
    "set-tag": lambda store, of: store.set_tag(of.run_id, "t", "1"),
    "log-inputs": lambda store, of: store.log_inputs(
        of.run_id, [DATASET, DATASET], [ModelLink(of.model_id, 2)]
    ),
    "outputs": lambda store, of: store.log_outputs(of.run_id, [ModelLink(of.model_id, 2)]),
    "log-model": lambda store, of: store.record_model(of.run_id, {"artifact_path": "model"}),
    "update": lambda store, of: store.update_run(of.run_id, status=RunStatus.FINISHED, end_time=9, name="x"),
    "delete": lambda store, of: store.delete_run(of.run_id),
    "restore": lambda store, of: store.restore_run(of.run_id),
    "move": lambda store, of: store.move_run(of.run_id, of.experiment_id),
    "rename experiment": lambda store, of: store.rename_experiment(of.experiment_id, "other"),
    "set-experiment-tag": lambda store, of: store.set_experiment_tag(of.experiment_id, "t", "1"),
    "model tags": lambda store, of: store.set_logged_model_tags(of.model_id, [Tag("t", "1"), Tag("u", "1")]),
    "model params": lambda store, of: store.log_logged_model_params(of.model_id, [Param("p", "1")]),
    "finish model": lambda store, of: store.finish_logged_model(of.model_id, "LOGGED_MODEL_READY"),
    "describe": lambda store, _: store.describe_registered_model("iris", "flowers"),
    "alias": lambda store, _: store.set_alias("iris", "best", 1),
    "delete alias": lambda store, _: store.delete_alias("iris", "best"),
    "registered tag": lambda store, _: store.set_registered_model_tag("iris", "t", "1"),
    "version tag": lambda store, _: store.set_model_version_tag("iris", 1, "t", "1"),
    "transition": lambda store, _: store.transition_model_version(
        "iris", 1, "Production", archive_existing=True
    ),
}

CREATIONS: dict[str, Callable[[SqlStore], object]] = {
    "experiment": lambda store: store.create_experiment("new"),
    "registered model": lambda store: store.create_registered_model("new"),
}


@pytest.fixture
def known(local: SqlStore) -> Known:
    run_id, experiment_id = local.create_run("0").info.run_id, local.create_experiment("e")
    model_id = local.create_logged_model("0", source_run_id=run_id).model_id
    local.create_registered_model("iris")
    local.create_model_version("iris", f"models:/{model_id}")
    return Known(run_id, experiment_id, model_id)


def _state(store: SqlStore, known: Known) -> str:
    """All that the store tells, without the times of changes."""
    found: list[Any] = [
        store.search_runs(view=View.ALL).items,
        store.metric_history(known.run_id, "m").items,
        [
            dataclasses.replace(one, last_update_time=0)
            for one in store.search_experiments(view=View.ALL).items
        ],
        dataclasses.replace(store.logged_model(known.model_id), last_updated_timestamp_ms=0),
        dataclasses.replace(store.registered_model("iris"), last_updated_time=0, latest_versions=()),
        dataclasses.replace(store.model_version("iris", 1), last_updated_time=0),
    ]
    return repr(found)


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_is_sent_again_is_done_once(local: SqlStore, known: Known, name: str) -> None:
    WRITES[name](local, known)
    once = _state(local, known)
    WRITES[name](local, known)
    assert _state(local, known) == once


@pytest.mark.parametrize("name", CREATIONS)
def test_what_is_there_already_is_said_to_be(local: SqlStore, name: str) -> None:
    CREATIONS[name](local)
    with pytest.raises(RefusedError) as caught:
        CREATIONS[name](local)
    assert caught.value.code == "RESOURCE_ALREADY_EXISTS"


def test_a_batch_is_kept_whole_or_not_at_all(local: SqlStore, known: Known) -> None:
    local.log_batch(known.run_id, params=[Param("p", "1")])
    before = _state(local, known)
    with pytest.raises(RefusedError, match="Changing param values"):
        local.log_batch(
            known.run_id, [Metric("m", 1.0, 1)], [Param("a", "1"), Param("p", "2")], [Tag("t", "1")]
        )
    assert _state(local, known) == before
