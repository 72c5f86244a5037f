"""Entry points that come after others: run in order, side by side where they can, and again only where it is needed."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bis.errors import BuildError
from bis.pipelines import start
from bis.pipelines.scheduling import Schedule
from bis.plans import ContainerOptions
from bis.runs import RunOptions
from bis_command import Bis, await_file, finish, write_project

if TYPE_CHECKING:
    from pathlib import Path

    from bis.environments import EnvironmentSpec, Lock

_LOG = """
import json, os, sys, urllib.request

def ask(method, path, data):
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/" + path
    headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"], "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method))

def metric(key, value):
    body = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": key, "value": value, "timestamp": 1, "step": 0}
    ask("POST", "mlflow/runs/log-metric", json.dumps(body).encode())

def artifact(name, text):
    place = "{MLFLOW_EXPERIMENT_ID}/{MLFLOW_RUN_ID}/artifacts/".format(**os.environ)
    ask("PUT", "mlflow-artifacts/artifacts/" + place + name, text.encode())
"""
_MLPROJECT = """\
name: chain
entry_points:
  prepare:
    parameters: {rows: {type: int, default: 10}, seed: {type: int, default: 1}}
    command: "python prepare.py {rows}"
  left:
    after: prepare
    command: "python side.py {steps.prepare.artifact_uri} 1"
  right:
    after: [prepare]
    parameters: {factor: {type: int, default: 2}, seed: {type: int, default: 1}}
    command: "python side.py {steps.prepare.artifact_uri} {factor}"
  last:
    after: [left, right]
    parameters:
      data: {type: path, default: "{steps.left.artifact_uri}/n.txt"}
      run: {type: string, default: "{steps.right.run_id}"}
    command: "python last.py {data} {steps.right.params.factor} {steps.right.metrics.n} {run}"
