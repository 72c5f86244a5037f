"""The queue between a script and its server: what waits, in which order, and what a server away or unwilling does."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bis.client import metric_queue
from bis.client.connection import Server
from bis.client.errors import RefusedError, TrackingError
from bis.client.metric_queue import MetricQueue

if TYPE_CHECKING:
    from client.conftest import Tracked

RUN = "r" * 32


class Recorder(Server):
    """A server that keeps what it is sent; ``refused`` are keys, ``away`` lets nothing through."""

    is_near = True

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[dict[str, Any]]]] = []
        self.refused: set[str] = set()
        self.away = threading.Event()

    def post(self, endpoint: str, body: dict[str, Any], *, repeat: bool = True) -> dict[str, Any]:
        assert (endpoint, repeat) == ("mlflow/runs/log-batch", True)
        if self.away.is_set():
            raise TrackingError("the server is away")
        if self.refused & {metric["key"] for metric in body["metrics"]}:
            raise RefusedError("no", "INVALID_PARAMETER_VALUE")
        self.batches.append((body["run_id"], body["metrics"]))
        return {}

    def values(self, key: str, run_id: str = RUN) -> list[float]:
        every = [metric for run, batch in self.batches if run == run_id for metric in batch]
        return [metric["value"] for metric in every if metric["key"] == key]


@pytest.fixture
def queue() -> MetricQueue:
    """A queue without its thread: what is put waits for ``flush``."""
    made = MetricQueue()
    made._start = lambda: True  # type: ignore[method-assign]
    return made


def put(
    queue: MetricQueue, server: Server, *values: float, key: str = "m", run_id: str = RUN, step: int = 0
) -> None:
    for value in values:
        queue.put((server, run_id), [(key, value)], step, None)


def test_a_batch_has_a_thousand_metrics_at_most_and_the_order_stays(queue: MetricQueue) -> None:
    server = Recorder()
    put(queue, server, *range(2500))
    assert queue.waiting == 2500
    queue.flush()
    assert [len(batch) for _, batch in server.batches] == [1000, 1000, 500]
    assert server.values("m") == list(range(2500))
    assert queue.waiting == 0


def test_runs_that_alternate_have_batches_of_their_own(queue: MetricQueue) -> None:
    server, other = Recorder(), "o" * 32
    for value in range(100):
        put(queue, server, value)
        put(queue, server, value, run_id=other)
    queue.flush((server, RUN))
    assert ([run for run, _ in server.batches], queue.waiting) == ([RUN], 100)
    queue.flush()
    assert server.values("m", other) == list(range(100))


def test_nothing_is_given_up_while_the_server_is_away(queue: MetricQueue) -> None:
    server = Recorder()
    server.away.set()
    put(queue, server, 1, 2)
    for _ in range(2):
        with pytest.raises(TrackingError, match="away"):
            queue.flush()
    server.away.clear()
    queue.flush()
    assert server.values("m") == [1, 2]


def test_a_refused_key_takes_no_other_with_it_and_is_raised_once(
    queue: MetricQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    server = Recorder()
    server.refused = {"bad"}
    for value in range(3):
        put(queue, server, value)
        put(queue, server, value, key="bad")
    with pytest.raises(RefusedError, match="3 metrics of run rrrrrrrr were refused: no"):
        queue.flush()
    queue.flush()
    assert server.values("m") == [0, 1, 2]
    assert capsys.readouterr().err.count("refused") == 1


def test_who_logs_waits_when_too_much_waits_and_learns_that_the_server_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metric_queue, "MOST_WAITING", 10)
    monkeypatch.setattr(metric_queue, "NEAR_INTERVAL_S", 0.01)
    monkeypatch.setattr(metric_queue, "_PAUSE_S", 0.01)
    queue, server = MetricQueue(), Recorder()
    server.away.set()
    with pytest.raises(TrackingError, match="away"):
        put(queue, server, *range(50))
    waiting = queue.waiting
    assert 10 <= waiting < 20
    server.away.clear()
    queue.flush()
    put(queue, server, *range(waiting, 50))
    queue.flush()
    assert server.values("m") == list(range(50))


def test_the_thread_sends_without_being_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metric_queue, "NEAR_INTERVAL_S", 0.01)

    class Sender(Recorder):
        def post(self, endpoint: str, body: dict[str, Any], *, repeat: bool = True) -> dict[str, Any]:
            sent.set()
            return super().post(endpoint, body, repeat=repeat)

    queue, server, sent = MetricQueue(), Sender(), threading.Event()
    put(queue, server, 1)
    assert sent.wait(30)


def test_times_of_one_step_rise_and_those_that_were_given_stay(queue: MetricQueue) -> None:
    server = Recorder()
    put(queue, server, 3, 1, 2)
    queue.put((server, RUN), [("given", 1), ("given", 0)], 0, 5)
    put(queue, server, 3, key="other", step=1)
    queue.flush()
    (_, batch), *_ = server.batches
    times = [metric["timestamp"] for metric in batch if metric["key"] == "m"]
    assert times == sorted(set(times))
    assert [metric["timestamp"] for metric in batch if metric["key"] == "given"] == [5, 5]


KEYS = st.from_regex(r"\A[a-zé][\w.\-: ]{0,20}(/[\w\-: ]{1,5})?\Z")
VALUES = st.floats() | st.integers(-(2**53), 2**53)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(KEYS, VALUES, st.integers(-(2**63), 2**63 - 1), st.none() | st.integers(0, 2**63 - 1)),
        max_size=40,
    )
)
def test_every_value_comes_back_as_it_was_logged(
    tracked: Tracked, points: list[tuple[str, float, int, int | None]]
) -> None:
    queue, server, run_id = MetricQueue(), Server(tracked.url, token=tracked.token), tracked.new_run()
    queue._start = lambda: True  # type: ignore[method-assign]
    for key, value, step, timestamp in points:
        queue.put((server, run_id), [(key, float(value))], step, timestamp)
    queue.flush()
    server.close()
    for key in {point[0] for point in points}:
        answer = tracked.ask("metrics/get-history", run_id=run_id, metric_key=key)["metrics"]
        found = {(_same(float(one.get("value", 0))), int(one.get("step", 0))) for one in answer}
        assert found == {(_same(float(value)), step) for name, value, step, _ in points if name == key}


def _same(value: float) -> float | str:
    """NaN is no number that is equal to itself; there is one zero in a database."""
    return "NaN" if math.isnan(value) else value + 0.0
