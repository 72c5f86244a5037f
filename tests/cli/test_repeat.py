"""``bis rerun``, ``bis verify`` and ``bis diff`` on scripts that need no package."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, await_file, finish, git, write_project
from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from bis_command import Result

MLPROJECT = """\
entry_points:
  main:
    parameters:
      scale: {type: float, default: 1}
      data: {type: path, default: ""}
    command: "python main.py {scale} {data}"
  clock: {command: "python -c 'import time; print(time.perf_counter_ns())' > out.txt"}
  wait: {command: "test -e $MARK/fast || {{ echo $$ > $MARK/started; sleep 600; }}"}
"""
MAIN = """\
import random, sys
value = float(sys.argv[1]) * random.random()
if len(sys.argv) > 2 and sys.argv[2]:
    value += float(open(sys.argv[2]).read())
open("result.txt", "w").write(f"{value}\\n")
print("value", value)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(tmp_path / "project", MLPROJECT, {"main.py": MAIN, ".gitignore": "*.txt\n"})


def made(bis: Bis, project: Path, *words: str) -> str:
    """The id of a run."""
    return str(bis.run_json(project, *words)["run_id"])


def verdict(result: Result) -> str:
    """The first word of standard output."""
    return result.out.split()[0]


def test_the_same_result_comes_back(bis: Bis, project: Path) -> None:
    first = made(bis, project)
    again = bis("rerun", first[:8])
    assert (again.status, verdict(again)) == (0, "IDENTICAL"), again.out + again.err
    runs = bis("list", "--json").json
    assert [run["tags"].get("bis.rerunOf") for run in runs] == [first, None]
    assert not list((bis.home / "reruns").iterdir())


def test_at_observe_it_does_not_and_the_difference_is_named(bis: Bis, project: Path) -> None:
    first, second = (made(bis, project, "--level", "observe") for _ in range(2))
    again = bis("rerun", first)
    assert (again.status, verdict(again)) == (4, "UNSTABLE"), again.out + again.err
    assert "result.txt" in again.out
    assert "not deterministic" in again.out
    undecided = bis("diff", first, second, "--json")
    assert (undecided.status, undecided.json["causes"][0]["layer"]) == (1, "nothing recorded differs")
    decided = bis("diff", first, second, "--repeat", "--json")
    assert (decided.status, decided.json["causes"][0]["layer"]) == (1, "not deterministic")


def test_what_changed_unseen_is_said(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "unseen",
        "entry_points: {main: {command: 'echo $UNSEEN > result.txt'}}",
        {".gitignore": "result.txt"},
    )
    bis.variables["UNSEEN"] = "1"
    first = made(bis, project)
    bis.variables["UNSEEN"] = "2"
    again = bis("rerun", first)
    assert (again.status, verdict(again)) == (1, "DIFFERENT")
    assert "something unseen changed" in again.out


def test_a_change_of_a_parameter_is_the_cause(bis: Bis, project: Path) -> None:
    first = made(bis, project)
    again = bis("rerun", first, "-P", "scale=2", "--json")
    assert again.status == 1
    assert again.json["causes"][0]["layer"] == "parameters"
    assert bis("rerun", first, "-P", "scale=much").status == 2


def test_a_dirty_tree_is_repeated_after_the_checkout_was_deleted(bis: Bis, project: Path) -> None:
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-qm", "start")
    (project / "main.py").write_text(MAIN.replace("random.random()", "random.random() + helper.ONE"))
    text = (project / "main.py").read_text()
    (project / "main.py").write_text("import helper\n" + text)
    (project / "helper.py").write_text("ONE = 1\n")  # untracked
    first = made(bis, project)
    shutil.rmtree(project)
    again = bis("rerun", first)
    assert (again.status, verdict(again)) == (0, "IDENTICAL"), again.out + again.err