"""
_FILES = {
    "log.py": _LOG,
    "prepare.py": "import sys, log\nlog.artifact('data.txt', 'x\\n' * int(sys.argv[1]))\nprint('prepared')\n",
    "side.py": (
        "import sys, log\nn = len(open(sys.argv[1] + '/data.txt').readlines()) * int(sys.argv[2])\n"
        "log.metric('n', n)\nlog.artifact('n.txt', str(n))\n"
    ),
    "last.py": (
        "import sys, log\nprint(open(sys.argv[1]).read(), *sys.argv[2:4], len(sys.argv[4]))\n"
        "log.metric('m', 1)\n"
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", _MLPROJECT, _FILES)


def _states(document: dict[str, Any]) -> dict[str, str]:
    return {name: step["state"] for name, step in document["steps"].items()}


def _run(bis: Bis, project: Path, *words: str, target: str = "last") -> dict[str, str]:
    return _states(bis.run_json(project, "-e", target, *words))


def test_what_is_needed_is_run_in_order_inside_one_run(bis: Bis, project: Path) -> None:
    result = bis("run", project, "-e", "last")
    assert result.status == 0, result.err
    assert "[last] 10 2 20.0 32" in result.out.splitlines()
    assert "4 finished" in result.err
    runs = bis("list", "--json").json
    whole = next(run for run in runs if run["tags"].get("bis.pipeline") == "last")
    steps = [run for run in runs if run is not whole]
    assert {run["tags"]["mlflow.parentRunId"] for run in steps} == {whole["run_id"]}
    assert sorted(run["tags"]["bis.step"] for run in steps) == ["last", "left", "prepare", "right"]
    assert {run["status"] for run in runs} == {"FINISHED"}
    assert "[prepare] prepared" in bis("logs", whole["run_id"]).out
    shown = bis("show", whole["run_id"], "--json").json["children"]
    assert sorted(child["label"] for child in shown) == ["last", "left", "prepare", "right"]


def test_an_entry_point_that_comes_after_nothing_is_run_alone(bis: Bis, project: Path) -> None:
    result = bis("run", project, "-e", "prepare")
    assert result.out == "prepared\n"
    assert len(bis("list", "--json").json) == 1


def test_the_second_time_only_what_changed_is_run(bis: Bis, project: Path) -> None:
    assert set(_run(bis, project).values()) == {"finished"}
    assert set(_run(bis, project).values()) == {"reused"}
    new = {"prepare": "reused", "left": "reused", "right": "finished", "last": "finished"}
    assert _run(bis, project, "-P", "factor=3") == new
    (project / "last.py").write_text(_FILES["last.py"] + "# new\n")
    assert _run(bis, project, "-P", "factor=3") == dict.fromkeys(new, "reused") | {"last": "finished"}
    assert set(_run(bis, project, "--no-reuse").values()) == {"finished"}


def test_a_step_that_makes_the_same_again_starts_no_others(bis: Bis, project: Path) -> None:
    _run(bis, project)
    (project / "prepare.py").write_text(_FILES["prepare.py"] + "# another way to the same result\n")
    assert _run(bis, project, target="left") == {"prepare": "finished", "left": "reused"}


def test_explain_names_no_run_of_an_earlier_step_as_the_reason(bis: Bis, project: Path) -> None:
    _run(bis, project)
    _run(bis, project, "--no-reuse")
    reasons = bis("run", project, "-e", "last", "--explain", "--json", "-P", "factor=3").json["right"][
        "reasons"
    ]
    assert [reason.partition(": ")[2] for reason in reasons] == ["parameters: factor '2' -> '3'"]


def test_parameters_are_for_one_step_or_for_all_that_declare_them(bis: Bis, project: Path) -> None:
    _run(bis, project)
    assert _run(bis, project, "-P", "seed=5", target="right") == {"prepare": "finished", "right": "finished"}
    assert _run(bis, project, "-P", "right.seed=1", "-P", "prepare.seed=5", target="right") == {
        "prepare": "reused",
        "right": "reused",  # what prepare made is the same as before
    }


@pytest.mark.parametrize(
    ("change", "words", "line"),
    [
        ({"after: prepare": "after: prepair"}, "comes after 'prepair', which is not there", 7),
        ({"after: prepare": "after: left"}, "comes after itself", 7),
        ({"after: prepare": "after: last"}, "in a circle", 7),
        ({"{steps.prepare.artifact_uri} 1": "{steps.right.artifact_uri}"}, "does not come after", 8),
        (
            {"{steps.prepare.artifact_uri} 1": "{steps.prepare.artefact_uri}"},
            "Did you mean 'artifact_uri'?",
            8,
        ),
        ({"{steps.prepare.artifact_uri} 1": "{steps.prepare.params}"}, "Write {steps.NAME.artifact_uri}", 8),
        ({"after: prepare": "after: {a: b}"}, "must be a list of entry points", 7),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    bis: Bis, project: Path, change: dict[str, str], words: str, line: int
) -> None:
    text = _MLPROJECT
    for old, new in change.items():
        text = text.replace(old, new, 1)
    (project / "MLproject").write_text(text)
    result = bis("run", project, "-e", "last")
    assert result.status == 2, result.err
    assert words in result.err
    assert f"MLproject:{line}" in result.err
    assert bis("list", "--json").json == []
    checked = bis("check", project)
    assert words in checked.out + checked.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-P", "rows=many"), "rows"),
        (("-P", "rovs=1"), "no step of this pipeline declares the parameter 'rovs'"),
        (("-P", "prepare.rows=many"), "rows"),
        (("--jobs", "0"), "--jobs"),
    ],
)
def test_wrong_values_are_found_before_anything_runs(
    bis: Bis, project: Path, words: tuple[str, ...], said: str
) -> None:
    result = bis("run", project, "-e", "last", *words)
    assert result.status == 2, result.err
    assert said in result.err
    assert bis("list", "--json").json == []


_PARALLEL = """\
entry_points:
  a: {command: "touch a.began; for i in $(seq 100); do [ -e b.began ] && exit 0; sleep 0.1; done; exit 1"}
  b: {command: "touch b.began; for i in $(seq 100); do [ -e a.began ] && exit 0; sleep 0.1; done; exit 1"}
  both: {after: [a, b], command: "true"}
  bad: {command: "exit 3"}
  after_bad: {after: bad, command: "true"}
  end: {after: [both, after_bad], command: "true"}
  slow: {command: "echo $$ > slow.pid; sleep 600 & wait"}
  after_slow: {after: slow, command: "true"}
  deaf: {command: "trap '' TERM; echo $$ > slow.pid; while :; do sleep 1; done"}
  after_deaf: {after: deaf, command: "true"}
