"""Metrics: final values, whole histories, durations and speeds."""

from __future__ import annotations

import pytest

from bis.repeat.comparison import Bounds, Comparison, Tolerance, Verdict, compare_runs
from bis.repeat.comparison.volatile import duration_reason
from bis.repeat.recorded import History
from recorded_runs import recorded_run

NAN = float("nan")
EXACT = Bounds()


def compared(name: str, one: History | float, other: History | float, bounds: Bounds = EXACT) -> Comparison:
    tolerance = Tolerance(bounds)
    return compare_runs(
        recorded_run("a", metrics={name: one}), recorded_run("b", metrics={name: other}), tolerance
    )


@pytest.mark.parametrize(
    ("one", "other", "verdict", "reason"),
    [
        (History.of(1, 2, 3), History.of(1, 2, 3), Verdict.IDENTICAL, None),
        (History.of(1, NAN), History.of(1, NAN), Verdict.IDENTICAL, None),
        (History.of(1, 2, 3), History.of(1, 2, 4), Verdict.DIFFERENT, "1 of 3 points, first at step 2"),
        (
            History.of(1, 2, 3),
            History.of(1, 5, 3),
            Verdict.DIFFERENT,
            "1 of 3 points, first at step 1; the last value is the same",
        ),
        (History.of(1, 2), History.of(1, 2, 3), Verdict.DIFFERENT, "2 and 3 points"),
        (
            History.of(1, 2, steps=(0, 1)),
            History.of(1, 2, steps=(0, 2)),
            Verdict.DIFFERENT,
            "points at other steps (1, 2)",
        ),
        (History.of(0.5), History.of(0.25), Verdict.DIFFERENT, ""),
        (History.of(1, NAN), History.of(1, 2), Verdict.DIFFERENT, "1 of 2 points, first at step 1"),
    ],
)
def test_a_history_is_compared_point_by_point(
    one: History, other: History, verdict: Verdict, reason: str | None
) -> None:
    comparison = compared("loss", one, other)
    assert comparison.verdict is verdict
    assert [each.reason for each in comparison.differences] == ([] if reason is None else [reason])


def test_points_of_one_step_have_no_order() -> None:
    """Those logged within one millisecond are ordered by value; in another run they came a millisecond apart."""
    one, other = History.of(0.25, 0.5, steps=(0, 0)), History.of(0.5, 0.25, steps=(0, 0))
    assert compared("loss", one, other).verdict is Verdict.EQUAL


def test_a_point_logged_twice_within_a_millisecond_is_kept_once() -> None:
    one, other = History.of(1, 1, 2, steps=(0, 0, 1)), History.of(1, 2, steps=(0, 1))
    assert compared("loss", one, other).verdict is Verdict.EQUAL


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        (Bounds(), Verdict.DIFFERENT),
        (Bounds(rtol=1e-6), Verdict.CLOSE),
        (Bounds(atol=1e-3), Verdict.CLOSE),
        (Bounds(rtol=1e-9), Verdict.DIFFERENT),
    ],
)
def test_the_tolerance_decides_and_the_error_is_told(bounds: Bounds, verdict: Verdict) -> None:
    comparison = compared("loss", 100.0, 100.0 + 1e-5, bounds)
    assert comparison.verdict is verdict
    assert comparison.differences[0].absolute == pytest.approx(1e-5)
    assert comparison.differences[0].relative == pytest.approx(1e-7)


def test_a_long_history_is_compared_within_the_tolerance() -> None:
    one = History.of(*(float(i) for i in range(1000)))
    other = History.of(*(i + 1e-4 for i in range(1000)))
    assert compared("loss", one, other, Bounds(atol=1e-3)).verdict is Verdict.CLOSE
    strict = compared("loss", one, other, Bounds(rtol=1e-6))
    assert strict.verdict is Verdict.DIFFERENT
    assert strict.differences[0].absolute == pytest.approx(1e-4)
    assert strict.differences[0].relative == pytest.approx(1.0)


def test_a_metric_has_its_own_tolerance() -> None:
    tolerance = Tolerance.read(rtol=["loss=0.1"])
    runs = [
        recorded_run(mark, metrics={"loss": value, "auc": value}) for mark, value in (("a", 1.0), ("b", 1.01))
    ]
    found = {each.name: each.verdict for each in compare_runs(runs[0], runs[1], tolerance).differences}
    assert found == {"loss": Verdict.CLOSE, "auc": Verdict.DIFFERENT}


@pytest.mark.parametrize(
    "name",
    [
        "train_time", "fit_time_s", "duration", "epoch_duration", "elapsedSeconds", "wall_time", "Time/fit",
        "samples_per_second", "train_samples_per_second", "images/sec", "it/s", "throughput", "latency_ms", "fps",
        "system/cpu_utilization_percentage", "eval_runtime", "inference.ms",
    ],
)  # fmt: skip
def test_times_and_speeds_are_known_by_name_and_not_counted(name: str) -> None:
    comparison = compared(name, 1.0, 2.0)
    assert comparison.verdict is Verdict.IDENTICAL
    (difference,) = comparison.not_counted
    assert (difference.first, difference.second) == (1.0, 2.0)
    assert difference.reason.endswith(": not counted")


@pytest.mark.parametrize(
    "name",
    [
        "loss", "accuracy", "f1", "arrival_time_rmse", "time_loss", "total_timesteps", "time_step", "msle", "centre",
        "sentiment", "second_derivative_error", "n_params", "lifetime_r2", "items_per_class", "reward_per_step",
    ],
)  # fmt: skip
def test_results_are_counted_whatever_else_their_names_hold(name: str) -> None:
    assert duration_reason(name) is None


def test_a_duration_that_the_user_names_is_counted() -> None:
    comparison = compared("train_time", 1.0, 2.0)
    assert comparison.verdict is Verdict.IDENTICAL
    runs = [recorded_run(mark, metrics={"train_time": value}) for mark, value in (("a", 1.0), ("b", 2.0))]
    assert (
        compare_runs(runs[0], runs[1], Tolerance.read(rtol=["train_time=0.1"])).verdict is Verdict.DIFFERENT
    )
