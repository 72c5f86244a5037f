"""What Prometheus reads at ``/metrics``, in its text format.

prometheus_client would cost 45 ms at each start and 4 MB, for what is a few dictionaries here: the server has one
event loop, so nothing is counted from two threads.
Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import functools
import os
import re
import resource
import sys
import time
from typing import TYPE_CHECKING

from bis._version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_STARTED = time.time()

Sample = tuple[str, float]
"""Labels as they are written, braces included, and a value."""


class Requests:
    """Counts requests by route and status, and how long they took."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, int], int] = {}
        self._buckets: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}
        self.in_progress = 0
        self.refused = 0

    def count(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request."""
        key = (method, route, status)
        self._counts[key] = self._counts.get(key, 0) + 1
        buckets = self._buckets.get(route)
        if buckets is None:
            buckets = self._buckets[route] = [0] * (len(_BUCKETS_S) + 1)
            self._sums[route] = 0.0
        place = next((i for i, bound in enumerate(_BUCKETS_S) if seconds <= bound), len(_BUCKETS_S))
        buckets[place] += 1
        self._sums[route] += seconds

    def lines(self) -> Iterator[str]:
        """The lines of the text format."""
        yield from family(
            "bis_http_requests_total",
            "counter",
            "Requests that were answered.",
            [
                (f'{{method="{method}",route="{route}",status="{status}"}}', count)
                for (method, route, status), count in sorted(self._counts.items())
            ],
        )
        yield from _head(
            "bis_http_request_duration_seconds", "histogram", "From the head of a request to its answer."
        )
        for route, buckets in sorted(self._buckets.items()):
            yield from self._histogram(route, buckets)
        yield from family(
            "bis_http_requests_in_progress",
            "gauge",
            "Requests that wait for their answer.",
            [("", self.in_progress)],
        )
        yield from family(
            "bis_http_requests_refused_total",
            "counter",
            "Requests without a token that allows them.",
            [("", self.refused)],
        )

    def _histogram(self, route: str, buckets: list[int]) -> Iterator[str]:
        name, total = "bis_http_request_duration_seconds", 0
        for bound, count in zip([*map(str, _BUCKETS_S), "+Inf"], buckets, strict=True):
            total += count
            yield f'{name}_bucket{{route="{route}",le="{bound}"}} {total}'
        yield f'{name}_sum{{route="{route}"}} {self._sums[route]!r}'
        yield f'{name}_count{{route="{route}"}} {total}'


def family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    """The lines of one metric."""
    yield from _head(name, kind, text)
    for labels, value in samples:
        yield f"{name}{labels} {value!r}"


def process_lines() -> Iterator[str]:
    """What the system knows of this process; the names are those of Prometheus' own clients."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    values: Mapping[str, tuple[str, str, float]] = {
        "process_cpu_seconds_total": ("counter", "CPU time.", usage.ru_utime + usage.ru_stime),
        "process_resident_memory_bytes": ("gauge", "Memory in use.", resident_bytes(usage.ru_maxrss)),
        "process_start_time_seconds": ("gauge", "Start, in seconds since 1970.", _STARTED),
        "process_open_fds": ("gauge", "Open files and connections.", _open_files()),
    }
    for name, (kind, text, value) in values.items():
        yield from family(name, kind, text, [("", value)])
    yield from family("bis_info", "gauge", "The version of bis.", [(f'{{version="{__version__}"}}', 1)])


def resident_bytes(peak: int = 0) -> int:
    """Memory of this process now; on macOS its peak, which is what is to be had there."""
    if sys.platform == "darwin":
        return peak
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123  at each scrape
        return int(file.read().split()[1]) * resource.getpagesize()


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd" if sys.platform != "darwin" else "/dev/fd")) - 1  # noqa: PTH208


def _head(name: str, kind: str, text: str) -> Iterator[str]:
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"


_PATH = re.compile(r"/(?:ajax-)?api/[23]\.0/(?:preview/)?(mlflow-artifacts|mlflow|bis)/(.*)", re.DOTALL)
MANY_PATHS = frozenset(("artifacts", "logged-models", "other"))
"""Names that stand for more than one path."""

_OWN = ("/health", "/ready", "/version", "/metrics")


@functools.lru_cache(maxsize=512)
def route_class(path: str, known: frozenset[str]) -> str:
    """The name under which a path is counted: one of few, whatever clients ask for.

    ``known`` are the paths of the table of routes that have no name in them.
    """
    if path in _OWN:
        return path[1:]
    found = _PATH.fullmatch(path)
    if found is None:
        return "other"
    if found[1] == "mlflow-artifacts":
        return "artifacts"
    if f"{found[1]}/{found[2]}" in known:
        return found[2]
    return "logged-models" if found[2].startswith("logged-models/") else "other"
