"""What Prometheus reads, read by Prometheus' own parser."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from bis.server.app import TABLE
from bis.server.metrics import Requests, process_lines, route_class


def values(lines: list[str]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = "\n".join([*lines, ""])
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for one in text_string_to_metric_families(text)
        for sample in one.samples
    }


def test_requests_are_counted_by_route_and_status() -> None:
    requests = Requests()
    for status, seconds in ((200, 0.0005), (200, 0.02), (404, 0.02), (200, 60.0)):
        requests.count("GET", "runs/get", status, seconds)
    found = values(list(requests.lines()))
    name = "bis_http_requests_total"
    assert found[name, (("method", "GET"), ("route", "runs/get"), ("status", "200"))] == 3
    assert found[name, (("method", "GET"), ("route", "runs/get"), ("status", "404"))] == 1
    name = "bis_http_request_duration_seconds"
    buckets = {
        le: found[f"{name}_bucket", (("le", le), ("route", "runs/get"))] for le in ("0.001", "0.025", "+Inf")
    }
    assert buckets == {"0.001": 1, "0.025": 3, "+Inf": 4}
    assert found[f"{name}_count", (("route", "runs/get"),)] == 4
    assert found[f"{name}_sum", (("route", "runs/get"),)] == pytest.approx(60.0405)


def test_the_process_tells_of_itself() -> None:
    found = values(list(process_lines()))
    assert found["process_resident_memory_bytes", ()] > 10**6
    assert found["process_cpu_seconds_total", ()] > 0
    assert found["process_open_fds", ()] > 2


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/health", "health"),
        ("/metrics", "metrics"),
        ("/api/2.0/mlflow/runs/log-metric", "runs/log-metric"),
        ("/ajax-api/2.0/preview/mlflow/runs/search", "runs/search"),
        ("/api/2.0/mlflow-artifacts/artifacts/0/any/name", "artifacts"),
        ("/api/2.0/mlflow/logged-models/m-123/tags", "logged-models"),
        ("/api/2.0/mlflow/traces/search", "other"),
        ('/api/2.0/mlflow/"} 1\nforged 1', "other"),
        ("/", "other"),
    ],
)
def test_a_path_is_counted_under_a_known_name(path: str, route: str) -> None:
    assert route_class(path, TABLE.paths) == route


@given(st.text(max_size=300))
def test_clients_cannot_make_new_names(path: str) -> None:
    known = {path.partition("/")[2] for path in TABLE.paths}
    others = {"health", "ready", "version", "metrics", "artifacts", "logged-models", "other"}
    assert route_class(path, TABLE.paths) in known | others
