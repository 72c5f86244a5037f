"""A finished run is taken in the place of a new one when nothing that decided it has changed, and never otherwise."""

from __future__ import annotations

import http.server
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, git, write_project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MLPROJECT = """\
name: reused
entry_points:
  main:
    parameters: {x: {type: float, default: 0.5}}
    command: "python main.py {x}"
  remembered:
    reuse: true
    command: "python main.py 1"
  shell:
    command: "cat notes.txt > /dev/null; python main.py 2"
  bad:
    command: "python -c 'raise SystemExit(3)'"
"""
_MAIN = "import sys, helper; print('executed with', sys.argv[1], helper.VALUE)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(
        tmp_path / "project",
        _MLPROJECT,
        {"main.py": _MAIN, "helper.py": "VALUE = 1\n", "other.py": "unused = 1\n", "notes.txt": "hello\n"},
    )


def _run(bis: Bis, project: Path, *words: str) -> tuple[bool, str]:
    """Whether the run was reused, and its id."""
    document = bis.run_json(project, "--reuse", *words)
    return document["reused"], document["run_id"]


def test_the_second_time_nothing_is_executed(bis: Bis, project: Path) -> None:
    first = bis("run", project, "--reuse")
    assert "executed with 0.5 1" in first.out
    again = bis("run", project, "--reuse")
    assert (again.status, again.out) == (0, "")
    assert "reused" in again.err
    assert bis.statuses() == ["FINISHED"]
    assert _run(bis, project)[0]


def test_without_the_word_every_run_is_executed(bis: Bis, project: Path) -> None:
    assert [bis.run_json(project)["reused"] for _ in range(2)] == [False, False]


def test_an_entry_point_may_ask_for_it(bis: Bis, project: Path) -> None:
    assert not bis.run_json(project, "-e", "remembered")["reused"]
    assert bis.run_json(project, "-e", "remembered")["reused"]
    assert not bis.run_json(project, "-e", "remembered", "--no-reuse")["reused"]


def _edit(name: str, text: str) -> Callable[[Path], None]:
    return lambda project: (project / name).write_text(text) and None  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("change", "is_reused"),
    [
        (_edit("main.py", _MAIN + "# a comment\n"), False),
        (_edit("helper.py", "VALUE = 2\n"), False),
        (_edit("other.py", "unused = 2\n"), True),
        (_edit("new_module.py", "x = 1\n"), True),
        (_edit("README.md", "# words\n"), True),
        (_edit("sitecustomize.py", "x = 1\n"), True),
        (_edit("settings.ini", "[x]\n"), False),
        (_edit("MLproject", _MLPROJECT + "  more: {command: 'true'}\n"), True),
        (_edit("MLproject", _MLPROJECT.replace("main.py {x}", "main.py {x} more")), False),
        (lambda project: (project / "other.py").unlink(), True),
    ],
)
def test_a_change_counts_when_the_run_has_read_it(
    bis: Bis, project: Path, change: Callable[[Path], None], is_reused: bool
) -> None:
    assert not _run(bis, project)[0]
    change(project)
    assert _run(bis, project)[0] is is_reused


def test_code_that_was_put_back_finds_its_run_behind_any_others(bis: Bis, project: Path) -> None:
    first = _run(bis, project)[1]
    for value in range(2, 8):
        (project / "helper.py").write_text(f"VALUE = {value}\n")
        assert not _run(bis, project)[0]
    (project / "helper.py").write_text("VALUE = 1\n")
    assert _run(bis, project) == (True, first)


@pytest.mark.parametrize(
    "words", [("-P", "x=1"), ("--seed", "1"), ("--level", "strict"), ("--keep-env", "HOME")]
)
def test_another_plan_is_another_run(bis: Bis, project: Path, words: tuple[str, ...]) -> None:
    _run(bis, project)
    assert not _run(bis, project, *words)[0]
    assert _run(bis, project, *words)[0]


