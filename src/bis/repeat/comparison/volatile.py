"""What belongs to one run alone and is left aside: times, speeds, ids, places. Each entry says why it is here.

The list is short on purpose. What it leaves aside is always named in the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

DURATION_WORDS: dict[str, str] = {
    "time": "a time",
    "times": "times",
    "timestamp": "a time",
    "duration": "a duration",
    "durations": "durations",
    "elapsed": "a duration",
    "runtime": "a duration",
    "walltime": "a duration",
    "wallclock": "a duration",
    "uptime": "a duration",
    "latency": "a duration",
    "eta": "a duration",
    "sec": "a duration in seconds",
    "secs": "a duration in seconds",
    "second": "a duration in seconds",
    "seconds": "a duration in seconds",
    "ms": "a duration in milliseconds",
    "msec": "a duration in milliseconds",
    "millis": "a duration in milliseconds",
    "milliseconds": "a duration in milliseconds",
    "microseconds": "a duration in microseconds",
    "minutes": "a duration in minutes",
    "hours": "a duration in hours",
    "speed": "a speed",
    "throughput": "a speed",
    "fps": "a speed",
    "qps": "a speed",
    "rps": "a speed",
}
"""Words in a metric's name that make it a measurement of the machine, not a result."""

RESULT_WORDS = frozenset(
    [
        "accuracy",
        "acc",
        "auc",
        "auroc",
        "bias",
        "corr",
        "correlation",
        "cost",
        "coverage",
        "error",
        "f1",
        "kl",
        "loss",
        "mae",
        "mape",
        "mse",
        "nll",
        "perplexity",
        "precision",
        "r2",
        "recall",
        "reward",
        "rmse",
        "score",
    ]
)
"""Words that make it a result all the same: ``arrival_time_rmse``, ``time_loss``."""

MACHINE_PREFIXES = ("system/",)
"""MLflow logs the use of processor, memory and network under ``system/`` by itself."""

FIELDS: dict[str, str] = {
    "run_id": "an id of the run",
    "run_uuid": "an id of the run",
    "run_name": "MLflow draws it at random",
    "experiment_id": "depends on the store",
    "experiment_name": "depends on the store",
    "model_uuid": "MLflow draws it at random",
    "model_id": "MLflow draws it at random",
    "uuid": "drawn at random",
    "artifact_path": "an address in the store (MLflow 3)",
    "artifact_uri": "an address in the store",
    "artifact_location": "an address in the store",
    "utc_time_created": "the time of the run",
    "creation_time": "the time of the run",
    "created_at": "the time of the run",
    "created": "the time of the run",
    "updated_at": "the time of the run",
    "start_time": "the time of the run",
    "end_time": "the time of the run",
    "date": "the time of the run",
    "datetime": "the time of the run",
    "hostname": "the machine",
    "pid": "a process id",
}
"""Fields of documents (MLmodel, JSON, YAML, pickled state) and columns of tables, by their whole name."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_PER_TIME = re.compile(
    r"(?:^|[^a-z])(?:per|/)[_ ./-]?(?:s|sec|secs|second|ms|min|minute|hour|h)(?![a-z])|it/s"
)
_STEP_AFTER_TIME = re.compile(r"time[_ .-]?steps?\b|timesteps?")


@lru_cache(maxsize=65536)
def duration_reason(name: str) -> str | None:
    """Why a number of that name is a measurement of the machine and not a result; None when it is a result."""
    if name.startswith(MACHINE_PREFIXES):
        return "the use of the machine"
    lowered = name.lower()
    words = [word.lower() for word in _WORD.findall(name)]
    if RESULT_WORDS.intersection(words) or RESULT_WORDS.intersection(re.findall(r"[a-z][a-z0-9]*", lowered)):
        return None
    if _PER_TIME.search(lowered):
        return "a speed"
    if _STEP_AFTER_TIME.search(lowered):
        return None
    return next((DURATION_WORDS[word] for word in words if word in DURATION_WORDS), None)


def field_reason(name: str) -> str | None:
    """Why a field or column of that name is left aside; None when it counts."""
    return FIELDS.get(name.lower()) or duration_reason(name)


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_PLACES = re.compile(
    r"\bm-[0-9a-f]{32}\b"  # the id of a logged model
    r"|(?:/[^\s\"'=:,;/]{1,255}){1,20}/environments/[0-9a-f]{8,64}"  # of bis, by the home; bounded: it is quadratic
    r"|(?:/private)?/(?:var/folders/[^\s/]+/[^\s/]+/T|tmp|var/tmp)/(?:tmp[a-z0-9_]{6,8}|tmp\.[A-Za-z0-9]{6,})"
    rf"|\b{_UUID}\b"
)
_TIMES = re.compile(
    r"\b\d{4}[-/]\d\d[-/]\d\d(?:[T ,]+\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?:Z|\s?[+-]\d\d:?\d\d|\s?UTC)?"
    r"|\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +[A-Z0-9][a-z0-9]{0,2} +[A-Z0-9][a-z0-9]{0,2}"
    r"(?: +\d{4})? +\d\d:\d\d:\d\d(?: [A-Z]{3,4})?(?: +\d{4})?"
    r"|\b\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?\b"
    r"|\b\d+(?:\.\d+)?\s?(?:ms|µs|us|ns|s|sec|secs|seconds|min|minutes)(?:/(?:step|it|epoch|batch|sample|iter))?\b"
    r"|\b\d+(?:\.\d+)?\s?(?:it|samples|batches|steps|tokens|rows)/s(?:ec)?\b"
    r"|\b0x[0-9a-f]{6,16}\b"
)


def mask_times(text: str) -> str:
    """The text with dates, times, durations, speeds and addresses in memory taken out."""
    return _TIMES.sub("<time>", text)


@dataclass(frozen=True)
class RunWords:
    """The words that only one run has: its id, its directory, the address of its artifacts."""

    words: tuple[str, ...] = ()

    def mask(self, text: str) -> str:
        """The text with each of them, and with ids and places drawn at random, taken out."""
        for word in self.words:
            if word in text:
                text = text.replace(word, "<run>")
        return _PLACES.sub("<run>", text)