"""


def test_independent_steps_run_side_by_side(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _PARALLEL)
    assert bis("run", project, "-e", "both", "--jobs", "2").status == 0


def test_a_failed_step_stops_what_needs_it_and_nothing_else(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _PARALLEL)
    result = bis("run", project, "-e", "end", "--json", "--jobs", "3")
    assert result.status == 1
    document = result.json
    assert document["status"] == "FAILED"
    assert _states(document) == {
        "a": "finished",
        "b": "finished",
        "both": "finished",
        "bad": "failed",
        "after_bad": "skipped",
        "end": "skipped",
    }
    assert document["steps"]["bad"]["reason"] == "exit code 3"
    assert document["steps"]["after_bad"]["reason"] == "bad failed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_steps_and_the_whole(bis: Bis, tmp_path: Path, number: signal.Signals) -> None:
    project = write_project(tmp_path / "project", _PARALLEL)
    process = bis.start("run", project, "-e", "after_slow")
    pid = await_file(project / "slow.pid")
    process.send_signal(number)
    result = finish(process)
    assert result.status == 130, result.err
    assert not _is_alive(pid)
    assert bis.statuses() == ["KILLED", "KILLED"]


def test_a_step_that_never_ends_is_ended_at_the_time_limit(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _PARALLEL)
    result = bis("run", project, "-e", "after_slow", "--timeout", "2", "--json")
    assert result.status == 1, result.err
    assert result.json["steps"]["slow"]["reason"] == "ended at its time limit"
    assert bis.statuses() == ["FAILED", "FAILED"]


@pytest.mark.slow
def test_a_step_that_ignores_term_is_killed(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _PARALLEL)
    process = bis.start("run", project, "-e", "after_deaf")
    pid = await_file(project / "slow.pid")
    process.send_signal(signal.SIGTERM)
    assert finish(process).status == 130
    assert not _is_alive(pid)
    assert bis.statuses() == ["KILLED", "KILLED"]


def test_no_run_is_left_running_when_bis_is_killed(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "project", _PARALLEL)
    process = bis.start("run", project, "-e", "after_slow")
    await_file(project / "slow.pid")
    process.kill()
    finish(process)
    bis("run", project, "-e", "nothing")
    assert bis.statuses() == ["FAILED", "FAILED"]


def test_a_pipeline_is_repeated_with_all_its_steps(bis: Bis, project: Path) -> None:
    _run(bis, project)
    whole = bis.run_json(project, "-e", "last", "-P", "factor=3")["run_id"]  # two steps of it are reused
    result = bis("rerun", whole)
    assert result.status == 0, result.out + result.err
    assert result.out.startswith("EQUAL")
    assert "4 inner runs" in result.out
    again = bis("list", "--json", "-n", "5").json
    assert sorted(run["tags"].get("bis.step", "") for run in again) == [
        "",
        "last",
        "left",
        "prepare",
        "right",
    ]
    (changed,) = [run for run in again if "bis.pipeline" in run["tags"]]
    assert changed["tags"]["bis.rerunOf"] == whole
    other = bis("rerun", whole, "-P", "prepare.rows=11")
    assert other.status == 1
    assert "metric left: n: 10 → 11" in other.out
    assert bis("verify", whole, "--json").json["verdict"] == "EQUAL"


@pytest.mark.parametrize("reused", [False, True])
def test_a_change_of_one_step_reaches_those_after_it_in_a_rerun(
    bis: Bis, project: Path, reused: bool
) -> None:
    """By artifacts, metrics, parameters and ids, in commands and in defaults; also of a step that was reused."""
    _run(bis, project)
    if reused:
        (project / "prepare.py").write_text(_FILES["prepare.py"] + "# the same result\n")
    document = bis.run_json(project, "-e", "last", *(() if reused else ("--no-reuse",)))
    assert _states(document)["last"] == ("reused" if reused else "finished")
    result = bis("rerun", document["run_id"], "-P", "rows=3", "-P", "factor=5", "-q")
    assert result.status == 1
    assert "[last] 3 5 15.0 32" in result.err.splitlines()


def test_a_pipeline_is_repeated_after_its_home_was_moved(bis: Bis, project: Path, tmp_path: Path) -> None:
    _run(bis, project)
    (project / "prepare.py").write_text(_FILES["prepare.py"] + "# the same result\n")
    whole = bis.run_json(project, "-e", "last")["run_id"]
    bis.home.rename(tmp_path / "moved home")
    result = Bis(tmp_path / "moved home", project)("rerun", whole)
    assert result.status == 0, result.out + result.err


def test_a_terminal_shows_the_states_as_they_change(bis: Bis, project: Path) -> None:
    leader, follower = pty.openpty()
    words = [sys.executable, "-m", "bis", "run", str(project), "-e", "left"]
    environ = {key: value for key, value in bis.environ(TERM="xterm").items() if key != "NO_COLOR"}
    process = subprocess.Popen(words, env=environ, cwd=bis.cwd, stdout=subprocess.DEVNULL, stderr=follower)
    os.close(follower)
    shown = b""
    with contextlib.suppress(OSError):  # the end of a terminal
        while part := os.read(leader, 4096):
            shown += part
    os.close(leader)
    assert process.wait() == 0
    text = shown.decode()
    places = [text.index(words) for words in ("· left  waiting", "▸ prepare  running", "▸ left  running")]
    assert places == sorted(places)
    assert "\x1b[J" in text
    assert "✓ left  finished" in text.rpartition("\x1b[J")[2]


def test_standard_output_has_what_the_steps_print_and_no_notes(bis: Bis, project: Path) -> None:
    words = ("run", project, "-e", "left", "-P", "prepare.rowz=1", "--no-reuse")
    result = bis(*words)
    assert result.out == "[prepare] prepared\n"
    assert "bis: prepare: parameter 'rowz' is not declared" in result.err
    quiet = bis(*words, "--quiet")
    assert (quiet.out, quiet.err) == ("prepared\n", "")


def test_the_latest_run_is_the_whole_and_not_one_of_its_steps(bis: Bis, project: Path) -> None:
    _run(bis, project)
    shown = bis("show", "--json").json
    assert shown["tags"]["bis.pipeline"] == "last"
    assert len(shown["children"]) == 4
    assert bis("rerun").out.startswith("EQUAL")


def test_a_pipeline_is_executed_elsewhere_when_its_steps_are_brought_too(
    bis: Bis, project: Path, tmp_path: Path
) -> None:
    document = bis.run_json(project, "-e", "last")
    whole, steps = document["run_id"], {name: step["run_id"] for name, step in document["steps"].items()}
    packed = bis("export", whole, tmp_path / "whole.zip", "--alone")
    assert "the steps of this pipeline are not in it" in packed.err
    elsewhere = Bis(tmp_path / "other home", project)
    assert f"bis rerun {whole[:8]}" in elsewhere("import", tmp_path / "whole.zip", "--yes").out
    refused = elsewhere("rerun", whole)
    assert refused.status == 3
    assert "step 'prepare' was run" in refused.err
    assert f"bis export {steps['prepare'][:8]}" in refused.err
    for name, run_id in steps.items():
        bis("export", run_id, tmp_path / f"{name}.zip")
        assert elsewhere("import", tmp_path / f"{name}.zip", "--yes").status == 0
    result = elsewhere("rerun", whole)
    assert result.status == 0, result.out + result.err
    assert "4 inner runs" in result.out


def test_a_pipeline_travels_with_its_steps(bis: Bis, project: Path, tmp_path: Path) -> None:
    document = bis.run_json(project, "-e", "last")
    again = bis.run_json(project, "-e", "last")  # every step of which is taken from the first
    for run in (document, again):
        capsule = tmp_path / f"{run['run_id']}.zip"
        exported = bis("export", run["run_id"], capsule, "--json").json
        assert (exported["inside"], exported["can_be_executed"]) == (4, True)
        with zipfile.ZipFile(capsule) as packed:
            assert len([name for name in packed.namelist() if name.endswith("source.zip")]) == 1
        elsewhere = Bis(tmp_path / f"home of {run['run_id']}", tmp_path)
        assert "and 4 runs inside it" in elsewhere("import", capsule).out
        refused = elsewhere("rerun", run["run_id"])
        assert refused.status == 2
        assert "executing it runs somebody else's code" in refused.err
        result = elsewhere("rerun", capsule, "--yes")
        assert result.status == 0, result.out + result.err
        assert result.out.split()[0] == "EQUAL"  # the paths of artifacts are those of another home
        assert "4 inner runs" in result.out


def test_a_pipeline_that_comes_back_finds_its_steps(bis: Bis, project: Path, tmp_path: Path) -> None:
    document = bis.run_json(project, "-e", "last")
    assert bis("export", document["run_id"], tmp_path / "whole.zip").status == 0
    beside = bis("import", tmp_path / "whole.zip", "--yes", "--json").json
    assert beside["run_id"] != document["run_id"]
    result = bis("rerun", beside["run_id"])
    assert result.status == 0, result.out + result.err
    assert "4 inner runs" in result.out


def test_the_yes_to_a_pipeline_is_one_to_its_steps(bis: Bis, project: Path, tmp_path: Path) -> None:
    document = bis.run_json(project, "-e", "left")
    elsewhere = Bis(tmp_path / "other home", project)
    for run_id in [document["run_id"], *(step["run_id"] for step in document["steps"].values())]:
        bis("export", run_id, tmp_path / f"{run_id}.zip", "--alone")
        assert elsewhere("import", tmp_path / f"{run_id}.zip").status == 0
    before = elsewhere("list", "--json").json
    refused = elsewhere("rerun", document["run_id"])
    assert refused.status == 2
    assert "executing it runs somebody else's code" in refused.err
    assert elsewhere("list", "--json").json == before
    agreed = elsewhere("rerun", document["run_id"], "--yes")
    assert agreed.status == 0, agreed.out + agreed.err
    assert elsewhere("verify", document["run_id"]).status == 0  # the word is kept


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("-P", "rows=many"), 2, "'many' for parameter 'rows'"),
        (("-P", "rovs=3"), 2, "Did you mean 'rows'?"),
        (("--input", "extra=x"), 2, "no step of this pipeline has the input 'extra'"),
        (("--input", "last.extra=x"), 2, "no step of this pipeline has the input 'last.extra'"),
        (("--env-file", "none.env"), 2, "none.env"),
        ((), 3, "names.txt has changed"),
    ],
)
def test_what_keeps_a_pipeline_from_being_repeated_is_found_before_a_run_is_made(
    bis: Bis, tmp_path: Path, words: tuple[str, ...], status: int, said: str
) -> None:
    whole, names = _pipeline_with_an_input(bis, tmp_path)
    if not words:
        names.write_text("c\n")
    before = bis.statuses()
    result = bis("rerun", whole, *words)
    assert result.status == status, result.err
    assert said in result.err
    assert bis.statuses() == before


def test_an_input_that_moved_is_named_for_the_steps_that_read_it(bis: Bis, tmp_path: Path) -> None:
    whole, names = _pipeline_with_an_input(bis, tmp_path)
    moved = names.rename(tmp_path / "moved.txt")
    for word in ("names", "last.names", str(names)):
        result = bis("rerun", whole, "--input", f"{word}={moved}")
        assert result.status == 0, result.out + result.err


def _pipeline_with_an_input(bis: Bis, tmp_path: Path) -> tuple[str, Path]:
    """The run of a pipeline whose last step reads a file from outside, and that file."""
    mlproject = """\
