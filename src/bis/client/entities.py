"""What a tracking server tells of runs and experiments, with MLflow's names."""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing costs more than this module
if TYPE_CHECKING:
    from typing import Any


class _Entity:
    def __repr__(self) -> str:
        fields = ", ".join("{}={!r}".format(name, value) for name, value in vars(self).items())
        return "<{}: {}>".format(type(self).__name__, fields)

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(repr(self))


class Experiment(_Entity):
    """An experiment."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.experiment_id = str(answer["experiment_id"])
        self.name = str(answer.get("name", ""))
        self.artifact_location = str(answer.get("artifact_location", ""))
        self.lifecycle_stage = str(answer.get("lifecycle_stage", "active"))
        self.tags = _pairs(answer.get("tags"))


class RunInfo(_Entity):
    """What a run is; times are milliseconds since 1970."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.run_id = str(answer.get("run_id") or answer["run_uuid"])
        self.run_name = answer.get("run_name")
        self.experiment_id = str(answer["experiment_id"])
        self.user_id = answer.get("user_id")
        self.status = str(answer.get("status", "RUNNING"))
        self.start_time = _whole(answer.get("start_time"))
        self.end_time = _whole(answer.get("end_time"))
        self.lifecycle_stage = str(answer.get("lifecycle_stage", "active"))
        self.artifact_uri = str(answer.get("artifact_uri", ""))


class RunData(_Entity):
    """What a run has logged: the latest value of each metric, the parameters and the tags."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.metrics = {str(one["key"]): float(one.get("value", 0.0)) for one in answer.get("metrics", ())}
        self.params = _pairs(answer.get("params"))
        self.tags = _pairs(answer.get("tags"))


class Run(_Entity):
    """A run as the server has it: ``info`` and ``data``."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.info = RunInfo(answer["info"])
        self.data = RunData(answer.get("data", {}))


class Metric(_Entity):
    """One value of a metric; the timestamp is in milliseconds since 1970."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.key = str(answer["key"])
        self.value = float(answer.get("value", 0.0))
        self.timestamp = int(answer.get("timestamp", 0))
        self.step = int(answer.get("step", 0))


def _pairs(answer: Any) -> dict[str, str]:
    return {str(one["key"]): str(one.get("value", "")) for one in answer or ()}


def _whole(number: Any) -> int | None:
    return None if number is None else int(number)
