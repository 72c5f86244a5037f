"""Logged models, the registry, and the addresses that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import RunNotFoundError, TrackingError
from bis.tracking import Metric, ModelLink, Param, RefusedError, Store, Tag, resolve_artifact_uri

if TYPE_CHECKING:
    from pathlib import Path

    from bis.tracking.sql_store import SqlStore


@pytest.fixture
def model_id(local: SqlStore) -> str:
    """A model named net, made by a run, with one file."""
    run_id = local.create_run("0").info.run_id
    model = local.create_logged_model("0", name="net", source_run_id=run_id, params=[Param("a", "1")])
    local.log_outputs(run_id, [ModelLink(model.model_id, 3)])
    local.served_directory(model.artifact_uri).write("MLmodel", b"flavors")
    return model.model_id


def test_a_model_is_pending_until_it_is_ready(local: SqlStore, model_id: str) -> None:
    model = local.logged_model(model_id)
    assert (model.name, model.status, model.params) == ("net", "LOGGED_MODEL_PENDING", {"a": "1"})
    assert model.artifact_uri == f"mlflow-artifacts:/0/models/{model_id}/artifacts"
    assert local.finish_logged_model(model_id, "LOGGED_MODEL_READY").status == "LOGGED_MODEL_READY"
    with pytest.raises(RefusedError, match="Invalid model status"):
        local.finish_logged_model(model_id, "DONE")


def test_a_model_is_tagged_and_deleted(local: SqlStore, model_id: str) -> None:
    assert local.set_logged_model_tags(model_id, [Tag("t", "1"), Tag("u", "2")]).tags == {"t": "1", "u": "2"}
    local.delete_logged_model_tag(model_id, "t")
    local.log_logged_model_params(model_id, [Param("b", "2")])
    assert local.logged_model(model_id).tags == {"u": "2"}
    assert local.logged_model(model_id).params == {"a": "1", "b": "2"}
    local.delete_logged_model(model_id)
    with pytest.raises(RefusedError, match="not found"):
        local.logged_model(model_id)


def test_a_metric_of_a_model_is_kept_with_it_and_with_the_run(local: SqlStore, model_id: str) -> None:
    run_id = local.logged_model(model_id).source_run_id
    for step in (2, 1):
        local.log_batch(run_id, [Metric("acc", 0.1 * step, 1, step, model_id, "iris", "d")])
    (found,) = local.logged_model(model_id).metrics
    assert (found.metric.step, found.metric.dataset_name, found.run_id) == (2, "iris", run_id)
    assert local.run(run_id).metrics[0].step == 2
    assert local.run(run_id).model_outputs == (ModelLink(model_id, 3),)


@pytest.mark.parametrize(
    ("text", "found"),
    [("", 1), ("name = 'net'", 1), ("metrics.acc > 0.5", 0), ("params.a = '1'", 1), ("tags.t IS NULL", 1)],
)
def test_models_are_searched(local: SqlStore, model_id: str, text: str, found: int) -> None:
    run_id = local.logged_model(model_id).source_run_id
    local.log_batch(run_id, [Metric("acc", 0.9, 1, 1, model_id), Metric("acc", 0.1, 2, 2, model_id)])
    page = local.search_logged_models(["0"], filter=text, order_by=["metrics.acc DESC"])
    assert [model.model_id for model in page.items] == [model_id] * found


TRAIN, TEST, NONE, OTHER = ("train", "1"), ("test", ""), ("none", ""), ("train", "2")


@pytest.mark.parametrize(
    ("text", "datasets", "names"),
    [
        ("", [], "abc"),
        ("", [TRAIN], "ab"),
        ("", [TEST, NONE], "ab"),
        ("", [OTHER], ""),
        ("metrics.acc > 0.6", [], "abc"),  # on one of the datasets
        ("metrics.acc > 0.6", [TRAIN], "a"),
        ("metrics.acc > 0.6", [TEST], "b"),
        ("metrics.acc > 0.6", [TRAIN, TEST], "ab"),
        ("metrics.acc != 0.9", [TRAIN], "b"),
        ("metrics.acc > 0.6 AND name = 'b'", [TRAIN], ""),
        ("metrics.acc = 0.1", [], ""),  # an older point
        ("NOT metrics.acc > 0.6", [TRAIN], "b"),
        ("metrics.`train loss` IS NULL", [TEST], "ab"),
    ],
)
def test_models_are_searched_by_what_they_were_measured_on(
    measured: SqlStore, text: str, datasets: list[tuple[str, str]], names: str
) -> None:
    """The answers of MLflow 3.17.2 to what it can be asked."""
    page = measured.search_logged_models(["0"], filter=text, datasets=datasets)
    assert sorted(model.name for model in page.items) == list(names)


@pytest.mark.parametrize(
    ("dataset", "names"), [(("", ""), "bca"), (TRAIN, "abc"), (TEST, "bac"), (("", "2"), "bac")]
)
def test_models_are_ordered_by_a_metric_on_a_dataset(
    measured: SqlStore, dataset: tuple[str, str], names: str
) -> None:
    """As MLflow 3.17.2 orders them."""
    order, token, found = {"order_by": ["metrics.acc DESC"], "order_datasets": [dataset]}, None, ""
    while True:
        page = measured.search_logged_models(["0"], max_results=1, page_token=token, **order)  # type: ignore[arg-type]
        found, token = found + page.items[0].name, page.next_token
        if token is None:
            break
        with pytest.raises(RefusedError, match="another search"):
            measured.search_logged_models(
                ["0"], page_token=token, order_by=["metrics.acc DESC"], datasets=[NONE]
            )
    assert found == names
    twice = measured.search_logged_models(
        ["0"], order_by=["metrics.acc", "metrics.acc"], order_datasets=[OTHER, TEST]
    )
    assert [model.name for model in twice.items] == ["a", "b", "c"]


@pytest.fixture
def measured(local: SqlStore) -> SqlStore:
    """Models a and b, measured on two datasets, and c, measured on none."""
    run_id = local.create_run("0").info.run_id
    models = {
        name: local.create_logged_model("0", name=name, source_run_id=run_id).model_id for name in "abc"
    }
    for name, step, value, dataset in (
        ("a", 0, 0.1, TRAIN),
        ("a", 1, 0.9, TRAIN),
        ("a", 2, 0.2, ("test", "2")),
        ("b", 1, 0.5, TRAIN),
        ("b", 2, 0.8, ("test", "2")),
        ("c", 1, 0.7, ("", "")),
    ):
        local.log_batch(run_id, [Metric("acc", value, step + 1, step, models[name], *dataset)])
    return local


def test_a_model_moves_with_its_run(local: SqlStore, model_id: str) -> None:
    target = local.create_experiment("elsewhere")
    local.move_run(local.logged_model(model_id).source_run_id, target)
    assert local.logged_model(model_id).experiment_id == target


@pytest.fixture
def registry(local: SqlStore, model_id: str) -> SqlStore:
    """A registered model iris, version 1 a logged model, version 2 an artifact of a run."""
    run_id = local.create_run("0").info.run_id
    local.log_text(run_id, "flavors of two", "model/MLmodel")
    local.create_registered_model("iris", description="flowers", tags=[Tag("t", "1")])
    local.create_model_version("iris", f"models:/{model_id}", model_id=model_id)
    local.create_model_version("iris", f"{local.run(run_id).info.artifact_uri}/model", run_id=run_id)
    return local


def test_versions_are_counted_and_a_number_is_not_given_twice(registry: SqlStore) -> None:
    registry.delete_model_version("iris", 2)
    assert registry.create_model_version("iris", "x").version == 3
    with pytest.raises(RefusedError, match="not found"):
        registry.model_version("iris", 2)
    with pytest.raises(RefusedError, match="already exists"):
        registry.create_registered_model("iris")


def test_stages_and_aliases_name_versions(registry: SqlStore) -> None:
    registry.transition_model_version("iris", 1, "production")
    registry.transition_model_version("iris", 2, "Production", archive_existing=True)
    assert registry.model_version("iris", 1).stage == "Archived"
    registry.set_alias("iris", "best", 1)
    registry.set_alias("iris", "best", 2)
    assert registry.version_by_alias("iris", "best").version == 2
    assert registry.registered_model("iris").aliases == {"best": 2}
    assert [version.version for version in registry.latest_versions("iris", ["Production"])] == [2]
    registry.delete_alias("iris", "best")
    with pytest.raises(RefusedError, match="alias best not found"):
        registry.version_by_alias("iris", "best")
    with pytest.raises(RefusedError, match="Invalid Model Version stage"):
        registry.transition_model_version("iris", 1, "heaven")


def test_a_model_is_renamed_with_all_it_has(registry: SqlStore) -> None:
    registry.set_alias("iris", "best", 1)
    registry.set_model_version_tag("iris", 1, "a", "b")
    registry.rename_registered_model("iris", "rose")
    assert registry.version_by_alias("rose", "best").tags == {"a": "b"}
    assert registry.registered_model("rose").tags == {"t": "1"}
    registry.delete_registered_model("rose")
    assert registry.search_registered_models().items == ()
    assert registry.search_model_versions().items == ()


def test_a_tag_that_is_missing_differs_from_every_value(registry: SqlStore) -> None:
    found = registry.search_registered_models(filter="tags.`mlflow.prompt.is_prompt` != 'true'").items
    assert [model.name for model in found] == ["iris"]
    assert registry.search_registered_models(filter="name ILIKE 'IR%' and tags.t != '1'").items == ()
    assert len(registry.search_model_versions(filter="name = 'iris' and version_number > 1").items) == 1


@pytest.mark.parametrize(
    ("uri", "content"),
    [
        ("models:/iris/1", "flavors"),
        ("models:/iris/2", "flavors of two"),
        ("models:/iris/latest", "flavors of two"),
        ("models:/iris/Production", "flavors"),
        ("models:/iris@best", "flavors"),
    ],
)
def test_a_model_is_resolved_in_both_kinds_of_store(
    store: Store, registry: SqlStore, tmp_path: Path, uri: str, content: str
) -> None:
    registry.set_alias("iris", "best", 1)
    registry.transition_model_version("iris", 1, "Production")
    found = resolve_artifact_uri(store, uri, tmp_path / "down")
    assert (found / "MLmodel").read_text() == content


def test_a_logged_model_is_resolved_by_id_and_by_its_run(
    store: Store, local: SqlStore, model_id: str, tmp_path: Path
) -> None:
    run_id = local.logged_model(model_id).source_run_id
    for number, uri in enumerate([f"models:/{model_id}/MLmodel", f"runs:/{run_id}/net/MLmodel"]):
        assert resolve_artifact_uri(store, uri, tmp_path / str(number)).read_text() == "flavors"
    whole = resolve_artifact_uri(store, f"runs:/{run_id}/net", tmp_path / "whole")
    assert (whole / "MLmodel").read_text() == "flavors"


def test_an_artifact_of_a_run_is_resolved(store: Store, run_id: str, tmp_path: Path) -> None:
    store.log_text(run_id, "1,2", "data/iris.csv")
    found = resolve_artifact_uri(store, f"runs:/{run_id}/data/iris.csv", tmp_path / "down")
    assert found.read_text() == "1,2"
    address = f"mlflow-artifacts:/0/{run_id}/artifacts/data/iris.csv"
    assert resolve_artifact_uri(store, address, tmp_path / "again").read_text() == "1,2"
    with pytest.raises(RefusedError, match="No such artifact"):
        resolve_artifact_uri(store, f"runs:/{run_id}/data/rose.csv", tmp_path / "down")
    with pytest.raises(RunNotFoundError):
        resolve_artifact_uri(store, f"runs:/{'0' * 32}/x", tmp_path / "down")


@pytest.mark.parametrize("uri", ["models:/iris", "models:/", "models:/iris@", "s3://b/k", "data.csv"])
def test_what_names_nothing_is_refused(local: SqlStore, tmp_path: Path, uri: str) -> None:
    with pytest.raises(TrackingError):
        resolve_artifact_uri(local, uri, tmp_path)
