"""What runs log, over REST."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bis.server import shapes
from bis.server.experiments import tags_of
from bis.server.fields import Fields, check_depth
from bis.server.routes import writes
from bis.tracking.limits import BATCH_BYTES, PARAM_LENGTH, TAG_LENGTH, check_batch, check_dataset
from bis.tracking.model import Dataset, DatasetInput, Metric, ModelLink, Param, Tag
from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from bis.server.encoding import Json
    from bis.server.routes import Call, Routes


def _metrics(call: Call) -> list[Metric]:
    return [_plain_metric(item) or _metric(Fields(item)) for item in call.fields.dicts("metrics")]


def _plain_metric(values: Mapping[str, Any]) -> Metric | None:
    """The metric when it is as clients send it: a batch of a thousand costs a third of the full check."""
    key, value, timestamp = values.get("key"), values.get("value"), values.get("timestamp")
    step = values.get("step")
    if (
        type(value) is float
        and type(timestamp) is int
        and type(step) is int
        and type(key) is str
        and key.isascii()
        and key
        and "model_id" not in values
    ):
        return Metric(key, value, timestamp, step)
    return None


def _metric(fields: Fields) -> Metric:
    return Metric(
        fields.required("key"),
        fields.required_number("value"),
        fields.required_integer("timestamp"),
        fields.whole("step", 0),
        fields.text("model_id"),
        fields.text("dataset_name"),
        fields.text("dataset_digest"),
    )


def _param(fields: Fields) -> Param:
    """A long value is cut: MLflow's server does so since 2.0, and scripts count on going on."""
    return Param(fields.required("key"), fields.text("value")[:PARAM_LENGTH])


def run_tag(fields: Fields) -> Tag:
    """A tag of a run, as `_param`."""
    return Tag(fields.required("key"), fields.text("value")[:TAG_LENGTH])


def _log(call: Call, metrics: list[Metric], params: list[Param], tags: list[Tag]) -> Json:
    check_batch(metrics, params, tags)
    call.store.log_batch(call.fields.run_id(), metrics, params, tags)
    return {}


def _log_metric(call: Call) -> Json:
    return _log(call, [_metric(call.fields)], [], [])


def _log_param(call: Call) -> Json:
    return _log(call, [], [_param(call.fields)], [])


def _set_tag(call: Call) -> Json:
    return _log(call, [], [], [run_tag(call.fields)])


def _log_batch(call: Call) -> Json:
    if call.fields.size_bytes > BATCH_BYTES:
        raise invalid(
            f"Batched logging API requests must be at most {BATCH_BYTES} bytes, got a request of size"
            f" {call.fields.size_bytes}."
        )
    return _log(
        call,
        _metrics(call),
        [_param(item) for item in call.fields.objects("params")],
        [run_tag(item) for item in call.fields.objects("tags")],
    )


def _delete_tag(call: Call) -> Json:
    call.store.delete_tag(call.fields.run_id(), call.fields.required("key"))
    return {}


def _log_inputs(call: Call) -> Json:
    datasets = [_dataset_input(item) for item in call.fields.objects("datasets")]
    for used in datasets:
        check_dataset(used)
    models = [ModelLink(item.required("model_id")) for item in call.fields.objects("models")]
    call.store.log_inputs(call.fields.run_id(), datasets, models)
    return {}


def _dataset_input(fields: Fields) -> DatasetInput:
    dataset = fields.nested("dataset")
    return DatasetInput(
        Dataset(
            dataset.required("name"),
            dataset.required("digest"),
            dataset.required("source_type"),
            dataset.required("source"),
            dataset.text("schema") or None,
            dataset.text("profile") or None,
        ),
        tuple(tags_of(fields)),
    )


def _log_outputs(call: Call) -> Json:
    models = [
        ModelLink(item.required("model_id"), item.whole("step", 0)) for item in call.fields.objects("models")
    ]
    call.store.log_outputs(call.fields.run_id(), models)
    return {}


def _log_model(call: Call) -> Json:
    try:
        description = json.loads(call.fields.required("model_json"))
    except (ValueError, RecursionError) as error:
        raise invalid("Malformed model info: it is not JSON.") from error
    if not isinstance(description, dict):
        raise invalid("Malformed model info: it is not a JSON object.")
    check_depth(description)
    call.store.record_model(call.fields.run_id(), description)
    return {}


_OF_RUN = "run_id! run_uuid"

ROUTES: Routes = (
    writes("POST", "mlflow/runs/log-metric", _log_metric, f"{_OF_RUN} {shapes.NEW_METRIC}"),
    writes("POST", "mlflow/runs/log-parameter", _log_param, f"{_OF_RUN} key! value"),
    writes(
        "POST",
        "mlflow/runs/log-batch",
        _log_batch,
        "run_id! metrics:NewMetric[] params:NewTag[] tags:NewTag[]",
    ),
    writes("POST", "mlflow/runs/set-tag", _set_tag, f"{_OF_RUN} key! value"),
    writes("POST", "mlflow/runs/delete-tag", _delete_tag, "run_id! key!"),
    writes(
        "POST",
        "mlflow/runs/log-inputs",
        _log_inputs,
        "run_id! datasets:NewDatasetInput[] models:NewModelLink[]",
    ),
    writes("POST", "mlflow/runs/outputs", _log_outputs, "run_id! models:NewModelLink[]"),
    writes("POST", "mlflow/runs/log-model", _log_model, "run_id! model_json!"),
)
