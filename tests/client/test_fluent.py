"""Runs, parameters, metrics and tags, as a script logs them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

import pytest

from bis.client.errors import RefusedError
from bis.client.values import checked_key, metric_value, whole_number

if TYPE_CHECKING:
    from client.conftest import Tracked


def test_a_run_has_what_was_logged(tracked: Tracked) -> None:
    out, said = tracked.script(
        """
        import bis
        assert bis.active_run() is None and bis.last_active_run() is None
        with bis.start_run(run_name="first", tags={"team": "blue", "n": 3}, description="why") as run:
            assert bis.active_run() is run
            assert bis.log_param("depth", 3) == 3
            bis.log_params({"p%d" % n: n for n in range(250)})
            bis.log_metric("loss", 0.5, step=2)
            bis.log_metrics({"a": 1, "b": float("nan")}, step=1, timestamp=77)
            bis.log_metric("up", float("inf"), synchronous=True)
            bis.set_tag("t", True)
            bis.set_tags({"u": "x", "gone": 1})
            bis.delete_tag("gone")
        print(run.info.run_id, bis.last_active_run().info.status)
        """
    )
    run_id, status = out.split()
    run = tracked.run(run_id)
    assert said == ""
    assert (status, run["info"]["status"], run["info"]["run_name"]) == ("FINISHED", "FINISHED", "first")
    assert (run["params"]["depth"], run["params"]["p249"], len(run["params"])) == ("3", "249", 251)
    assert run["metrics"]["loss"] == 0.5
    assert run["metrics"]["b"] == "NaN"
    assert {key: run["tags"][key] for key in ("team", "n", "t", "u", "mlflow.note.content")} == {
        "team": "blue",
        "n": "3",
        "t": "True",
        "u": "x",
        "mlflow.note.content": "why",
    }
    assert "gone" not in run["tags"]
    assert run["tags"]["mlflow.source.name"].endswith("script.py")
    history = tracked.ask("metrics/get-history", run_id=run_id, metric_key="a")["metrics"]
    assert [(one["timestamp"], one["step"]) for one in history] == [(77, 1)]


def test_values_of_one_step_keep_the_order_of_the_calls(tracked: Tracked) -> None:
    values = [5.0, 1.0, 1.0, 9.0, -2.0] * 100
    tracked.script(
        f"""
        import bis
        with bis.start_run():
            for value in {values}:
                bis.log_metric("m", value)
        """
    )
    (run,) = tracked.runs()
    assert tracked.history(run["info"]["run_id"], "m") == values
    assert run["metrics"]["m"] == -2.0


def test_runs_begun_within_a_run_are_its_children(tracked: Tracked) -> None:
    tracked.script(
        """
        import bis, threading
        with bis.start_run(run_name="parent"):
            try:
                bis.start_run()
            except bis.TrackingError as error:
                print(error)
            with bis.start_run(run_name="child", nested=True):
                bis.log_metric("m", 1)
            def work():
                with bis.start_run(run_name="of a thread", nested=True):
                    bis.log_metric("m", 2)
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            bis.log_metric("m", 3)
        with bis.start_run(run_name="after"):
            pass
        """
    )
    runs = {run["info"]["run_name"]: run for run in tracked.runs()}
    parent_id = runs["parent"]["info"]["run_id"]
    parents = {name: run["tags"].get("mlflow.parentRunId") == parent_id for name, run in runs.items()}
    assert parents == {"parent": False, "child": True, "of a thread": True, "after": False}
    assert [runs[name]["metrics"]["m"] for name in ("parent", "child", "of a thread")] == [3, 1, 2]


def test_a_run_can_be_gone_on_with(tracked: Tracked) -> None:
    run_id = tracked.new_run()
    tracked.script(
        f"""
        import bis
        with bis.start_run(run_id="{run_id}", tags={{"again": 1}}, run_name="renamed") as run:
            assert run.info.run_id == "{run_id}"
            bis.log_metric("m", 1)
        bis.log_metric("late", 2, run_id="{run_id}")
        bis.log_params({{"late": 2}}, run_id="{run_id}")
        """
    )
    (run,) = tracked.runs()
    assert (run["info"]["status"], run["info"]["run_name"], run["tags"]["again"]) == (
        "FINISHED",
        "renamed",
        "1",
    )
    assert run["metrics"] == {"m": 1, "late": 2}
    assert run["params"] == {"late": "2"}


def test_an_experiment_is_used_by_name_and_by_id_and_by_processes_below(tracked: Tracked) -> None:
    out, _ = tracked.script(
        """
        import bis, os, subprocess, sys
        made = bis.set_experiment("iris")
        assert bis.set_experiment(experiment_id=made.experiment_id) == made == bis.set_experiment("iris")
        with bis.start_run() as run:
            pass
        code = "import bis; print(bis.start_run().info.experiment_id)"
        below = subprocess.check_output([sys.executable, "-c", code]).decode().split()
        print(made.experiment_id, run.info.experiment_id, *below)
        """
    )
    assert len(set(out.split())) == 1
    assert out.split()[0] != "0"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("log_metric('a#b', 1)", "'a#b' is no name of a metric"),
        ("log_metric('', 1)", "'' is no name of a metric"),
        ("log_metric('../a', 1)", "no path below its run"),
        ("log_metric('m', 'high')", "the metric 'm' is no number: 'high'"),
        ("log_metric('m', None)", "is no number: None"),
        ("log_metric('m', 1, step=2**63)", "no whole number of 64 bits"),
        ("log_metric('m', 1, timestamp=-1)", "no whole number of 64 bits"),
        ("log_param('p', 2)", "changing param values is not allowed"),
        ("log_param('k' * 251, 2)", "at most 250 characters"),
        ("get_run('0' * 32)", "not found"),
        ("set_experiment(experiment_id='99')", "99"),
        ("start_run(run_id='0' * 32, nested=True)", "not found"),
        ("start_run(nested=True, description='a', tags={'mlflow.note.content': 'b'})", "give one of them"),
        ("log_text('x', '../up')", "is no path of an artifact"),
        ("search_runs(filter_string='metrics.')", "metrics"),
    ],
)
def test_what_a_server_would_refuse_is_refused_at_the_call(tracked: Tracked, call: str, words: str) -> None:
    out, _ = tracked.script(
        f"""
        import bis
        with bis.start_run():
            bis.log_param("p", 1)
            try:
                bis.{call}
            except bis.TrackingError as error:
                print(error)
            bis.log_metric("good", 1)
        """
    )
    assert words.lower() in out.lower()
    assert tracked.runs()[0]["metrics"] == {"good": 1}


def test_a_long_value_is_cut_and_said(tracked: Tracked) -> None:
    _, said = tracked.script("import bis\nbis.log_param('p', 'x' * 7000)\nbis.set_tag('t', 'y' * 9000)")
    (run,) = tracked.runs()
    assert (len(run["params"]["p"]), len(run["tags"]["t"])) == (6000, 8000)
    assert "the first 6000 are kept" in said


def test_what_was_refused_of_a_batch_is_raised_at_its_end_and_the_rest_is_kept(tracked: Tracked) -> None:
    out, said = tracked.script(
        """
        import bis
        from bis.client import fluent
        fluent.checked_key = lambda key, what: key  # as if the server had rules of its own
        try:
            with bis.start_run():
                for i in range(500):
                    bis.log_metrics({"good": i, "b#d": i}, step=i)
        except bis.RefusedError as error:
            print(error.error_code, error)
        """
    )
    (run,) = tracked.runs()
    assert "INVALID_PARAMETER_VALUE 500 metrics of run" in out
    assert "b#d" in out
    assert said.count("refused") == 1
    assert len(tracked.history(run["info"]["run_id"], "good")) == 500
    assert run["info"]["status"] == "FINISHED"


def test_an_error_of_the_script_stands_before_one_of_its_metrics(tracked: Tracked) -> None:
    _, said = tracked.script(
        """
        import bis
        from bis.client import fluent
        fluent.checked_key = lambda key, what: key
        with bis.start_run():
            bis.log_metric("b#d", 1)
            raise ZeroDivisionError
        """,
        status=1,
    )
    assert said.splitlines()[-1] == "ZeroDivisionError"
    assert "1 metric of run" in said


def test_runs_are_searched_as_lists_where_there_is_no_pandas(tracked: Tracked) -> None:
    out, _ = tracked.script(
        """
        import bis, json
        for depth in (1, 2, 3):
            with bis.start_run(tags={"depth": depth}):
                bis.log_param("depth", depth)
                bis.log_metric("m", depth / 2)
        found = bis.search_runs(filter_string="metrics.m > 0.6", order_by=["metrics.m DESC"])
        every = bis.search_runs(search_all_experiments=True, max_results=2)
        none = bis.search_runs(experiment_names=["absent"])
        named = bis.search_runs(experiment_names=["Default"])
        print(json.dumps([[run.data.params["depth"] for run in found], len(every), none, len(named)]))
        """
    )
    assert json.loads(out) == [["3", "2"], 2, [], 3]


@pytest.mark.parametrize("key", ["a", "a.b", "a/b", "a b:c-d_e", "é", "..a", "a..b", "...", "a" * 250])
def test_a_key_is_taken(key: str) -> None:
    assert checked_key(key, "metric") == key


@pytest.mark.parametrize(
    "key", ["", "a#", "/a", "a/", "a//b", "..", "../a", ".", "a/./b", "a/../b", "a\n", "a" * 251]
)
def test_a_key_is_refused(key: str) -> None:
    with pytest.raises(RefusedError):
        checked_key(key, "metric")


class Scalar:
    """Like NumPy's numbers and a tensor of one element."""

    def __float__(self) -> float:
        return 2.5


@pytest.mark.parametrize("value", [1, 1.5, True, math.inf, Scalar()])
def test_a_number_is_a_value(value: float) -> None:
    assert metric_value("m", value) == float(value)


@pytest.mark.parametrize("value", ["1", b"1", None, [1], 1j, 10**400])
def test_anything_else_is_no_value(value: object) -> None:
    with pytest.raises(RefusedError, match="is no number"):
        metric_value("m", value)


def test_whole_numbers_of_64_bits_are_steps() -> None:
    assert [whole_number("step", value) for value in (0, -(2**63), 2**63 - 1)] == [0, -(2**63), 2**63 - 1]
    with pytest.raises(RefusedError):
        whole_number("step", math.nan)