def test_an_input_that_changed_is_read_again(bis: Bis, project: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_text("1\n")
    (project / "main.py").write_text(f"print(open({str(data)!r}).read())\n")
    assert not _run(bis, project)[0]
    assert _run(bis, project)[0]
    data.write_text("2\n")
    explained = bis("run", project, "--explain")
    assert f"the input {data} has changed" in explained.out
    assert not _run(bis, project)[0]
    data.unlink()
    assert "is gone" in bis("run", project, "--explain").out


def test_programs_that_are_not_python_are_observed_too(bis: Bis, project: Path) -> None:
    assert not _run(bis, project, "-e", "shell")[0]
    assert _run(bis, project, "-e", "shell")[0]
    (project / "notes.txt").write_text("changed\n")
    assert not _run(bis, project, "-e", "shell")[0]


def test_what_nobody_saw_is_no_basis(bis: Bis, project: Path) -> None:
    bis("run", project, "-e", "shell", "--trace", "audit")
    assert "what cat read is not known" in bis("run", project, "-e", "shell", "--explain").out
    assert not _run(bis, project, "-e", "shell")[0]


def test_a_run_that_failed_or_was_deleted_is_not_taken(bis: Bis, project: Path) -> None:
    for _ in range(2):
        assert bis("run", project, "-e", "bad", "--reuse").status == 1
    assert bis.statuses() == ["FAILED", "FAILED"]
    _, run_id = _run(bis, project)
    _delete(bis, run_id)
    assert not _run(bis, project)[0]


def test_a_run_whose_artifacts_or_outputs_are_lost_is_not_taken(bis: Bis, project: Path) -> None:
    (project / "main.py").write_text("open('out.txt', 'w').write('result')\n")
    assert not _run(bis, project)[0]
    assert _run(bis, project)[0]
    (project / "out.txt").write_text("another")
    assert "out.txt" in bis("run", project, "--explain").out
    assert not _run(bis, project)[0]
    shutil.rmtree(bis.home / "artifacts" / "0")
    assert not _run(bis, project)[0]


def test_random_numbers_that_are_not_held_are_drawn_again(bis: Bis, project: Path) -> None:
    words = ("--level", "observe")
    assert [_run(bis, project, *words)[0] for _ in range(2)] == [False, False]
    assert bis.run_json(project, "--reuse=always", *words)["reused"]


def test_a_commit_is_as_good_as_a_folder(bis: Bis, project: Path) -> None:
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")
    words = ("-v", "HEAD")
    assert not _run(bis, project, *words)[0]
    assert _run(bis, project, *words)[0]


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A server that is not on a loopback name: what it answers is not pinned."""
    server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{_own_address()}:{server.server_port}/nothing"
    server.shutdown()
    server.server_close()


def _own_address() -> str:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = str(probe.getsockname()[0])
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


def test_what_the_network_answered_is_not_pinned(bis: Bis, project: Path, elsewhere: str) -> None:
    (project / "main.py").write_text(
        "import urllib.request, urllib.error\n"
        f"try: urllib.request.urlopen({elsewhere!r})\nexcept urllib.error.HTTPError: pass\n"
    )
    assert [_run(bis, project)[0] for _ in range(2)] == [False, False]
    assert "it used the network" in bis("run", project, "--explain").out
    assert bis.run_json(project, "--reuse=always")["reused"]


def test_explain_says_what_is_executed_every_time(bis: Bis, tmp_path: Path) -> None:
    mlproject = """\
entry_points:
  first: {command: "true"}
  second: {after: first, reuse: false, command: "true"}
"""
    project = write_project(tmp_path / "always", mlproject)
    bis.run_json(project, "-e", "second")
    said = bis("run", project, "-e", "second", "--explain").out
    assert "first would be reused" in said
    assert "second would be executed\n  it is executed every time: MLproject says reuse: false" in said
    assert "--no-reuse" in bis("run", project, "-e", "first", "--no-reuse", "--explain").err


def test_explain_names_the_layer_and_runs_nothing(bis: Bis, project: Path) -> None:
    assert "no earlier run" in bis("run", project, "--explain").out
    _, run_id = _run(bis, project)
    said = bis("run", project, "--explain", "-P", "x=9").out
    assert "main would be executed" in said
    assert "x '0.5' -> '9'" in said
    (project / "unread.txt").write_text("of another tree")
    assert "source" not in bis("run", project, "--explain", "-P", "x=9").out
    said = bis("run", project, "--explain", "--json").json
    assert said["main"]["reusable"] == run_id
    assert "seed: 0, seed -> 4, seed" in bis("run", project, "--explain", "--seed", "4").out
    assert bis.statuses() == ["FINISHED"]


def _delete(bis: Bis, run_id: str) -> None:
    import sqlite3

    with sqlite3.connect(bis.home / "tracking.db") as database:
        database.execute("UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_id = ?", (run_id,))
    database.close()
