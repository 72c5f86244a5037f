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
    from typing import NoReturn

    from bis.tracking.model import DatasetInput, Metric, Param, Tag

KEY_LENGTH = 250
PARAM_LENGTH = 6000
TAG_LENGTH = 8000
EXPERIMENT_NAME_LENGTH = 500
EXPERIMENT_TAG_LENGTH = 20_000
MODEL_TAG_LENGTH = 100_000
MODEL_NAME_LENGTH = 256
ALIAS_LENGTH = 255
INPUT_TAG_KEY_LENGTH = 255
INPUT_TAG_LENGTH = 500
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
_ALIAS = re.compile(r"[\w\-]+")
_VERSION_ALIAS = re.compile(r"[vV][0-9]+")
_NOT_IN_LOGGED_NAMES = ("/", ":", ".", "%", '"', "'")


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


def check_metrics(metrics: Sequence[Metric]) -> None:
    """Refuse metrics whose key, time or step cannot be stored; keys that come often are looked at once."""
    for key in dict.fromkeys([metric.key for metric in metrics]):
        check_key(key, "metric")
    for metric in metrics:
        if not (0 <= metric.timestamp < _INT64 and -_INT64 <= metric.step < _INT64):
            _refuse_metric(metric)


def _refuse_metric(metric: Metric) -> NoReturn:
    what = f"for metric '{metric.key}' (value={metric.value})."
    if not 0 <= metric.timestamp < _INT64:
        raise invalid(
            f"Got invalid timestamp {metric.timestamp} {what} Timestamp must be a nonnegative long (64-bit integer) "
        )
    raise invalid(f"Got invalid step {metric.step} {what} Step must be a valid long (64-bit integer).")


def check_param(param: Param) -> None:
    """Refuse a parameter whose key or value is out of bounds."""
    check_key(param.key, "parameter")
    check_length(param.value, PARAM_LENGTH, "Param value")


def check_tag(tag: Tag) -> None:
    """Refuse a tag of a run whose key or value is out of bounds."""
    check_key(tag.key, "tag")
    check_length(tag.value, TAG_LENGTH, "Tag value")


def check_batch(metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[Tag]) -> None:
    """Refuse a batch that holds too much, or what is out of bounds; the store itself looks at its metrics."""
    for what, number, limit in (
        ("metrics", len(metrics), METRICS_IN_BATCH),
        ("params", len(params), PARAMS_IN_BATCH),
        ("tags", len(tags), TAGS_IN_BATCH),
        ("metrics, params, and tags", len(metrics) + len(params) + len(tags), ENTITIES_IN_BATCH),
    ):
        if number > limit:
            raise invalid(f"A batch logging request can contain at most {limit} {what}. Got {number} {what}.")
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


def check_model_name(name: str, parameter: str = "name") -> None:
    """Refuse a registered model whose name ``models:/name/version`` could not hold."""
    if not name.strip():
        raise invalid(
            f"Missing value for required parameter '{parameter}': a registered model name cannot be empty."
        )
    if "/" in name or ":" in name:
        raise invalid(f"Invalid model name '{name[:100]}'. Names cannot contain '/' or ':'.")
    if name in (".", ".."):
        raise invalid(
            f"Invalid value {name!r} for parameter '{parameter}' supplied: names must not read as a path."
        )
    check_length(name, MODEL_NAME_LENGTH, "Registered model name")


def check_logged_model_name(name: str) -> None:
    """Refuse a logged model whose name has what an address gives a meaning to."""
    if any(letter in name for letter in _NOT_IN_LOGGED_NAMES):
        raise invalid(
            f"Invalid model name ({name[:100]!r}) provided. Model name must be a non-empty string and cannot"
            f" contain the following characters: {_NOT_IN_LOGGED_NAMES}"
        )
    check_length(name, MODEL_NAME_LENGTH, "Logged model name")


def check_alias(alias: str) -> None:
    """Refuse an alias that reads as something else in ``models:/name@alias``."""
    if not _ALIAS.fullmatch(alias):
        raise invalid(
            f"Invalid alias name: '{alias[:100]}'. Names may only contain alphanumerics, underscores (_), and"
            " dashes (-)."
        )
    check_length(alias, ALIAS_LENGTH, "Registered model alias name")
    if alias.lower() == "latest":
        raise invalid("'latest' alias name (case insensitive) is reserved.")
    if _VERSION_ALIAS.fullmatch(alias):
        raise invalid(f"Version alias name '{alias}' is reserved.")


def check_model_tag(tag: Tag) -> None:
    """Refuse a tag of a registered model or a version whose key or value is out of bounds."""
    check_key(tag.key, "tag")
    check_length(tag.value, MODEL_TAG_LENGTH, "Tag value")


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
    for tag in used.tags:
        check_length(tag.key, INPUT_TAG_KEY_LENGTH, "Input tag key")
        check_length(tag.value, INPUT_TAG_LENGTH, "Input tag value")
    check_length(dataset.schema or "", DATASET_SCHEMA_LENGTH, "Dataset schema")
    check_length(dataset.profile or "", DATASET_PROFILE_LENGTH, "Dataset profile")
