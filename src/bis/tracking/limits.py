"""How long names and values may be, and what a key may look like: MLflow's limits (3.17), which its
clients know.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bis.tracking.model import DatasetInput, Metric, Param, Tag

KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
EXPERIMENT_NAME_LENGTH = 500
EXPERIMENT_TAG_LENGTH = 20_000
MODEL_TAG_LENGTH = 100_000
METRICS_IN_BATCH = 1000
PARAMS_IN_BATCH = 100
TAGS_IN_BATCH = 100
ENTITIES_IN_BATCH = 1000
BATCH_BYTES = 1_000_000
DATASET_NAME_LENGTH = 500
DATASET_DIGEST_LENGTH = 36
DATASET_SOURCE_LENGTH = 65_535
DATASET_SCHEMA_LENGTH = 1_048_575
DATASET_PROFILE_LENGTH = 16_777_215

_INT64 = 2**63
_KEY = re.compile(r"[/\w.\- :]+")


def check_key(key: str, what: str) -> None:
    """Refuse a key that is empty, too long, has other characters, or reads as a path that climbs."""
    if not _KEY.fullmatch(key):
        raise invalid(
            f"Invalid value {key[:100]!r} for parameter 'name' supplied: Invalid {what} name: {key[:100]!r}."
            f" Names may"
            " only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and"
            " slashes (/)."
        )
    if posixpath.normpath(key) != key or key == "." or key.startswith(("../", "/")) or key == "..":
        raise invalid(f"Invalid {what} name: {key[:100]!r}. Names must be unique paths below their run.")
    check_length(key, KEY_LENGTH, f"{what} name")


def check_length(value: str, limit: int, what: str) -> None:
    """Refuse a value of more than ``limit`` characters."""
    if len(value) > limit:
        raise invalid(
            f"{what} {value[:100]!r}... had length {len(value)}, which exceeded length limit of {limit}"
        )


def check_metric(metric: Metric) -> None:
    """Refuse a metric whose key, time or step cannot be stored."""
    check_key(metric.key, "metric")
    if not 0 <= metric.timestamp < _INT64:
        raise invalid(
            f"Got invalid timestamp {metric.timestamp} for metric '{metric.key}' (value={metric.value})."
            f" Timestamp must"
            " be a nonnegative long (64-bit integer) "
        )
    if not -_INT64 <= metric.step < _INT64:
        raise invalid(
            f"Got invalid step {metric.step} for metric '{metric.key}' (value={metric.value}). Step must be"
            f" a valid long"
            " (64-bit integer)."
        )


def check_param(param: Param) -> None:
    """Refuse a parameter whose key or value is out of bounds."""
    check_key(param.key, "parameter")
    check_length(param.value, PARAM_LENGTH, "Param value")


def check_tag(tag: Tag) -> None:
    """Refuse a tag of a run whose key or value is out of bounds."""
    check_key(tag.key, "tag")
    check_length(tag.value, TAG_LENGTH, "Tag value")


def check_batch(metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[Tag]) -> None:
    """Refuse a batch that holds too much, or anything that is out of bounds."""
    for what, number, limit in (
        ("metrics", len(metrics), METRICS_IN_BATCH),
        ("params", len(params), PARAMS_IN_BATCH),
        ("tags", len(tags), TAGS_IN_BATCH),
        ("metrics, params, and tags", len(metrics) + len(params) + len(tags), ENTITIES_IN_BATCH),
    ):
        if number > limit:
            raise invalid(f"A batch logging request can contain at most {limit} {what}. Got {number} {what}.")
    for metric in metrics:
        check_metric(metric)
    for param in params:
        check_param(param)
    for tag in tags:
        check_tag(tag)


def check_experiment_name(name: str) -> None:
    """Refuse an experiment without a name, or with one that is too long."""
    if not name.strip():
        raise invalid(
            "Invalid value for parameter 'name' supplied: an experiment needs a name that is not empty."
        )
    check_length(name, EXPERIMENT_NAME_LENGTH, "Experiment name")


def check_dataset(used: DatasetInput) -> None:
    """Refuse a dataset without name or digest, or whose description is too long."""
    dataset = used.dataset
    for what, value, limit in (
        ("name", dataset.name, DATASET_NAME_LENGTH),
        ("digest", dataset.digest, DATASET_DIGEST_LENGTH),
        ("source_type", dataset.source_type, DATASET_SOURCE_LENGTH),
        ("source", dataset.source, DATASET_SOURCE_LENGTH),
    ):
        if not value:
            raise invalid(f"Dataset {what} cannot be None or empty")
        check_length(value, limit, f"Dataset {what}")
    check_length(dataset.schema or "", DATASET_SCHEMA_LENGTH, "Dataset schema")
    check_length(dataset.profile or "", DATASET_PROFILE_LENGTH, "Dataset profile")
