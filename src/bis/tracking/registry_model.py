"""Logged models (MLflow 3) and the model registry: what a store holds of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.tracking.model import Metric


@dataclass(frozen=True)
class ModelMetric:
    """A point of a metric that was measured on a model, and the run that measured it."""

    metric: Metric
    run_id: str


@dataclass(frozen=True)
class LoggedModel:
    """A model that a run made, with its own id and artifacts."""

    model_id: str
    experiment_id: str
    name: str
    model_type: str
    source_run_id: str
    status: str
    artifact_uri: str
    creation_timestamp_ms: int
    last_updated_timestamp_ms: int
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    metrics: tuple[ModelMetric, ...] = ()


@dataclass(frozen=True)
class ModelVersion:
    """A numbered version of a registered model; ``source`` is where its files are."""

    name: str
    version: int
    source: str
    run_id: str
    run_link: str
    model_id: str
    stage: str
    description: str
    creation_time: int
    last_updated_time: int
    tags: dict[str, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class RegisteredModel:
    """A name under which versions of a model are kept."""

    name: str
    description: str
    creation_time: int
    last_updated_time: int
    tags: dict[str, str] = field(default_factory=dict)
    aliases: dict[str, int] = field(default_factory=dict)
    latest_versions: tuple[ModelVersion, ...] = ()