entry_points:
  first: {parameters: {rows: {type: int, default: 2}}, command: "echo {rows}"}
  last: {after: first, parameters: {names: path}, command: "cat {names}"}
"""
    project = write_project(tmp_path / "project", mlproject)
    names = tmp_path / "names.txt"
    names.write_text("a\nb\n")
    return bis.run_json(project, "-e", "last", "-P", f"names={names}")["run_id"], names


def test_steps_that_were_not_run_are_shown_and_not_made_up_for_in_a_rerun(bis: Bis, tmp_path: Path) -> None:
    mlproject = """\
entry_points:
  first: {command: "true"}
  second: {after: first, command: "echo {steps.first.metrics.none}"}
  third: {after: second, command: "true"}
"""
    project = write_project(tmp_path / "project", mlproject)
    quiet = bis("run", project, "-e", "third", "--quiet")
    said = (
        "error: step 'second': step 'first' has no metric 'none', which {steps.first.metrics.none} asks for\n"
    )
    assert (quiet.status, quiet.out, quiet.err) == (1, "", said)
    loud = bis("run", project, "-e", "third")
    assert "bis: second: It has: none.\n" in loud.err
    run_id = bis("show", "--json").json["run_id"]
    shown = bis("show", run_id).out
    assert "second  failed: step 'first' has no metric 'none'" in shown
    assert "third  skipped: second failed" in shown
    result = bis("rerun", run_id, "--json")
    assert result.status == 0, result.out + result.err
    assert "not run the first time, and so not now: second, third" in result.err
    assert bis("show", result.json["second_run"], "--json").json["status"] == "FAILED"


def test_a_pipeline_whose_end_cannot_be_written_down_has_failed(bis: Bis, tmp_path: Path) -> None:
    in_the_way = "for each in running/*; do touch artifacts/0/$(basename $each); done"
    mlproject = f"""\
