"""Logged models of MLflow 3, over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.server.encoding import files, page
from bis.server.experiments import tags_of
from bis.server.routes import reads, writes
from bis.tracking.limits import MODEL_TAG_LENGTH, PARAM_LENGTH, check_length, check_logged_model_name
from bis.tracking.model import Param
from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from bis.server.encoding import Json
    from bis.server.fields import Fields
    from bis.server.routes import Call, Routes
    from bis.tracking.model import Tag


def _tags(fields: Fields) -> list[Tag]:
    tags = tags_of(fields)
    for tag in tags:
        check_length(tag.value, MODEL_TAG_LENGTH, "Logged model tag value")
    return tags


def _params(fields: Fields) -> list[Param]:
    params = [Param(item.required("key"), item.text("value")) for item in fields.objects("params")]
    for param in params:
        check_length(param.value, PARAM_LENGTH, "Param value")
    return params


def _create(call: Call) -> Json:
    fields, name = call.fields, call.fields.text("name")
    check_logged_model_name(name)
    model = call.store.create_logged_model(
        fields.required("experiment_id"),
        name=name,
        model_type=fields.text("model_type"),
        source_run_id=fields.text("source_run_id"),
        params=_params(fields),
        tags=_tags(fields),
    )
    return {"model": call.encoder.logged_model(model)}


def _get(call: Call) -> Json:
    return {"model": call.encoder.logged_model(call.store.logged_model(call.parts[0]))}


def _finish(call: Call) -> Json:
    model = call.store.finish_logged_model(call.parts[0], call.fields.required("status"))
    return {"model": call.encoder.logged_model(model)}


def _delete(call: Call) -> Json:
    call.store.delete_logged_model(call.parts[0])
    return {}


MOST_DATASETS = 20


def _datasets(fields: Fields) -> list[tuple[str, str]]:
    """The datasets that models are to be measured on: a name, and a digest or nothing."""
    named = fields.objects("datasets")
    if len(named) > MOST_DATASETS:
        raise invalid(f"`datasets` has {len(named)} entries, more than {MOST_DATASETS}")
    return [(item.required("dataset_name"), item.text("dataset_digest")) for item in named]


def _search(call: Call) -> Json:
    orders = call.fields.objects("order_by")
    found = call.store.search_logged_models(
        call.fields.texts("experiment_ids"),
        filter=call.fields.text("filter"),
        datasets=_datasets(call.fields),
        order_by=[_order(item) for item in orders],
        order_datasets=[(item.text("dataset_name"), item.text("dataset_digest")) for item in orders],
        max_results=call.fields.max_results(100, 1000),
        page_token=call.fields.text("page_token"),
    )
    return page("models", [call.encoder.logged_model(model) for model in found.items], found)


def _order(fields: Fields) -> str:
    """An entry of ``order_by``, which is an object here, in the words of the search language."""
    way = "ASC" if fields.boolean("ascending", default=True) else "DESC"
    return f"{fields.required('field_name')} {way}"


def _set_tags(call: Call) -> Json:
    model = call.store.set_logged_model_tags(call.parts[0], _tags(call.fields))
    return {"model": call.encoder.logged_model(model)}


def _delete_tag(call: Call) -> Json:
    call.store.delete_logged_model_tag(call.parts[0], call.parts[1])
    return {}


def _log_params(call: Call) -> Json:
    call.store.log_logged_model_params(call.parts[0], _params(call.fields))
    return {}


def _artifacts(call: Call) -> Json:
    model = call.store.logged_model(call.parts[0])
    found = call.store.served_directory(model.artifact_uri).listing(
        call.fields.text("artifact_directory_path")
    )
    return {"root_uri": call.encoder.address(model.artifact_uri), "files": files(found)}


_MODEL = "model:LoggedModel!"

ROUTES: Routes = (
    writes(
        "POST",
        "mlflow/logged-models",
        _create,
        "experiment_id! name model_type source_run_id params:NewTag[] tags:NewTag[]",
        _MODEL,
    ),
    reads(
        "POST",
        "mlflow/logged-models/search",
        _search,
        "experiment_ids[] filter datasets:DatasetFilter[] order_by:OrderBy[] max_results:int page_token",
        "models:LoggedModel[] next_page_token",
    ),
    reads("GET", "mlflow/logged-models/{model_id}", _get, "", _MODEL),
    writes("PATCH", "mlflow/logged-models/{model_id}", _finish, "status:LoggedModelStatus!", _MODEL),
    writes("DELETE", "mlflow/logged-models/{model_id}", _delete),
    writes("PATCH", "mlflow/logged-models/{model_id}/tags", _set_tags, "tags:NewTag[]", _MODEL),
    writes("DELETE", "mlflow/logged-models/{model_id}/tags/{tag_key}", _delete_tag),
    writes("POST", "mlflow/logged-models/{model_id}/params", _log_params, "params:NewTag[]"),
    reads(
        "GET",
        "mlflow/logged-models/{model_id}/artifacts/directories",
        _artifacts,
        "artifact_directory_path",
        "root_uri! files:File[]",
    ),
)
