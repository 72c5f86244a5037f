"""The record of a run, as `bis run` keeps it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from bis_command import write_project

if TYPE_CHECKING:
    from bis_command import Bis, Result


def record_of(result: Result) -> dict[str, Any]:
    """The record among the artifacts of the run."""
    directory = Path(unquote(urlsplit(result.json["artifact_uri"]).path))
    found: dict[str, Any] = json.loads((directory / "bis" / "record.json").read_text("utf-8"))
    return found


def run(bis: Bis, code: str, *words: str, command: str = "python main.py", parameters: str = "") -> Result:
    project = write_project(
        bis.cwd / "project",
        f"name: watched\nentry_points:\n  main:\n{parameters}    command: {json.dumps(command)}\n",
        {"main.py": code},
    )
    return bis("run", project, "--env-manager", "local", "--json", *words)


def test_what_a_run_reads_and_writes_is_in_its_record(bis: Bis) -> None:
    (bis.cwd / "data.csv").write_text("1,2\n")
    (bis.cwd / "input.csv").write_text("3,4\n")
    result = run(
        bis,
        "import sys; open('../data.csv').read(); open(sys.argv[1]).read(); open('out.csv', 'w').write('5')",
        "-P",
        f"data={bis.cwd / 'input.csv'}",
        command="python main.py {data}",
        parameters="    parameters: {data: path}\n",
    )
    record = record_of(result)
    found = {(file["path"], file["access"]): (file["place"], file["sha256"]) for file in record["files"]}
    assert found.pop(("main.py", "read"))[0] == "tree"
    assert found == {
        (str(bis.cwd / "data.csv"), "read"): ("undeclared", hashlib.sha256(b"1,2\n").hexdigest()),
        (str(bis.cwd / "input.csv"), "read"): ("declared", hashlib.sha256(b"3,4\n").hexdigest()),
        ("out.csv", "written"): ("output", hashlib.sha256(b"5").hexdigest()),
    }
    assert [file.get("parameter") for file in record["files"] if file["place"] == "declared"] == ["data"]
    assert record["memory_peak_bytes"] > 1_000_000
    assert record["cpu_s"] > 0
    assert record["observer"]["name"] == "audit hook"
    assert record["network"] == []  # the run's own tracking server is not one that it needs
    assert record["host"]["cpu_flags_sha256"] is None or len(record["host"]["cpu_flags_sha256"]) == 64


@pytest.mark.parametrize("options", ["-I", "-S", "-E"])
def test_a_python_that_shuts_the_probe_out_is_in_the_record(bis: Bis, options: str) -> None:
    record = record_of(run(bis, "print('seen by nobody')", command=f"python {options} main.py"))
    (process,) = [process for process in record["processes"] if not process["probed"]]
    assert process["why_not"] == "Python's options -I, -E and -S shut the probe out"


def test_a_python_with_a_cleaned_environment_is_in_the_record(bis: Bis) -> None:
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'], env={})"
    record = record_of(run(bis, code))
    assert [(each["probed"], each["why_not"]) for each in record["processes"]] == [
        (True, None),
        (False, "it was given an environment without the probe"),
    ]


def test_a_command_that_is_no_python_is_in_the_record_with_its_outputs(bis: Bis) -> None:
    record = record_of(run(bis, "", command="echo result > out.txt"))
    assert [(file["path"], file["place"]) for file in record["files"]] == [("out.txt", "output")]
    (process,) = record["processes"]
    assert process["probed"] is False


def test_an_input_that_changes_while_it_is_read_is_said_and_recorded(bis: Bis) -> None:
    (bis.cwd / "data.csv").write_text("before")
    code = "open('../data.csv').read()\nimport subprocess\nsubprocess.run('echo after > ../data.csv', shell=True)"
    result = run(bis, code)
    record = record_of(result)
    assert record["changed_while_read"] == [str(bis.cwd / "data.csv")]
    assert f"{bis.cwd / 'data.csv'} changed while the run read it: what was read is not known" in result.err


def test_a_run_that_fails_has_its_record_too(bis: Bis) -> None:
    result = run(bis, "open('out.txt', 'w').write('half'); raise SystemExit(3)")
    assert result.status == 1
    record = record_of(result)
    assert (record["exit_code"], record["status"]) == (3, "FAILED")
    assert [file["path"] for file in record["files"] if file["place"] == "output"] == ["out.txt"]


def test_nothing_of_the_reports_is_left(bis: Bis) -> None:
    run(bis, "open('main.py').read()")
    assert list((bis.home / "running").iterdir()) == []


def test_every_key_of_the_record_is_in_the_reference(bis: Bis) -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "record.md").read_text("utf-8")
    record = record_of(run(bis, "import os, subprocess; open('out', 'w'); subprocess.run('true')"))
    entries = [record, record["host"], record["observer"], record["files"][0], record["processes"][0]]
    missing = {key for entry in entries for key in entry if f"`{key}`" not in page}
    assert missing == set()