entry_points:
  first: {{command: "true"}}
  second: {{after: first, command: "cd '{bis.home}'; {in_the_way}"}}
"""
    result = bis("run", write_project(tmp_path / "project", mlproject), "-e", "second")
    assert result.status == 1
    assert "could not go on: Invalid path: 'bis/pipeline.json'" in result.err
    assert "Traceback" not in result.err


def test_a_pipeline_none_of_whose_steps_was_run_cannot_be_repeated(bis: Bis, tmp_path: Path) -> None:
    mlproject = """\
entry_points:
  first: {command: "cat {data}", parameters: {data: path}}
  second: {after: first, command: "true"}
"""
    project = write_project(tmp_path / "project", mlproject)
    address = "http://127.0.0.1:9/nothing.csv"
    run_id = bis("run", project, "-e", "second", "-P", f"data={address}", "--json").json["run_id"]
    before = bis.statuses()
    result = bis("rerun", run_id)
    assert result.status == 3
    assert "before any of its steps was run" in result.err
    assert bis.statuses() == before


def test_the_log_of_a_pipeline_is_compared_with_the_runs_of_its_steps(bis: Bis, project: Path) -> None:
    _run(bis, project, target="left")
    whole = bis.run_json(project, "-e", "left")["run_id"]  # reused, so its own log is empty
    result = bis("rerun", whole, "--json")
    assert [each for each in result.json["differences"] if each["kind"] == "log"] == []


def test_a_script_with_nested_runs_is_repeated_with_them(bis: Bis, tmp_path: Path) -> None:
    mlproject = """\
