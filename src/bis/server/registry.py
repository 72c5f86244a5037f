"""The model registry over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis.server.addresses import origin_of
from bis.server.encoding import model_version, page, registered_model
from bis.server.experiments import tags_of
from bis.server.routes import reads, writes
from bis.tracking.limits import check_alias, check_model_name, check_model_tag
from bis.tracking.model import Tag

if TYPE_CHECKING:
    from bis.server.encoding import Json
    from bis.server.routes import Call, Routes


def _name(call: Call) -> str:
    return call.fields.required("name")


def _version(call: Call) -> int:
    return call.fields.version()


def _tags(call: Call) -> list[Tag]:
    tags = tags_of(call.fields)
    for tag in tags:
        check_model_tag(tag)
    return tags


def _tag(call: Call) -> Tag:
    tag = Tag(call.fields.required("key"), call.fields.text("value"))
    check_model_tag(tag)
    return tag


def _create(call: Call) -> Json:
    name = _name(call)
    check_model_name(name)
    model = call.store.create_registered_model(
        name, description=call.fields.text("description"), tags=_tags(call)
    )
    return {"registered_model": registered_model(model)}


def _get(call: Call) -> Json:
    return {"registered_model": registered_model(call.store.registered_model(_name(call)))}


def _rename(call: Call) -> Json:
    new_name = call.fields.required("new_name")
    check_model_name(new_name, "new_name")
    model = call.store.rename_registered_model(_name(call), new_name)
    return {"registered_model": registered_model(model)}


def _update(call: Call) -> Json:
    model = call.store.describe_registered_model(_name(call), call.fields.text("description"))
    return {"registered_model": registered_model(model)}


def _delete(call: Call) -> Json:
    call.store.delete_registered_model(_name(call))
    return {}


def _search(call: Call) -> Json:
    found = call.store.search_registered_models(
        filter=call.fields.text("filter"),
        order_by=call.fields.texts("order_by"),
        max_results=call.fields.max_results(100, 1000),
        page_token=call.fields.text("page_token"),
    )
    return page("registered_models", [registered_model(model) for model in found.items], found)


def _set_tag(call: Call) -> Json:
    tag = _tag(call)
    call.store.set_registered_model_tag(_name(call), tag.key, tag.value)
    return {}


def _delete_tag(call: Call) -> Json:
    call.store.delete_registered_model_tag(_name(call), call.fields.required("key"))
    return {}


def _set_alias(call: Call) -> Json:
    alias = call.fields.required("alias")
    check_alias(alias)
    call.store.set_alias(_name(call), alias, _version(call))
    return {}


def _delete_alias(call: Call) -> Json:
    call.store.delete_alias(_name(call), call.fields.required("alias"))
    return {}


def _by_alias(call: Call) -> Json:
    return {
        "model_version": model_version(
            call.store.version_by_alias(_name(call), call.fields.required("alias"))
        )
    }


def _latest(call: Call) -> Json:
    call.store.registered_model(_name(call))
    found = call.store.latest_versions(_name(call), call.fields.texts("stages"))
    return {"model_versions": [model_version(version) for version in found]}


def _create_version(call: Call) -> Json:
    fields = call.fields
    origin = origin_of(call.store, fields.required("source"), fields.text("run_id"), fields.text("model_id"))
    version = call.store.create_model_version(
        _name(call),
        origin.source,
        run_id=origin.run_id,
        run_link=fields.text("run_link"),
        model_id=origin.model_id,
        description=fields.text("description"),
        tags=_tags(call),
    )
    return {"model_version": model_version(version)}


def _get_version(call: Call) -> Json:
    return {"model_version": model_version(call.store.model_version(_name(call), _version(call)))}


def _update_version(call: Call) -> Json:
    version = call.store.describe_model_version(_name(call), _version(call), call.fields.text("description"))
    return {"model_version": model_version(version)}


def _transition(call: Call) -> Json:
    version = call.store.transition_model_version(
        _name(call),
        _version(call),
        call.fields.required("stage"),
        archive_existing=call.fields.boolean("archive_existing_versions"),
    )
    return {"model_version": model_version(version)}


def _delete_version(call: Call) -> Json:
    call.store.delete_model_version(_name(call), _version(call))
    return {}


def _search_versions(call: Call) -> Json:
    found = call.store.search_model_versions(
        filter=call.fields.text("filter"),
        order_by=call.fields.texts("order_by"),
        max_results=call.fields.max_results(10_000, 200_000),
        page_token=call.fields.text("page_token"),
    )
    return page("model_versions", [model_version(version) for version in found.items], found)


def _download_uri(call: Call) -> Json:
    uri = call.store.model_artifact_uri(_name(call), str(_version(call)))
    return {"artifact_uri": call.encoder.address(uri)}


def _set_version_tag(call: Call) -> Json:
    tag = _tag(call)
    call.store.set_model_version_tag(_name(call), _version(call), tag.key, tag.value)
    return {}


def _delete_version_tag(call: Call) -> Json:
    call.store.delete_model_version_tag(_name(call), _version(call), call.fields.required("key"))
    return {}


_SEARCH = "filter max_results:int order_by[] page_token"
_FOUND_MODELS = "registered_models:RegisteredModel[] next_page_token"
_ONE_MODEL = "registered_model:RegisteredModel!"
_ONE_VERSION = "model_version:ModelVersion!"
_OF_VERSION = "name! version!"

ROUTES: Routes = (
    writes("POST", "mlflow/registered-models/create", _create, "name! description tags:NewTag[]", _ONE_MODEL),
    reads("GET", "mlflow/registered-models/get", _get, "name!", _ONE_MODEL),
    writes("POST", "mlflow/registered-models/rename", _rename, "name! new_name!", _ONE_MODEL),
    writes("PATCH", "mlflow/registered-models/update", _update, "name! description", _ONE_MODEL),
    writes("DELETE", "mlflow/registered-models/delete", _delete, "name!"),
    reads("GET", "mlflow/registered-models/search", _search, _SEARCH, _FOUND_MODELS),
    reads("GET", "mlflow/registered-models/list", _search, _SEARCH, _FOUND_MODELS),  # MLflow 1.x
    writes("POST", "mlflow/registered-models/set-tag", _set_tag, "name! key! value"),
    writes("DELETE", "mlflow/registered-models/delete-tag", _delete_tag, "name! key!"),
    writes("POST", "mlflow/registered-models/alias", _set_alias, f"{_OF_VERSION} alias!"),
    writes("DELETE", "mlflow/registered-models/alias", _delete_alias, "name! alias!"),
    reads("GET", "mlflow/registered-models/alias", _by_alias, "name! alias!", _ONE_VERSION),
    *(
        reads(
            method,
            "mlflow/registered-models/get-latest-versions",
            _latest,
            "name! stages[]",
            "model_versions:ModelVersion[]",
        )
        for method in ("POST", "GET")  # 1.x and 2.x
    ),
    writes(
        "POST",
        "mlflow/model-versions/create",
        _create_version,
        "name! source! run_id run_link model_id description tags:NewTag[]",
        _ONE_VERSION,
    ),
    reads("GET", "mlflow/model-versions/get", _get_version, _OF_VERSION, _ONE_VERSION),
    writes(
        "PATCH", "mlflow/model-versions/update", _update_version, f"{_OF_VERSION} description", _ONE_VERSION
    ),
    writes(
        "POST",
        "mlflow/model-versions/transition-stage",
        _transition,
        f"{_OF_VERSION} stage! archive_existing_versions:bool",
        _ONE_VERSION,
    ),
    writes("DELETE", "mlflow/model-versions/delete", _delete_version, _OF_VERSION),
    reads(
        "GET",
        "mlflow/model-versions/search",
        _search_versions,
        _SEARCH,
        "model_versions:ModelVersion[] next_page_token",
    ),
    reads("GET", "mlflow/model-versions/get-download-uri", _download_uri, _OF_VERSION, "artifact_uri!"),
    writes("POST", "mlflow/model-versions/set-tag", _set_version_tag, f"{_OF_VERSION} key! value"),
    writes("DELETE", "mlflow/model-versions/delete-tag", _delete_version_tag, f"{_OF_VERSION} key!"),
)
