"""A tracked run as a document, and back: all that a store has of it, but for its artifacts."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from bis.errors import TrackingError
from bis.repeat.capsule.layout import CapsuleError
from bis.tracking import Dataset, DatasetInput, Metric, RunStatus, Tag
from bis.tracking.limits import check_metrics
from bis.tracking.model import all_items

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bis.tracking import Run, Store
    from bis.tracking.registry_model import LoggedModel

FORMAT = "bis.run/1"
_METRIC_DETAILS = ("model_id", "dataset_name", "dataset_digest")


@dataclass(frozen=True)
class PackedModel:
    """A model that the run logged, with what it measured on it itself."""

    model_id: str
    name: str
    model_type: str
    status: str
    step: int
    params: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[Metric, ...]

    @classmethod
    def of(cls, model: LoggedModel, run: Run) -> PackedModel:
        """The model as it is in the store of its run."""
        return cls(
            model.model_id,
            model.name,
            model.model_type,
            model.status,
            next((link.step for link in run.model_outputs if link.model_id == model.model_id), 0),
            model.params,
            model.tags,
            tuple(item.metric for item in model.metrics if item.run_id == run.info.run_id),
        )


@dataclass(frozen=True)
class RunDocument:
    """A run with its whole histories. Times are milliseconds since 1970 UTC."""

    run_id: str
    name: str
    experiment: str
    user_id: str
    status: RunStatus
    start_time: int
    end_time: int | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: tuple[Metric, ...]
    datasets: tuple[DatasetInput, ...] = ()
    models: tuple[PackedModel, ...] = ()

    @classmethod
    def of(cls, store: Store, run: Run, models: Iterable[LoggedModel] = ()) -> RunDocument:
        """Read all of a run from its store; ``models`` are those that it logged."""
        info = run.info
        return cls(
            run_id=info.run_id,
            name=info.name,
            experiment=store.experiment(info.experiment_id).name,
            user_id=info.user_id,
            status=info.status,
            start_time=info.start_time,
            end_time=info.end_time,
            params=run.params,
            tags=run.tags,
            metrics=tuple(
                point for metric in run.metrics for point in _history(store, info.run_id, metric.key)
            ),
            datasets=run.datasets,
            models=tuple(PackedModel.of(model, run) for model in models),
        )

    def to_json(self) -> str:
        """The document: a line for each point of a metric, sorted keys."""
        document = {
            "format": FORMAT,
            **{
                key: value
                for key, value in vars(self).items()
                if key not in ("metrics", "datasets", "models")
            },
            "status": self.status.value,
            "metrics": [_point(metric) for metric in self.metrics],
            "datasets": [asdict(used) for used in self.datasets],
            "models": [_model(model) for model in self.models],
        }
        return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: bytes) -> RunDocument:
        """Read a document; raise CapsuleError when it cannot be read."""
        try:
            document = json.loads(text)
            if document.pop("format") != FORMAT:
                raise CapsuleError(
                    "the run of this capsule is in a newer format",
                    hint="Use the version of bis that wrote it, or a newer one.",
                )
            document["status"] = RunStatus(document["status"])
            document["metrics"] = tuple(_read_point(point) for point in document["metrics"])
            document["datasets"] = tuple(_read_dataset(used) for used in document["datasets"])
            document["models"] = tuple(_read_model(model) for model in document["models"])
            run = cls(**document)
            _check_types(run)
        except (ValueError, KeyError, TypeError, AttributeError, TrackingError) as error:
            raise CapsuleError(f"the run of this capsule cannot be read: {error}") from error
        return run


def _check_types(run: RunDocument) -> None:
    """Raise ValueError for what no run has. The id becomes the name of a directory."""
    if not re.fullmatch(r"[0-9a-f]{32}", run.run_id):
        raise ValueError("its id is none")
    for text in _texts(run):
        text.encode()  # neither another type, nor half of a character
    times = (run.start_time, run.start_time if run.end_time is None else run.end_time)
    if not all(isinstance(time, int) for time in times) or not run.status.is_terminated:
        raise ValueError("its times or status are none of a run that has ended")
    check_metrics(run.metrics)
    for model in run.models:
        if not re.fullmatch(r"m-[0-9a-f]{32}", model.model_id) or not isinstance(model.step, int):
            raise ValueError("the id of a model is none")
        check_metrics(model.metrics)


def _texts(run: RunDocument) -> Iterator[str]:
    yield from (run.name, run.experiment, run.user_id)
    for words in (run.params, run.tags):
        yield from (*words, *words.values())
    for metric in run.metrics:
        yield from (metric.key, metric.model_id, metric.dataset_name, metric.dataset_digest)
    for used in run.datasets:
        yield from (text for text in asdict(used.dataset).values() if text is not None)
        yield from (text for tag in used.tags for text in (tag.key, tag.value))
    for model in run.models:
        yield from (model.name, model.model_type, model.status)
        yield from (text for words in (model.params, model.tags) for pair in words.items() for text in pair)


def _history(store: Store, run_id: str, key: str) -> Iterator[Metric]:
    return all_items(lambda token: store.metric_history(run_id, key, max_results=10_000, page_token=token))


def _point(metric: Metric) -> dict[str, Any]:
    """JSON has no word for what is no number: those are strings, as MLflow writes them."""
    point = {key: value for key, value in asdict(metric).items() if value or key not in _METRIC_DETAILS}
    if metric.value != metric.value or metric.value in (float("inf"), float("-inf")):
        point["value"] = str(metric.value)
    return point


def _read_point(point: dict[str, Any]) -> Metric:
    return Metric(**{**point, "value": float(point["value"])})


def _model(model: PackedModel) -> dict[str, Any]:
    return {**vars(model), "metrics": [_point(metric) for metric in model.metrics]}


def _read_model(model: dict[str, Any]) -> PackedModel:
    return PackedModel(**{**model, "metrics": tuple(_read_point(point) for point in model["metrics"])})


def _read_dataset(used: dict[str, Any]) -> DatasetInput:
    return DatasetInput(Dataset(**used["dataset"]), tuple(Tag(**tag) for tag in used["tags"]))
