"""Runs that a script starts: each is a run of bis, nested under the run of the script."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from bis.home import Home
from bis.repeat.capsule import import_capsule
from bis.tracking.sql_store import SqlStore
from bis_command import Bis, await_file, finish, write_project
from mlflow_clients import client_python

if TYPE_CHECKING:
    from pathlib import Path

_MLPROJECT = """\
name: steps
entry_points:
  main:
    parameters: {how: {type: string, default: plain}}
    command: "python main.py {how}"
  child:
    parameters: {x: {type: float, default: 0.5}}
    command: "python child.py {x}"
  draw:
    command: "python -c 'import random; print(random.random())'"
  wait:
    command: "python wait.py"
  deaf:
    command: "trap '' TERM; echo $$ > deaf; sleep 600 & wait; sleep 600"
  bad:
    command: "python -c 'raise SystemExit(7)'"
"""
_CHILD = "import sys; print('child got', sys.argv[1])\n"
_WAIT = """\
import os, time
open(f"waiting-{os.environ['BIS_RUN_ID']}", "w").write(str(os.getpid()))
time.sleep(600)
"""


def _project(directory: Path, main: str, **files: str) -> Path:
    return write_project(
        directory, _MLPROJECT, {"main.py": main, "child.py": _CHILD, "wait.py": _WAIT, **files}
    )


def _runs(bis: Bis) -> list[dict[str, Any]]:
    """All runs, the earliest first."""
    return list(reversed(bis("list", "--json", "-n", "100").json))


def _tag(run: dict[str, Any], name: str) -> str | None:
    found: str | None = run["tags"].get(name)
    return found


def test_a_script_runs_another_entry_point_as_a_run_inside_its_own(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested, json
done = bis_nested.run(".", "child", parameters={"x": 0.25}, run_name="quarter")
print(json.dumps([done.run_id, done.status, done.exit_code, done.parameters, done.get_status()]))
"""
    result = bis("run", _project(tmp_path / "project", main))
    assert result.status == 0, result.err
    assert "child got 0.25" in result.out
    run_id, *rest = json.loads(result.out.splitlines()[-1])
    assert rest == ["FINISHED", 0, {"x": "0.25"}, "FINISHED"]
    parent, child = _runs(bis)
    assert (child["run_id"], child["run_name"], _tag(child, "mlflow.parentRunId")) == (
        run_id,
        "quarter",
        parent["run_id"],
    )
    assert _tag(child, "bis.sourceTree") == _tag(parent, "bis.sourceTree")
    shown = bis("show", run_id, "--json").json
    assert {"bis/plan.json", "bis/record.json", "bis/output.log"} <= set(shown["artifacts"])
    tree = bis("show", parent["run_id"]).out
    assert run_id[:8] in tree


