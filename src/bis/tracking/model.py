"""The things a tracking store holds. Times are milliseconds since 1970 UTC; ids are strings, as in MLflow."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class RunStatus(str, Enum):
    """Where a run stands."""

    RUNNING = "RUNNING"
    SCHEDULED = "SCHEDULED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"

    @property
    def is_terminated(self) -> bool:
        """Whether the run has ended."""
        return self in (RunStatus.FINISHED, RunStatus.FAILED, RunStatus.KILLED)


class View(str, Enum):
    """Which experiments or runs a search looks at, by lifecycle stage."""

    ACTIVE_ONLY = "ACTIVE_ONLY"
    DELETED_ONLY = "DELETED_ONLY"
    ALL = "ALL"


@dataclass(frozen=True)
class Tag:
    """A word about a run, an experiment or a model; can be set again."""

    key: str
    value: str


@dataclass(frozen=True)
class Param:
    """A parameter of a run; its value is set once.

    ``received_as`` is what the script was given in its place (the local path of a download), which it may log
    again.
    """

    key: str
    value: str
    received_as: str | None = None


@dataclass(frozen=True)
class Metric:
    """One point of a metric. ``model_id`` and the dataset say what was measured on what (MLflow 3)."""

    key: str
    value: float
    timestamp: int
    step: int = 0
    model_id: str = ""
    dataset_name: str = ""
    dataset_digest: str = ""


@dataclass(frozen=True)
class Experiment:
    """A named group of runs."""

    experiment_id: str
    name: str
    artifact_location: str
    lifecycle_stage: str
    creation_time: int
    last_update_time: int
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RunInfo:
    """What identifies a run and where it stands.

    ``artifact_uri`` is the store's own address, ``mlflow-artifacts:/...`` below its artifact root.
    """

    run_id: str
    name: str
    experiment_id: str
    user_id: str
    status: RunStatus
    start_time: int
    end_time: int | None
    lifecycle_stage: str
    artifact_uri: str


@dataclass(frozen=True)
class Dataset:
    """Data that a run read, as the script described it."""

    name: str
    digest: str
    source_type: str
    source: str
    schema: str | None = None
    profile: str | None = None


@dataclass(frozen=True)
class DatasetInput:
    """A dataset as one run used it; tags hold the context (training, evaluation)."""

    dataset: Dataset
    tags: tuple[Tag, ...] = ()


@dataclass(frozen=True)
class ModelLink:
    """A logged model that a run read or made."""

    model_id: str
    step: int = 0


@dataclass(frozen=True)
class Run:
    """A run with its data: the latest point of each metric, parameters, tags, inputs and outputs."""

    info: RunInfo
    metrics: tuple[Metric, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    model_inputs: tuple[ModelLink, ...] = ()
    model_outputs: tuple[ModelLink, ...] = ()


@dataclass(frozen=True)
class RunSummary:
    """A line of a list of runs."""

    info: RunInfo
    experiment_name: str
    tags: dict[str, str]


@dataclass(frozen=True)
class Page(Generic[T]):
    """A part of an answer; ``next_token`` asks for the part after it, None when there is none."""

    items: tuple[T, ...]
    next_token: str | None = None


def all_items(ask: Callable[[str | None], Page[T]]) -> Iterator[T]:
    """The items of all pages; ``ask`` is given the token of each page, None for the first."""
    token = None
    while True:
        page = ask(token)
        yield from page.items
        token = page.next_token
        if not token:
            return


@dataclass(frozen=True)
class FileInfo:
    """A file or a directory among artifacts; ``path`` is relative to the root that was listed."""

    path: str
    is_dir: bool
    size_bytes: int | None = None
