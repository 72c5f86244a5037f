"""``bis runs`` and ``bis experiments``: on the store in the home, and on the server that MLFLOW_TRACKING_URI names."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest

from bis.cli.search_mistakes import pointed
from bis.home import Home
from bis.server.loopback import LoopbackServer
from bis.tracking import Metric, Param, Tag, open_store

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bis_command import Bis


@pytest.fixture
def filled(bis: Bis) -> Bis:
    """A command whose store has three runs, the best of them in the experiment "forests"."""
    home = Home(bis.home)
    store = open_store(home)
    forests = store.create_experiment("forests")
    for number in range(3):
        run = store.create_run(forests if number == 2 else "0", name=f"run {number}", start_time=number + 1)
        store.log_batch(
            run.info.run_id,
            [Metric("accuracy", number / 2, 1), Metric("val loss", 1 - number / 4, 1)],
            [Param("depth", str(number + 2))],
            [Tag("team", "blue")],
        )
    store.close()
    return bis


@pytest.fixture(params=["in the home", "on a server"])
def searched(request: pytest.FixtureRequest, filled: Bis) -> Iterator[Bis]:
    """The same, on the store of the home and on a server."""
    if request.param == "in the home":
        yield filled
        return
    home = Home(filled.home)
    with LoopbackServer(home.database, home.artifacts) as server:
        filled.variables |= {"MLFLOW_TRACKING_URI": server.url, "MLFLOW_TRACKING_TOKEN": server.token}
        yield filled


def _names(bis: Bis, *words: str) -> list[str]:
    return [run["run_name"] for run in bis("runs", "search", *words, "--json").json]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((), ["run 2", "run 1", "run 0"]),
        (("metrics.accuracy > 0.4 and params.depth = '3'",), ["run 1"]),
        (("params.depth > 2", "--order-by", "metrics.accuracy"), ["run 1", "run 2"]),
        (("--order-by", "metrics.`val loss` DESC", "-n", "1"), ["run 0"]),
        (("--experiment", "forests"), ["run 2"]),
        (("--experiment", "0", "--experiment", "forests", "NOT params.depth = '2'"), ["run 2", "run 1"]),
        (("--view", "deleted"), []),
    ],
)
def test_runs_are_found(searched: Bis, words: tuple[str, ...], names: list[str]) -> None:
    assert _names(searched, *words) == names


def test_found_runs_are_a_table(filled: Bis) -> None:
    head, *rows = filled("runs", "search", "metrics.accuracy > 0.4").out.splitlines()
    assert head.split()[:7] == ["RUN", "NAME", "STATUS", "STARTED", "EXPERIMENT", "accuracy", "val"]
    assert [row.split()[1:4] for row in rows] == [["run", "2", "running"], ["run", "1", "running"]]
    shown = filled(
        "runs", "search", "--columns", "run_name,metrics.`val loss`", "--columns", "tags.none", "-n", "1"
    )
    assert [line.rstrip() for line in shown.out.splitlines()] == ["NAME   val loss  none", "run 2  0.5"]


def test_found_runs_are_csv(filled: Bis) -> None:
    rows = list(csv.DictReader(io.StringIO(filled("runs", "search", "--csv").out)))
    assert [row["metrics.accuracy"] for row in rows] == ["1.0", "0.5", "0.0"]
    assert rows[0]["experiment_name"] == "forests"
    assert {"params.depth", "tags.team", "metrics.`val loss`", "run_id", "end_time"} <= rows[0].keys()


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("metrics.accuracy > three",), ["  metrics.accuracy > three", "                     ^"]),
        (("--order-by", "metrics.a down"), ["  metrics.a down", "            ^"]),
        (("--columns", "things.x"), ["  things.x", "  ^"]),
    ],
)
def test_a_mistake_is_shown_by_a_mark_below_it(
    searched: Bis, words: tuple[str, ...], lines: list[str]
) -> None:
    result = searched("runs", "search", *words)
    assert result.status == 2
    assert result.err.splitlines()[-2:] == lines


def test_of_a_long_filter_the_surroundings_of_the_mistake_are_shown() -> None:
    text = "tags.a = 'b' AND " * 30 + "tags.\n= 3" + " OR tags.c = 'd'" * 30
    shown, mark = pointed(text, text.index("\n") + 1).split("\n")
    assert shown[mark.index("^") - 2] == " "
    assert len(shown) <= 120


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("runs", "search", "--experiment", "forest"), "Did you mean 'forests'?"),
        (("runs", "search", "--experiment", "99"), "no experiment '99'"),
        (("runs", "search", "-n", "0"), "not a number of runs"),
        (("runs", "search", "--columns", "run_nam"), "Did you mean 'run_name'?"),
        (("runs", "restore", "abc"), "no deleted run 'abc'"),
        (("runs", "restore", "x' OR '"), "no deleted run"),
        (("runs", "tag", "team=red"), "no run is named"),
        (("runs", "tag", "latest"), "nothing to set"),
        (("experiments", "create", "a", "--tag", "b"), "not KEY=VALUE"),
        (("experiments", "delete", "nothing"), "no experiment 'nothing'"),
    ],
)
def test_what_cannot_be_done_is_said(filled: Bis, words: tuple[str, ...], said: str) -> None:
    result = filled(*words)
    assert result.status == 2
    assert said in result.err


def test_runs_are_deleted_and_restored_by_the_beginning_of_their_id(searched: Bis) -> None:
    run_id = searched("runs", "search", "-n", "1", "--json").json[0]["run_id"]
    assert searched("runs", "delete", run_id[:8], "latest", "--json").json == {"deleted": [run_id]}
    assert _names(searched) == ["run 1", "run 0"]
    assert _names(searched, "--view", "deleted") == ["run 2"]
    assert searched("runs", "restore", run_id[:8]).out == "1 run restored\n"
    assert len(_names(searched)) == 3


def test_runs_are_tagged(searched: Bis) -> None:
    run_id = searched("runs", "search", "-n", "1", "--json").json[0]["run_id"]
    searched("runs", "tag", run_id[:8], "latest", "a=b=c", "d=", "--remove", "team", "--remove", "none")
    tags = searched("runs", "search", "tags.a = 'b=c'", "--json").json[0]["tags"]
    assert tags["d"] == ""
    assert "team" not in tags


def test_experiments_are_made_renamed_deleted_and_restored(searched: Bis) -> None:
    made = searched("experiments", "create", "trees", "--tag", "team=blue", "--json").json
    assert searched("experiments", "list", "tags.team = 'blue'", "--json").json[0]["name"] == "trees"
    assert (
        searched("experiments", "rename", "trees", "woods").out
        == f"experiment {made['experiment_id']}: woods\n"
    )
    searched("experiments", "delete", "woods")
    assert [line.split()[1] for line in searched("experiments").out.splitlines()] == [
        "NAME",
        "forests",
        "Default",
    ]
    assert [one["name"] for one in searched("experiments", "--view", "deleted", "--json").json] == ["woods"]
    searched("experiments", "restore", made["experiment_id"])
    assert len(searched("experiments", "--order-by", "name DESC", "--json").json) == 3
    result = searched("experiments", "list", "name >")
    assert result.err.splitlines()[-1] == "        ^"