def test_an_input_that_changed_stops_it(bis: Bis, project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("1.5\n")
    first = made(bis, project, "-P", f"data={data}")
    assert verdict(bis("rerun", first)) == "IDENTICAL"
    data.write_text("1.6\n")
    stopped = bis("rerun", first)
    assert stopped.status == 3
    assert f"{data} has changed" in stopped.err
    allowed = bis("rerun", first, "--allow-changed-inputs")
    assert (allowed.status, verdict(allowed)) == (1, "DIFFERENT")
    assert f"{data} has changed" in allowed.out
    data.unlink()
    assert f"{data} is missing" in bis("rerun", first).err
    moved = tmp_path / "moved.txt"
    moved.write_text("1.5\n")
    again = bis("rerun", first, "--input", f"data={moved}")
    assert (again.status, verdict(again)) == (0, "IDENTICAL"), again.out + again.err
    assert verdict(bis("rerun", "latest")) == "IDENTICAL"  # the rerun has its inputs where they are now
    moved.write_text("1.7\n")
    stopped = bis("rerun", "latest")
    assert (stopped.status, f"{moved} has changed" in stopped.err) == (3, True), stopped.err


def test_a_verification_is_kept_and_shown(bis: Bis, project: Path) -> None:
    first = made(bis, project)
    verified = bis("verify", first, "--rounds", "3")
    assert (verified.status, verdict(verified)) == (0, "IDENTICAL"), verified.out + verified.err
    shown = bis("show", first, "--json").json
    assert shown["tags"]["bis.verdict"] == "IDENTICAL"
    assert shown["tags"]["bis.verifiedRounds"] == "3"
    assert "bis/verification.json" in shown["artifacts"]
    assert "IDENTICAL after 3 rounds" in bis("show", first).out
    assert "IDENTICAL" in bis("list").out


def test_what_differs_between_rounds_is_unstable(bis: Bis, project: Path) -> None:
    first = made(bis, project, "-e", "clock")
    verified = bis("verify", first, "--rounds", "3")
    assert (verified.status, verdict(verified)) == (4, "UNSTABLE")
    assert "out.txt" in verified.out
    assert "not deterministic" in verified.out


def test_a_run_that_bis_did_not_make_can_be_compared_and_not_repeated(
    bis: Bis, project: Path, tmp_path: Path
) -> None:
    nested = write_project(
        tmp_path / "nested",
        "entry_points: {main: {command: python main.py}}",
        {
            "main.py": "import mlflow\nwith mlflow.start_run():\n"
            "    for value in (1, 2):\n"
            "        with mlflow.start_run(nested=True): mlflow.log_metric('loss', value)\n"
        },
    )
    path = f"{client_python(LATEST).parent}{os.pathsep}{os.environ['PATH']}"
    assert bis("run", nested, "--env-manager", "local", PATH=path).status == 0
    children = [run for run in bis("list", "--json").json if "mlflow.parentRunId" in run["tags"]]
    refused = bis("rerun", children[0]["run_id"])
    assert refused.status == 3
    assert "has no plan" in refused.err
    compared = bis("diff", children[0]["run_id"], children[1]["run_id"])
    assert (compared.status, verdict(compared)) == (1, "DIFFERENT")
    assert "loss" in compared.out


def test_a_snapshot_that_is_gone_is_said(bis: Bis, project: Path) -> None:
    first = made(bis, project)
    shutil.rmtree(bis.home / "snapshots")
    gone = bis("rerun", first)
    assert gone.status == 3
    assert "cannot be executed again" in gone.err


def test_an_interrupted_rerun_leaves_nothing_half_made(bis: Bis, project: Path) -> None:
    bis.variables["MARK"] = str(project.parent)
    (project.parent / "fast").write_text("")
    first = made(bis, project, "-e", "wait")
    (project.parent / "fast").unlink()
    process = bis.start("rerun", first)
    pid = int(await_file(project.parent / "started"))
    process.send_signal(signal.SIGINT)
    result = finish(process)
    assert result.status == 130
    assert not Path(f"/proc/{pid}").exists()
    assert not list((bis.home / "reruns").iterdir())
    assert bis.statuses() == ["KILLED", "FINISHED"]


def test_a_tolerance_makes_close_good_enough(bis: Bis, project: Path) -> None:
    first, second = made(bis, project), made(bis, project, "-P", "scale=1.0000001")
    exact = bis("diff", first, second)
    assert exact.status == 1
    assert "parameters" in exact.out
    page = bis.cwd / "report.html"
    assert (
        bis("diff", first, second, "--rtol", "1e-3", "--report", page).status == 1
    )  # the parameter differs still
    assert "<html" in page.read_text()
    assert bis("diff", first, second, "--rtol", "much").status == 2
    misspelt = bis("rerun", first, "--rtol", "acuracy=1e-3")
    assert (misspelt.status, "there is no metric 'acuracy'" in misspelt.err) == (2, True)


def test_a_capsule_is_executed_in_a_home_that_never_saw_it(bis: Bis, project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    data.write_text("1.5\n")
    first = made(bis, project, "-P", f"data={data}")
    capsule = tmp_path / "run.zip"
    assert bis("export", first, capsule, "--with-inputs").status == 0
    shutil.rmtree(project)
    data.unlink()
    elsewhere = Bis(home=tmp_path / "another home", cwd=tmp_path)
    asked = elsewhere("rerun", capsule)
    assert asked.status == 2
    assert "--yes" in asked.err
    again = elsewhere("rerun", capsule, "--yes")
    assert (again.status, verdict(again)) == (0, "IDENTICAL"), again.out + again.err
    assert elsewhere("verify", first[:8], "--rounds", "2").status == 0
    third = Bis(home=tmp_path / "a third home", cwd=tmp_path)
    assert third("verify", capsule).status == 2
    assert third("verify", capsule, "--yes").status == 0
    assert "cannot be read" in third("verify", tmp_path / "nothing.zip").err


def test_at_strict_the_order_of_a_set_of_objects_comes_back(bis: Bis, tmp_path: Path) -> None:
    code = (
        "class A: pass\nnames = {A(): i for i in range(50)}\n"
        "print([names[a] for a in set(names)], file=open('result.txt', 'w'))\n"
    )
    project = write_project(
        tmp_path
        / "a project whose path is long enough"
        / "to be longer than that of the home, as it is with most",
        "entry_points: {main: {command: python main.py}}",
        {"main.py": code, ".gitignore": "result.txt\n"},
    )
    first = made(bis, project, "--level", "strict")
    verified = bis("verify", first, "--rounds", "2")
    assert (verified.status, verdict(verified)) == (0, "IDENTICAL"), verified.out + verified.err


def test_verify_at_strict_compares_rounds_at_strict(bis: Bis, project: Path) -> None:
    first = made(bis, project)
    verified = bis("verify", first, "--strict", "--rounds", "2")
    assert (verified.status, verdict(verified)) == (0, "IDENTICAL"), verified.out + verified.err
    assert "another level" in verified.err
    levels = []
    for run in bis("list", "--json").json:
        plan = bis.home / "artifacts" / "0" / run["run_id"] / "artifacts" / "bis" / "plan.json"
        levels.append(json.loads(plan.read_text("utf-8"))["level"])
    assert levels == ["strict", "strict", "strict", "seed"]


@pytest.mark.parametrize("rounds", ["0", "-1", "many", "1.5"])
def test_a_number_of_rounds_that_is_none_is_wrong_use(bis: Bis, project: Path, rounds: str) -> None:
    first = made(bis, project)
    result = bis("verify", first, f"--rounds={rounds}")
    assert (result.status, "is not a number of rounds" in result.err) == (2, True)
    assert len(bis.statuses()) == 1


def test_an_input_that_changed_while_the_run_read_it_is_named_with_the_verdict(
    bis: Bis, tmp_path: Path
) -> None:
    data = tmp_path / "data.txt"
    data.write_text("1\n")
    code = f"print(open({str(data)!r}).read()); open({str(data)!r}, 'a').write('more')\n"
    project = write_project(
        tmp_path / "appending", "entry_points: {main: {command: python main.py}}", {"main.py": code}
    )
    process = bis("run", project, "--json")
    assert f"{data} changed while the run read it" in process.err
    again = bis("rerun", process.json["run_id"])
    first = process.json["run_id"][:8]
    assert f"{data} changed while run {first} read it: what it read is not known" in again.out


def test_a_report_that_cannot_be_written_is_said_before_anything_is_executed(bis: Bis, project: Path) -> None:
    made(bis, project)
    result = bis("rerun", "latest", "--report", "nowhere/report.html")
    assert (result.status, "there is no directory nowhere" in result.err) == (2, True)
    assert len(bis.statuses()) == 1
    assert "cannot be written" in bis("diff", "latest", "latest", "--report", bis.cwd).err
