"""Experiments over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.server.addresses import check_location
from bis.server.encoding import page, present
from bis.server.routes import reads, writes
from bis.tracking.limits import EXPERIMENT_TAG_LENGTH, check_experiment_name, check_key, check_length
from bis.tracking.model import Tag, View
from bis.tracking.refusals import absent, invalid

if TYPE_CHECKING:
    from bis.server.encoding import Json
    from bis.server.fields import Fields
    from bis.server.routes import Call, Routes

MOST_RESULTS = 50_000
_MOST_EXPERIMENTS = 20
_MOST_DATASETS = 1000


def tags_of(fields: Fields) -> list[Tag]:
    """The tags of a request."""
    return [Tag(tag.required("key"), tag.text("value")) for tag in fields.objects("tags")]


def _create(call: Call) -> Json:
    name, tags = call.fields.required("name"), tags_of(call.fields)
    check_experiment_name(name)
    for tag in tags:
        _check_tag(tag)
    location = call.fields.text("artifact_location")
    check_location(location)
    return {"experiment_id": call.store.create_experiment(name, artifact_location=location, tags=tags)}


def _get(call: Call) -> Json:
    found = call.store.experiment(call.fields.required("experiment_id"))
    return {"experiment": call.encoder.experiment(found)}


def _get_by_name(call: Call) -> Json:
    name = call.fields.required("experiment_name")
    found = call.store.experiment_named(name)
    if found is None:
        raise absent(f"Could not find experiment with name '{name[:500]}'")
    return {"experiment": call.encoder.experiment(found)}


def _search(call: Call) -> Json:
    found = call.store.search_experiments(
        filter=call.fields.text("filter"),
        order_by=call.fields.texts("order_by"),
        max_results=call.fields.max_results(1000, MOST_RESULTS),
        page_token=call.fields.text("page_token"),
        view=call.fields.choice("view_type", View, View.ACTIVE_ONLY),
    )
    return page("experiments", [call.encoder.experiment(item) for item in found.items], found)


def _update(call: Call) -> Json:
    name = call.fields.required("new_name")
    check_experiment_name(name)
    call.store.rename_experiment(call.fields.required("experiment_id"), name)
    return {}


def _delete(call: Call) -> Json:
    call.store.delete_experiment(call.fields.required("experiment_id"))
    return {}


def _restore(call: Call) -> Json:
    call.store.restore_experiment(call.fields.required("experiment_id"))
    return {}


def _set_tag(call: Call) -> Json:
    tag = Tag(call.fields.required("key"), call.fields.text("value"))
    _check_tag(tag)
    call.store.set_experiment_tag(call.fields.required("experiment_id"), tag.key, tag.value)
    return {}


def _delete_tag(call: Call) -> Json:
    call.store.delete_experiment_tag(call.fields.required("experiment_id"), call.fields.required("key"))
    return {}


def _check_tag(tag: Tag) -> None:
    check_key(tag.key, "tag")
    check_length(tag.value, EXPERIMENT_TAG_LENGTH, "Experiment tag value")


def _search_datasets(call: Call) -> Json:
    """The datasets that runs of these experiments read, for MLflow's pages."""
    numbers = call.fields.texts("experiment_ids")
    if not numbers:
        raise invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(numbers) > _MOST_EXPERIMENTS:
        raise invalid(
            f"SearchDatasets request cannot specify more than {_MOST_EXPERIMENTS} experiment_ids. Received"
            f" {len(numbers)} experiment_ids."
        )
    found = call.store.dataset_summaries(numbers, _MOST_DATASETS)
    return present(dataset_summaries=[_summary(*one) for one in found])


def _summary(experiment_id: str, name: str, digest: str, context: str | None) -> Json:
    return {
        "experiment_id": experiment_id,
        "name": name,
        "digest": digest,
        **present(context=context),
    }


_SEARCH = "max_results:int page_token filter order_by[] view_type:View"
_FOUND = "experiments:Experiment[] next_page_token"

ROUTES: Routes = (
    writes(
        "POST",
        "mlflow/experiments/create",
        _create,
        "name! artifact_location tags:NewTag[]",
        "experiment_id!",
    ),
    reads("GET", "mlflow/experiments/get", _get, "experiment_id!", "experiment:Experiment!"),
    reads(
        "GET", "mlflow/experiments/get-by-name", _get_by_name, "experiment_name!", "experiment:Experiment!"
    ),
    reads("POST", "mlflow/experiments/search", _search, _SEARCH, _FOUND),
    reads("GET", "mlflow/experiments/search", _search, _SEARCH, _FOUND),
    reads("GET", "mlflow/experiments/list", _search, _SEARCH, _FOUND),  # MLflow 1.x
    reads(
        "POST",
        "mlflow/experiments/search-datasets",
        _search_datasets,
        "experiment_ids[]!",
        "dataset_summaries:DatasetSummary[]",
    ),
    writes("POST", "mlflow/experiments/update", _update, "experiment_id! new_name!"),
    writes("POST", "mlflow/experiments/delete", _delete, "experiment_id!"),
    writes("POST", "mlflow/experiments/restore", _restore, "experiment_id!"),
    writes("POST", "mlflow/experiments/set-experiment-tag", _set_tag, "experiment_id! key! value"),
    writes("POST", "mlflow/experiments/delete-experiment-tag", _delete_tag, "experiment_id! key!"),
)