entry_points:
  main: {command: "python main.py"}
  child:
    parameters: {x: int}
    command: "python child.py {x}"
"""
    main = "import bis_nested\nfor x in (1, 2):\n    bis_nested.run('.', 'child', parameters={'x': x})\n"
    child = "import random, sys, log\nlog.metric('r', random.random())\n"
    project = write_project(
        tmp_path / "project", mlproject, {"log.py": _LOG, "main.py": main, "child.py": child}
    )
    run_id = bis.run_json(project)["run_id"]
    result = bis("rerun", run_id, "--json")
    assert result.status == 0, result.out
    assert result.json["compared"]["inner run"] == 2
    flag = tmp_path / "flag"
    (project / "child.py").write_text(
        child + f"import os\nif os.path.exists({str(flag)!r}): log.metric('more', 1)\n"
    )
    run_id = bis.run_json(project)["run_id"]
    flag.touch()
    result = bis("rerun", run_id, "--json")
    assert result.status == 1
    names = {difference["name"] for difference in result.json["differences"] if difference["counted"]}
    assert names == {"0:child:1: more", "0:child:2: more"}


def test_a_fault_of_bis_in_a_step_ends_the_others_and_is_raised() -> None:
    def run_step(name: str, before: Any, begun: Any) -> Any:
        raise TypeError("of bis")

    schedule = Schedule({"a": (), "b": ("a",)}, run_step, jobs=1, changed=lambda _: None)
    with pytest.raises(TypeError, match="of bis"):
        schedule.run()
    assert [step.state for step in schedule.steps.values()] == ["failed", "skipped"]


def test_describe_knows_of_steps(bis: Bis, project: Path) -> None:
    assert "after prepare" in bis("describe", project).out
    document = bis("describe", project, "--json").json
    assert document["entry_points"]["last"]["after"] == ["left", "right"]


def test_the_api_gives_the_steps(bis: Bis, project: Path) -> None:

    code = (
        "import bis, json, sys\n"
        "run = bis.run(sys.argv[1], 'last', jobs=2)\n"
        "print(json.dumps([run.status, run.metrics, {n: s.state for n, s in run.steps.items()}]))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(project)],
        env=bis.environ(),
        capture_output=True,
        text=True,
        check=True,
    )
    status, metrics, steps = json.loads(answer.stdout.splitlines()[-1])
    assert (status, metrics, set(steps.values())) == ("FINISHED", {"m": 1.0}, {"finished"})
    assert "[prepare] prepared" in answer.stdout.splitlines()


def test_a_pipeline_that_a_script_starts_shows_what_its_steps_print(bis: Bis, project: Path) -> None:
    (project / "main.py").write_text("import bis\nbis.run('.', 'left')\n")
    assert bis("run", project, "-e", "main.py").out == "[prepare] prepared\n"


def _is_alive(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as status:  # noqa: PTH123
            return status.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_the_options_of_the_container_engine_are_for_every_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIS_HOME", str(tmp_path / "home"))
    steps = (
        "docker_env: {image: any}\nentry_points: {first: {command: a}, main: {command: b, after: [first]}}\n"
    )
    project = write_project(tmp_path / "project", steps, {})
    asked: list[tuple[tuple[str, str], ...]] = []

    def lock(spec: EnvironmentSpec, **_: object) -> Lock:
        assert spec.container is not None
        asked.append(spec.container.arguments)
        raise BuildError("asked")

    monkeypatch.setattr("bis.environments.lock", lock)
    options = RunOptions(uri=str(project), container=ContainerOptions.read({"memory": "2g"}))
    with pytest.raises(BuildError, match="asked"):
        start(options, notify=lambda _: None)
    assert asked == [(("memory", "2g"),)]