def test_a_run_travels_with_the_runs_inside_it(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested
for x in (0.25, 0.5):
    bis_nested.run(".", "child", parameters={"x": x})
"""
    project = _project(tmp_path / "project", main)
    parent = bis.run_json(project)["run_id"]
    assert bis("export", parent, tmp_path / "run.zip", "--json").json["inside"] == 2
    elsewhere = Bis(tmp_path / "other home", tmp_path)
    result = elsewhere("rerun", tmp_path / "run.zip", "--yes")
    assert result.status == 0, result.out + result.err
    assert result.out.startswith("IDENTICAL")
    assert "2 inner runs" in result.out
    assert bis("export", parent, tmp_path / "alone.zip", "--alone", "--json").json["inside"] == 0
    with zipfile.ZipFile(tmp_path / "alone.zip") as packed:
        assert not [name for name in packed.namelist() if name.startswith("runs/")]


def test_an_inner_run_of_a_capsule_is_what_it_says(bis: Bis, tmp_path: Path) -> None:
    main = "import bis_nested; bis_nested.run('.', 'child')"
    parent = bis.run_json(_project(tmp_path / "project", main))["run_id"]
    assert bis("export", parent, tmp_path / "run.zip").status == 0
    with zipfile.ZipFile(tmp_path / "run.zip") as packed:
        files = {name: packed.read(name) for name in packed.namelist()}
    (inner,) = (name for name in files if name.endswith("/capsule.json"))
    lying = json.loads(files[inner]) | {"run_id": "0" * 32}
    without = {name: data for name, data in files.items() if name != inner}
    for changed in (files | {inner: json.dumps(lying).encode()}, without):
        _write_capsule(tmp_path / "lies.zip", changed)
        elsewhere = Bis(tmp_path / "other home", tmp_path)
        refused = elsewhere("import", tmp_path / "lies.zip")
        assert refused.status == 2
        assert f"run {inner.split('/')[1][:8]} in lies.zip is not" in refused.err
        assert elsewhere("list", "--json").json == []


def test_an_import_that_was_cut_short_is_made_whole_by_the_next(
    bis: Bis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = "import bis_nested; bis_nested.run('.', 'child')"
    parent = bis.run_json(_project(tmp_path / "project", main))["run_id"]
    assert bis("export", parent, tmp_path / "run.zip").status == 0
    log_batch, calls = SqlStore.log_batch, iter(range(100))

    def interrupt(*words: Any, **named: Any) -> None:
        if next(calls) == 3:  # within the parent, when its child is there
            raise KeyboardInterrupt
        log_batch(*words, **named)

    elsewhere = Bis(tmp_path / "other home", tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(SqlStore, "log_batch", interrupt)
        with pytest.raises(KeyboardInterrupt):
            import_capsule(Home(elsewhere.home), tmp_path / "run.zip")
    assert len(elsewhere("list", "--json").json) == 1
    imported = elsewhere("import", tmp_path / "run.zip", "--json").json
    assert imported["run_id"] == parent
    assert len(elsewhere("show", parent, "--json").json["children"]) == 1
    assert len(elsewhere("list", "--json").json) == 2


def _write_capsule(file: Path, files: dict[str, bytes]) -> None:
    """A capsule whose own manifest has the right digests."""
    manifest = json.loads(files["capsule.json"])
    manifest["files"] = [
        {"path": name, "size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
        if name != "capsule.json"
    ]
    with zipfile.ZipFile(file, "w") as packed:
        for name, data in {**files, "capsule.json": json.dumps(manifest).encode()}.items():
            packed.writestr(name, data)


def test_what_a_sibling_wrote_is_no_part_of_the_source(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested
open("made.txt", "w").write("by the parent")
bis_nested.run(".", "child")
"""
    assert bis("run", _project(tmp_path / "project", main)).status == 0
    parent, child = _runs(bis)
    assert _tag(child, "bis.sourceTree") == _tag(parent, "bis.sourceTree")


def test_a_failure_is_an_exception_with_the_exit_code(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested
try:
    bis_nested.run(".", "bad")
except bis_nested.NestedRunError as error:
    print("caught:", error)
try:
    bis_nested.run(".", "nope")
except bis_nested.NestedRunError as error:
    print("caught:", error)
"""
    result = bis("run", _project(tmp_path / "project", main))
    assert result.status == 0, result.err
    assert "exit code 7" in result.out
    assert "there is no entry point 'nope'" in result.out
    assert sorted(bis.statuses()) == ["FAILED", "FINISHED"]


def test_the_script_goes_on_while_its_runs_do(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested
started = [bis_nested.run(".", "child", parameters={"x": x}, synchronous=False) for x in range(3)]
print([each.wait() for each in started], [each.get_status() for each in started])
bis_nested.run(".", "child", parameters={"x": 9}, synchronous=False)  # and nobody waits for it
"""
    result = bis("run", _project(tmp_path / "project", main))
    assert result.status == 0, result.err
    assert "[True, True, True] ['FINISHED', 'FINISHED', 'FINISHED']" in result.out
    assert bis.statuses() == ["FINISHED"] * 5


def test_cancel_ends_a_run_and_all_that_it_has_started(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested, sys
if sys.argv[1] == "plain":
    outer = bis_nested.run(".", "main", parameters={"how": "inner"}, synchronous=False)
    import glob, time
    while not glob.glob("waiting-*"):
        time.sleep(0.05)
    print(outer.get_status())
    outer.cancel()
    print(outer.get_status())
else:
    bis_nested.run(".", "wait")
"""
    project = _project(tmp_path / "project", main)
    result = bis("run", project)
    assert result.status == 0, result.err
    assert result.out.splitlines() == ["RUNNING", "KILLED"]
    _assert_gone(next(project.glob("waiting-*")))
    assert sorted(bis.statuses()) == ["FINISHED", "KILLED", "KILLED"]


_DEEP = """
import bis_nested, sys
bis_nested.run(".", "main" if sys.argv[1] == "plain" else sys.argv[1], parameters=(
    {"how": "wait"} if sys.argv[1] == "plain" else {}))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_whole_tree(bis: Bis, tmp_path: Path, number: signal.Signals) -> None:
    project = _project(tmp_path / "project", _DEEP)
    process = bis.start("run", project)
    waiting = _await_any(project, "waiting-*")
    process.send_signal(number)
    result = finish(process)
    assert result.status == 130, result.err
    _assert_gone(waiting)
    assert bis.statuses() == ["KILLED"] * 3


def test_a_time_limit_ends_the_whole_tree(bis: Bis, tmp_path: Path) -> None:
    project = _project(tmp_path / "project", _DEEP)
    result = bis("run", project, "--timeout", "5")
    assert result.status == 1, result.err
    _assert_gone(_await_any(project, "waiting-*"))
    assert sorted(bis.statuses()) == ["FAILED", "KILLED", "KILLED"]


def test_no_run_is_left_running_when_its_bis_is_killed(bis: Bis, tmp_path: Path) -> None:
    project = _project(tmp_path / "project", _DEEP)
    process = bis.start("run", project)
    waiting = _await_any(project, "waiting-*")
    process.kill()
    finish(process)
    _assert_gone(waiting)
    assert "RUNNING" not in _settled(bis)


@pytest.mark.slow
def test_a_step_that_ignores_term_is_killed_and_says_so(bis: Bis, tmp_path: Path) -> None:
    main = 'import bis_nested\nbis_nested.run(".", "deaf")\n'
    project = _project(tmp_path / "project", main)
    process = bis.start("run", project)
    deaf = await_file(project / "deaf")
    process.send_signal(signal.SIGTERM)
    result = finish(process)
    assert result.status == 130, result.err
    assert not _is_alive(int(deaf))
    assert bis.statuses() == ["KILLED", "KILLED"]


def test_each_call_has_a_seed_of_its_own_and_the_same_each_time(bis: Bis, tmp_path: Path) -> None:
    main = """
import bis_nested
for _ in range(2):
    bis_nested.run(".", "draw")
bis_nested.run(".", "draw", seed=5)
"""
    project = _project(tmp_path / "project", main)
    first, again, other = (bis("run", project, "--seed", seed).out.split() for seed in ("0", "0", "1"))
    assert first == again
    assert len(set(first)) == 3
    assert first[2] == other[2]
    assert set(first[:2]).isdisjoint(other[:2])


def test_bis_in_a_script_finds_the_callers_variables(bis: Bis, tmp_path: Path) -> None:
    main = "import os; os.environ['MINE'] = 'changed'; os.system('bis-here run . -e show --quiet')\n"
    project = _project(tmp_path / "project", main)
    (project / "MLproject").write_text(
        _MLPROJECT + '  show: {command: "echo $MINE $OUTER ${{PYTHONPATH##*/}}"}\n'
    )
    command = tmp_path / "bin" / "bis-here"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {json.dumps(os.sys.executable)} -m bis "$@"\n')  # type: ignore[attr-defined]
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    result = bis("run", project, OUTER="kept", PATH=path)
    assert result.out.split() == ["changed", "kept", "probe"], result.err
    parent, child = _runs(bis)
    assert _tag(child, "mlflow.parentRunId") == parent["run_id"]


def test_a_project_in_a_git_repository_is_run_at_its_version(bis: Bis, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    git = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for version in ("one", "two"):
        mlproject = f"entry_points: {{main: {{command: 'echo version {version}'}}}}\n"
        write_project(repository / "inner", mlproject)
        if version == "one":
            subprocess.run([*git, "init", "-q"], check=True)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", version], check=True)
        subprocess.run([*git, "tag", version], check=True)
    main = f"""
import bis_nested
uri = {repository.as_uri()!r} + "#inner"
bis_nested.run(uri, version="one", backend="local", env_manager="local")
bis_nested.run(uri)
try:
    bis_nested.run(uri, backend="kubernets")
except bis_nested.NestedRunError as error:
    print("caught:", error)
"""
    result = bis("run", _project(tmp_path / "project", main))
    assert result.status == 0, result.err
    assert result.out.splitlines()[:2] == ["version one", "version two"]
    assert "'kubernets'" in result.out
    parent, *children = _runs(bis)
    assert {_tag(child, "mlflow.parentRunId") for child in children} == {parent["run_id"]}
    assert len({_tag(child, "mlflow.source.git.commit") for child in children}) == 2


_MLFLOW = """
import mlflow, sys
from mlflow.exceptions import ExecutionException
with mlflow.start_run() as active:
    done = mlflow.run(".", "child", parameters={"x": 0.25}, use_conda=False)
    print("submitted:", isinstance(done, mlflow.projects.SubmittedRun), done.wait(), done.get_status())
    later = mlflow.projects.run(".", "child", None, {"x": 1}, synchronous=False)
    print("later:", later.wait())
    try:
        mlflow.run(".", "bad")
    except ExecutionException as error:
        print("caught:", error)
    with mlflow.start_run(nested=True) as inner:
        mine = mlflow.run(".", "child", run_id=inner.info.run_id)
        print("same:", mine.run_id == inner.info.run_id)
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.20.2", "2.17.2", "3.17.2"])
def test_mlflows_own_call_is_redirected(bis: Bis, tmp_path: Path, version: str) -> None:
    python = client_python(version)
    project = _project(tmp_path / "project", _MLFLOW)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    result = bis("run", project, "--env-manager", "local", PATH=path)
    assert result.status == 0, result.err
    assert "submitted: True True FINISHED" in result.out
    assert "later: True" in result.out
    assert "exit code 7" in result.out
    assert "same: True" in result.out
    runs = _runs(bis)
    assert sorted(run["status"] for run in runs) == ["FAILED"] + ["FINISHED"] * 4
    assert {_tag(run, "mlflow.parentRunId") for run in runs[1:]} == {runs[0]["run_id"]}
    assert all(_tag(run, "mlflow.project.env") == "local" for run in runs)


def _await_any(directory: Path, pattern: str, timeout_s: float = 60) -> Path:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        for path in directory.glob(pattern):
            if path.read_text():
                return path
        time.sleep(0.05)
    raise AssertionError(f"no {pattern} in {directory}")


def _assert_gone(file: Path, timeout_s: float = 20) -> None:
    """The process that wrote its id into the file has ended, or does soon."""
    deadline = time.monotonic() + timeout_s
    while _is_alive(int(file.read_text())):
        assert time.monotonic() < deadline, "the process goes on"
        time.sleep(0.05)


def _is_alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as status:  # noqa: PTH123
            return status.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _settled(bis: Bis, timeout_s: float = 30) -> list[str]:
    """The statuses, when the guards have done their work and another bis has swept."""
    deadline = time.monotonic() + timeout_s
    while True:
        bis("run", bis.cwd / "nothing here")  # an error; each start sweeps what was left behind
        statuses = bis.statuses()
        if "RUNNING" not in statuses or time.monotonic() > deadline:
            return statuses
        time.sleep(0.2)
