"""``bis run`` from the command line to the recorded result, on scripts that need no package."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bis_command import Bis, await_file, finish, git, write_project

HELLO = """\
name: hello
python_env: python_env.yaml
entry_points:
  main:
    parameters:
      alpha: {type: float, default: 0.5}
      name: {type: str, default: world}
    command: "python main.py {alpha} {name}"
  fail:
    command: "python main.py; exit 7"
  wait:
    command: "echo $$ > started; sleep 600"
"""
MAIN = "import sys\nprint('hello', *sys.argv[1:])\nprint('progress', file=sys.stderr)\n"


@pytest.fixture
def hello(tmp_path: Path) -> Path:
    return write_project(
        tmp_path / "hello", HELLO, {"main.py": MAIN, "python_env.yaml": "dependencies: []\n"}
    )


def test_the_scripts_output_is_shown_and_the_result_summed_up(bis: Bis, hello: Path) -> None:
    result = bis("run", hello, "-P", "alpha=0.1")
    assert result.status == 0
    assert result.out == "hello 0.1 world\n"
    for words in (
        "hello · main",
        "progress",
        "finished in",
        "alpha=0.1  name=world",
        "pinned",
        "not pinned",
        "bis show",
    ):
        assert words in result.err


def test_quiet_shows_the_scripts_output_alone(bis: Bis, hello: Path) -> None:
    result = bis("run", hello, "-q")
    assert (result.out, result.err) == ("hello 0.5 world\n", "progress\n")


def test_json_is_one_object_and_the_scripts_output_goes_to_standard_error(bis: Bis, hello: Path) -> None:
    result = bis("run", hello, "--json", "--run-name", "first", "--set-tag", "team=blue")
    document = result.json
    assert set(document) == {
        "run_id", "reused", "run_name", "experiment_id", "status", "exit_code", "duration_s", "parameters", "metrics",
        "tags", "artifact_uri", "source", "environment", "command", "plan_digest",
    }  # fmt: skip
    assert set(document["source"]) == {"uri", "commit", "branch", "dirty", "tree"}
    assert set(document["environment"]) == {"manager", "python", "lock_digest", "created", "seconds"}
    assert (document["status"], document["exit_code"], document["run_name"]) == ("FINISHED", 0, "first")
    assert document["parameters"] == {"alpha": "0.5", "name": "world"}
    assert document["command"] == "python main.py 0.5 world"
    assert document["tags"]["team"] == "blue"
    assert "hello 0.5 world" in result.err


def test_all_tags_of_a_project_run_are_set(bis: Bis, hello: Path) -> None:
    git(hello, "init", "-q", "-b", "trunk")
    git(hello, "add", ".")
    git(hello, "commit", "-qm", "start")
    git(hello, "remote", "add", "origin", "https://someone:secret@host.example/repo.git")
    (hello / "main.py").write_text(MAIN + "print('changed')\n")
    document = bis.run_json(hello)
    tags = document["tags"]
    assert tags["mlflow.source.type"] == "PROJECT"
    assert tags["mlflow.project.entryPoint"] == "main"
    assert tags["mlflow.project.env"] == "uv"
    assert tags["mlflow.project.backend"] == "local"
    assert tags["mlflow.source.name"] == f"file://{hello}"
    assert tags["mlflow.source.git.commit"] == git(hello, "rev-parse", "HEAD")
    assert tags["mlflow.source.git.branch"] == "trunk"
    assert tags["mlflow.source.git.dirty"] == "true"
    assert tags["mlflow.source.git.repoURL"] == "https://host.example/repo.git"
    assert tags["mlflow.user"]
    assert tags["mlflow.runName"] == document["run_name"]
    assert "secret" not in json.dumps(document)


def test_a_command_that_fails_is_recorded_with_its_exit_code(bis: Bis, hello: Path) -> None:
    result = bis("run", hello, "-e", "fail")
    assert result.status == 1
    assert "failed in" in result.err
    assert "exit code 7" in result.err
    shown = bis("show", "--json").json
    assert (shown["status"], shown["exit_code"]) == ("FAILED", 7)


def test_the_output_is_kept(bis: Bis, hello: Path) -> None:
    bis("run", hello)
    assert sorted(bis("logs", "latest").out.splitlines()) == ["hello 0.5 world", "progress"]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, "KILLED"), (signal.SIGTERM, "KILLED"), (signal.SIGHUP, "KILLED")]
)
def test_a_signal_ends_the_run_and_says_so(
    bis: Bis, hello: Path, number: signal.Signals, status: str
) -> None:
    process = bis.start("run", hello, "-e", "wait")
    pid = int(await_file(hello / "started"))
    process.send_signal(number)
    result = finish(process)
    assert result.status == 130
    assert number.name in result.err
    assert bis.statuses() == [status]
    assert not Path(f"/proc/{pid}").exists()


def test_the_time_limit_ends_the_run(bis: Bis, hello: Path) -> None:
    result = bis("run", hello, "-e", "wait", "--timeout", "1.5")
    assert result.status == 1
    assert "time limit" in result.err
    assert bis.statuses() == ["FAILED"]


def test_a_run_whose_bis_was_killed_is_marked_failed_by_the_next(bis: Bis, hello: Path) -> None:
    process = bis.start("run", hello, "-e", "wait")
    pid = int(await_file(hello / "started"))
    process.kill()
    finish(process)
    listed = bis("list", "--json")
    assert [run["status"] for run in listed.json] == ["FAILED"]
    assert "had lost its bis" in listed.err
    assert listed.json[0]["tags"]["bis.abandoned"] == "true"
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            break
        subprocess.run(["sleep", "0.05"], check=True)
    assert not Path(f"/proc/{pid}").exists()
    assert not list((bis.home / "running").iterdir())


def test_two_runs_at_once_do_not_mind_each_other(bis: Bis, hello: Path) -> None:
    processes = [bis.start("run", hello, "-P", f"name={i}", "--json") for i in range(4)]
    results = [finish(process) for process in processes]
    assert [result.status for result in results] == [0] * 4, [result.err for result in results]
    assert len({result.json["run_id"] for result in results}) == 4
    assert bis.statuses() == ["FINISHED"] * 4


def test_the_same_project_has_the_same_plan(bis: Bis, hello: Path) -> None:
    first, second = bis.run_json(hello), bis.run_json(hello)
    other = bis.run_json(hello, "-P", "alpha=0.7")
    assert first["plan_digest"] == second["plan_digest"] != other["plan_digest"]
    assert first["source"]["tree"] == second["source"]["tree"]


def test_dry_run_prints_the_plan_and_leaves_no_run(bis: Bis, hello: Path) -> None:
    plan = bis("run", hello, "--dry-run", "--json", "-P", "alpha=0.7").json
    assert plan["command"] == "python main.py 0.7 world"
    assert bis("list", "--json").json == []
    document = bis.run_json(hello, "-P", "alpha=0.7")
    assert document["plan_digest"] == plan["digest"]


def test_a_run_is_found_by_prefix_and_by_latest(bis: Bis, hello: Path) -> None:
    first, second = bis.run_json(hello), bis.run_json(hello)
    assert bis("show", first["run_id"][:9], "--json").json["run_id"] == first["run_id"]
    assert bis("show", "latest", "--json").json["run_id"] == second["run_id"]
    missing = bis("show", "zzz")
    assert missing.status == 2
    assert "there is no run 'zzz'" in missing.err


def test_a_run_can_be_taken_up_again(bis: Bis, hello: Path) -> None:
    first = bis("run", hello, "-e", "fail", "--json").json
    again = bis.run_json(hello, "--run-id", first["run_id"])
    assert again["run_id"] == first["run_id"]
    assert bis.statuses() == ["FINISHED"]


def test_experiments_are_made_by_name_and_must_be_there_by_id(bis: Bis, hello: Path) -> None:
    named = bis.run_json(hello, "--experiment-name", "forests")
    by_id = bis.run_json(hello, "--experiment-id", named["experiment_id"])
    by_variable = bis.run_json(hello, MLFLOW_EXPERIMENT_NAME="forests")
    assert named["experiment_id"] == by_id["experiment_id"] == by_variable["experiment_id"] != "0"
    absent = bis("run", hello, "--experiment-id", "77")
    assert absent.status == 2
    assert "77" in absent.err
    both = bis("run", hello, "--experiment-id", "0", "--experiment-name", "forests")
    assert both.status == 2
    assert "not both" in both.err
    # A name on the command line beats an id in the environment, which MLflow refuses.
    assert (
        bis.run_json(hello, "--experiment-name", "forests", MLFLOW_EXPERIMENT_ID="0")["experiment_id"] != "0"
    )


def test_variables_of_a_dotenv_file_reach_the_command_and_no_record(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "env", "entry_points: {main: {command: 'test ${{#TOKEN}} = 12 && echo given'}}"
    )
    (tmp_path / "secrets.env").write_text("# for the test\nexport TOKEN='s3cret value'\n")
    result = bis("run", project, "--env-file", tmp_path / "secrets.env", "--json")
    assert result.status == 0
    found = subprocess.run(
        ["grep", "-r", "s3cret", str(bis.home)], capture_output=True, text=True, check=False
    )
    assert found.stdout == ""


def test_the_caller_s_bytecode_switch_is_not_handed_down(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p", "entry_points: {main: {command: 'echo \"[$PYTHONDONTWRITEBYTECODE]\"'}}"
    )
    assert bis("run", project, "-q", PYTHONDONTWRITEBYTECODE="1").out == "[]\n"


@pytest.mark.parametrize(
    "name", ["with space", "quo'te\"s", "new\nline", "ünï-çødé 日本", "$(touch x)`;&|", "-dash"]
)
def test_a_project_path_may_have_any_name(bis: Bis, tmp_path: Path, name: str) -> None:
    project = write_project(
        tmp_path / name,
        "entry_points: {main: {parameters: {data: path}, command: 'cat {data} && pwd'}}",
        {"data.txt": "content\n"},
    )
    result = bis("run", f"./{name}", "-q", "-P", f"data=./{name}/data.txt")
    assert result.status == 0, result.err
    assert result.out == f"content\n{project}\n"


def test_nothing_is_written_into_the_project(bis: Bis, hello: Path) -> None:
    before = sorted(hello.rglob("*"))
    bis("run", hello)
    assert sorted(hello.rglob("*")) == before


def test_a_reader_that_goes_away_is_no_error(bis: Bis, hello: Path) -> None:
    bis.run_json(hello)
    command = f"'{sys.executable}' -m bis run '{hello}' | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    answer = subprocess.run(
        ["bash", "-c", command], env=bis.environ(), capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_a_home_that_cannot_be_written_is_one_clear_error(bis: Bis, hello: Path, tmp_path: Path) -> None:
    readonly = tmp_path / "readonly"
    readonly.mkdir(mode=0o555)
    for parent in [tmp_path, *tmp_path.parents]:
        parent.chmod(parent.stat().st_mode | 0o055)
    # All is imported first: that user may not be allowed to read where bis is installed.
    code = (
        "import os, sys, bis.pipelines, bis.cli.run, bis.cli.pipeline, bis.cli.summary, bis.cli.main, platformdirs;"
        "os.setgid(65534); os.setuid(65534); sys.exit(bis.cli.main.main(sys.argv[1:]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, "run", str(hello)],
        env=bis.environ(BIS_HOME=str(readonly / "home"), HOME="/nonexistent"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 2
    assert "error:" in answer.stderr
    assert "BIS_HOME" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_environment_in_use_is_not_pruned(bis: Bis, hello: Path) -> None:
    process = bis.start("run", hello, "-e", "wait")
    await_file(hello / "started")
    during = bis("env", "prune", "--older-than", "0", "--json")
    process.send_signal(signal.SIGTERM)
    finish(process)
    after = bis("env", "prune", "--older-than", "0", "--json")
    assert during.json == []
    assert len(after.json) == 1
    assert bis("env", "list", "--json").json == []


def test_files_of_an_environment_that_were_edited_are_shown(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        "python_env: e.yaml\nentry_points: {main: {command: 'python -c \"import six; print(six.__file__)\"'}}",
        {"e.yaml": "dependencies: [six==1.16.0]\n"},
    )
    module = Path(bis("run", project, "-q").out.strip())
    (environment,) = bis("env", "list", "--json").json
    assert bis("env", "show", environment["digest"], "--json").json["edited"] == []
    copy = module.read_text() + "\n# edited\n"
    module.unlink()  # a file of its own: uv's cache has the other link
    module.write_text(copy)
    edited = bis("env", "show", environment["digest"], "--json").json["edited"]
    assert [Path(name).name for name in edited] == ["six.py"]
