"""Two runs held against each other: parameters, status, output files, and the rounds of a verification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bis.repeat.comparison import Bounds, Tolerance, Verdict, compare_rounds, compare_runs
from bis.tracking import RunStatus
from recorded_runs import recorded_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.repeat.recorded import RecordedRun

SHA = {"a": "a" * 64, "b": "b" * 64}


def test_the_same_run_is_identical_to_itself() -> None:
    run = recorded_run(metrics={"loss": 0.5}, params={"p": "1"}, artifacts={"m.bin": b"\xff\x00"})
    comparison = compare_runs(run, run)
    assert comparison.verdict is Verdict.IDENTICAL
    assert comparison.exit_status == 0
    assert comparison.differences == ()
    assert comparison.compared == {"parameter": 1, "metric": 1, "artifact": 1, "file": 0}


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ("0.10", "0.1", Verdict.EQUAL),
        ("true", "True", Verdict.EQUAL),
        ("runs/" + "a" * 32, "runs/" + "b" * 32, Verdict.EQUAL),
        ("1", "2", Verdict.DIFFERENT),
        ("a", "A", Verdict.DIFFERENT),
    ],
)
def test_parameters_differ_by_value(one: str, other: str, verdict: Verdict) -> None:
    comparison = compare_runs(recorded_run("a", params={"p": one}), recorded_run("b", params={"p": other}))
    assert comparison.verdict is verdict
    assert [(each.kind, each.first, each.second) for each in comparison.differences] == [
        ("parameter", one, other)
    ]


def test_a_parameter_of_one_run_alone_is_a_difference() -> None:
    comparison = compare_runs(recorded_run("a", params={"p": "1"}), recorded_run("b"))
    assert comparison.differences[0].reason == "only in the first run"
    assert comparison.exit_status == 1


def test_the_path_of_an_input_is_not_counted_for_its_content_is() -> None:
    plans = [{"inputs": {"local": {"data": path}}} for path in ("/home/a/data", "/srv/data")]
    runs = [
        recorded_run(mark, params={"data": plan["inputs"]["local"]["data"]}, plan=plan)
        for mark, plan in zip("ab", plans, strict=True)
    ]
    comparison = compare_runs(runs[0], runs[1])
    assert comparison.verdict is Verdict.IDENTICAL
    assert [each.name for each in comparison.not_counted] == ["data"]


def test_a_run_that_failed_is_not_one_that_finished() -> None:
    first = recorded_run("a", record={"exit_code": 0})
    second = recorded_run("b", status=RunStatus.FAILED, record={"exit_code": 3})
    assert [(each.name, each.first, each.second) for each in compare_runs(first, second).differences] == [
        ("exit code", 0, 3),
        ("status", "FINISHED", "FAILED"),
    ]


def outputs(directory: str, *files: Mapping[str, object]) -> dict[str, object]:
    return {
        "directory": directory,
        "files": [{"access": "written", "place": "output", "size": 3, **file} for file in files],
    }


def test_output_files_are_paired_by_their_place_in_the_directory() -> None:
    first = recorded_run("a", record=outputs("/here", {"path": "/here/out.csv", "sha256": SHA["a"]}))
    second = recorded_run("b", record=outputs("/there", {"path": "out.csv", "sha256": SHA["a"]}))
    assert compare_runs(first, second).verdict is Verdict.IDENTICAL


def test_an_output_file_with_another_hash_differs() -> None:
    first = recorded_run("a", record=outputs("/x", {"path": "out.csv", "sha256": SHA["a"]}))
    second = recorded_run("b", record=outputs("/x", {"path": "out.csv", "sha256": SHA["b"]}))
    (difference,) = compare_runs(first, second).differences
    assert (difference.kind, difference.name, difference.verdict) == ("file", "out.csv", Verdict.DIFFERENT)
    assert difference.first == {"size_bytes": 3, "sha256": SHA["a"]}


def test_an_output_file_whose_content_was_kept_is_compared_by_value() -> None:
    runs = []
    for mark, text in (("a", b'{"run_id": "1", "x": 1}'), ("b", b'{"run_id": "2", "x": 1}')):
        file = {"path": "out.json", "sha256": SHA[mark], "stored_as": "bis/files/out.json"}
        runs.append(recorded_run(mark, record=outputs("/x", file), own={"bis/files/out.json": text}))
    (difference,) = compare_runs(runs[0], runs[1]).differences
    assert (difference.verdict, difference.reason) == (Verdict.EQUAL, "the same values; left aside: run_id")


def test_an_output_file_that_nobody_hashed_is_not_taken_for_the_same() -> None:
    one, other = ({"path": "big", "size": size, "sha256": None} for size in (5, 6))
    comparison = compare_runs(
        recorded_run("a", record=outputs("/x", one)), recorded_run("b", record=outputs("/x", other))
    )
    assert comparison.verdict is Verdict.DIFFERENT
    assert comparison.differences[0].reason == "not hashed; another size"


def test_what_was_printed_is_shown_and_not_counted() -> None:
    first = recorded_run("a", own={"bis/output.log": b"hello\n"})
    second = recorded_run("b", own={"bis/output.log": b"goodbye\n"})
    comparison = compare_runs(first, second)
    assert comparison.verdict is Verdict.IDENTICAL
    assert [each.kind for each in comparison.not_counted] == ["log"]


def test_what_bis_said_of_nested_runs_is_not_what_was_printed() -> None:
    first = recorded_run("a", own={"bis/output.log": b"bis: run 950a8453: load FINISHED in 0.97 s\nhello\n"})
    second = recorded_run("b", own={"bis/output.log": b"hello\n"})
    assert compare_runs(first, second).differences == ()


def test_a_log_that_is_too_large_to_be_compared_by_value_is_not_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bis.repeat.comparison.artifacts.LARGEST_BYTES", 3)
    first = recorded_run("a", own={"bis/output.log": b"hello\n"})
    second = recorded_run("b", own={"bis/output.log": b"goodbye\n"})
    assert compare_runs(first, second).verdict is Verdict.IDENTICAL


def test_an_artifact_in_one_run_alone_is_a_difference() -> None:
    comparison = compare_runs(recorded_run("a"), recorded_run("b", artifacts={"m": b"1"}))
    assert comparison.differences[0].reason == "only in the second run"


def test_artifacts_named_after_their_run_are_paired() -> None:
    first = recorded_run("a", artifacts={f"model-{'a' * 32}.bin": b"1"})
    second = recorded_run("b", artifacts={f"model-{'b' * 32}.bin": b"1"})
    assert compare_runs(first, second).verdict is Verdict.IDENTICAL


def test_runs_that_differ_already_are_not_looked_into_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bis.repeat.comparison.artifacts.LOOKED_INTO_BYTES", 0)
    texts = {f"{number}.json": b'{"x": %d}' % number for number in range(1, 4)}
    others = {name: text.replace(b"}", b"0}") for name, text in texts.items()}
    comparison = compare_runs(recorded_run("a", artifacts=texts), recorded_run("b", artifacts=others))
    reasons = [each.reason for each in comparison.differences]
    assert reasons[1:] == ["other bytes; not compared by value, since the runs differ already"] * len(
        reasons[1:]
    )
    assert comparison.verdict is Verdict.DIFFERENT


def test_the_document_is_json_also_with_numbers_that_json_has_not() -> None:
    nan = float("nan")
    comparison = compare_runs(recorded_run("a", metrics={"m": nan}), recorded_run("b", metrics={"m": 1.0}))
    document = json.loads(json.dumps(comparison.to_dict(), allow_nan=False))
    assert document["verdict"] == "DIFFERENT"
    assert document["differences"][0]["first"] == "NaN"
    assert document["differences"][0]["absolute_error"] == "Infinity"


def rounds_of(*values: float) -> list[RecordedRun]:
    return [recorded_run(mark, metrics={"m": value}) for mark, value in zip("bcdef", values, strict=False)]


@pytest.mark.parametrize(
    ("values", "verdict", "exit_status"),
    [
        ((1.0, 1.0, 1.0), Verdict.IDENTICAL, 0),
        ((2.0, 2.0, 2.0), Verdict.DIFFERENT, 1),
        ((1.0, 2.0, 1.0), Verdict.UNSTABLE, 4),
        ((2.0,), Verdict.DIFFERENT, 1),
    ],
)
def test_rounds_tell_what_changed_from_what_is_not_deterministic(
    values: tuple[float, ...], verdict: Verdict, exit_status: int
) -> None:
    recorded = recorded_run("a", metrics={"m": 1.0})
    comparison = compare_rounds(recorded, rounds_of(*values))
    assert (comparison.verdict, comparison.exit_status) == (verdict, exit_status)


def test_rounds_within_the_tolerance_are_close() -> None:
    tolerance = Tolerance(Bounds(rtol=1e-3))
    recorded = recorded_run("a", metrics={"m": 1.0})
    comparison = compare_rounds(recorded, rounds_of(1.0001, 1.0002), tolerance)
    assert (comparison.verdict, comparison.exit_status) == (Verdict.CLOSE, 0)
    assert comparison.differences[0].absolute == pytest.approx(2e-4)


def test_a_duration_that_differs_between_rounds_is_not_counted() -> None:
    rounds = [recorded_run(mark, metrics={"fit_time": value}) for mark, value in (("b", 1.0), ("c", 2.0))]
    comparison = compare_rounds(recorded_run("a", metrics={"fit_time": 3.0}), rounds)
    assert comparison.verdict is Verdict.IDENTICAL
