"""One thing changed between two runs, and the layer that is named for it."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from bis.execution.enclosing import boot_command
from bis.home import Home
from bis.plans import layers as plan_layers
from bis.repeat.causes import NOT_DETERMINISTIC, NOT_RECORDED, UNDECIDED, UNSEEN, causes
from bis.repeat.comparison import compare_runs
from bis.repeat.layers import LAYERS, layers_of
from bis.sources import fetch
from recorded_runs import recorded_run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.repeat.recorded import RecordedRun

PLAN: dict[str, Any] = {
    "format": "bis.plan/2",
    "source": {"tree": "1" * 40, "subdirectory": "", "repository": None, "commit": "c" * 40, "dirty": False},
    "entry_point": "main",
    "template": "python train.py {rate}",
    "parameters": {"rate": "0.1", "data": "/home/a/data.csv"},
    "extra": [],
    "inputs": {"local": {"data": "/home/a/data.csv"}, "in_tree": {}, "downloads": {}},
    "environment": {
        "format": 1,
        "manager": "uv",
        "python": "3.8.18",
        "python_requested": "3.8",
        "platform": "linux-x86_64-glibc2.36",
        "requirements": "numpy==1.24.4 \\\n    --hash=sha256:aa\nscikit-learn==1.3.1 \\\n    --hash=sha256:bb\n",
    },
    "seed": 0,
    "level": "seed",
    "variables": {
        "set": {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "2", "TZ": "UTC"},
        "removed": ["PYTHONDONTWRITEBYTECODE"],
        "secret": ["TOKEN"],
    },
}
RECORD: dict[str, Any] = {
    "directory": "/home/a/project",
    "host": {
        "system": "Linux",
        "release": "6.1",
        "machine": "x86_64",
        "cpu_model": "A",
        "cpu_flags_sha256": "ff",
        "cpu_count": 2,
        "glibc": "2.36",
        "gpu": None,
        "blas": [{"library": "openblas", "version": "0.3", "kernel": "Haswell", "threads": 2}],
    },
    "files": [
        {
            "path": "/home/a/data.csv",
            "access": "read",
            "place": "declared",
            "parameter": "data",
            "size": 9,
            "sha256": "dd",
        },
        {"path": "cache/words.txt", "access": "read", "place": "undeclared", "size": 5, "sha256": "ee"},
        {"path": "train.py", "access": "read", "place": "tree", "size": 5, "sha256": None},
    ],
    "network": [{"host": "example.org", "port": 443, "urls": ["https://example.org/data"]}],
    "processes": [],
    "suspects": [{"kind": "threads", "detail": "openblas: 2 threads"}],
}


def changed(change: Callable[[dict[str, Any], dict[str, Any]], object], mark: str = "b") -> RecordedRun:
    plan, record = copy.deepcopy(PLAN), copy.deepcopy(RECORD)
    change(plan, record)
    return recorded_run(mark, plan=plan, record=record)


def at(*path: str | int, to: object) -> Callable[[dict[str, Any], dict[str, Any]], None]:
    """Sets a value of the plan, or of the record when the path begins there."""

    def change(plan: dict[str, Any], record: dict[str, Any]) -> None:
        place: Any = plan if path[0] in plan else record
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = to

    return change


FIRST = recorded_run("a", plan=PLAN, record=RECORD)
PINS = PLAN["environment"]["requirements"]
NEWER = PINS.replace("1.3.1", "1.3.2")


@pytest.mark.parametrize(
    ("change", "layer", "detail"),
    [
        (at("source", "tree", to="2" * 40), "source", "tree: "),
        (at("parameters", "rate", to="0.2"), "parameters", "rate: 0.1 → 0.2"),
        (at("template", to="python other.py {rate}"), "command", "command: python train.py"),
        (at("files", 0, "sha256", to="d0"), "inputs", "data: sha256 dd, 9 bytes → sha256 d0, 9 bytes"),
        (at("files", 1, "sha256", to="e0"), "inputs", "cache/words.txt: "),
        (at("environment", "requirements", to=NEWER), "environment", "scikit-learn: 1.3.1 → 1.3.2"),
        (at("environment", "requirements", to=PINS.replace("bb", "b0")), "environment", "files of the packages"),
        (at("environment", "python", to="3.9.18"), "interpreter", "Python: 3.8.18 → 3.9.18"),
        (at("variables", "set", "OMP_NUM_THREADS", to="8"), "fingerprint", "OMP_NUM_THREADS: 2 → 8"),
        (at("host", "blas", 0, "kernel", to="SkylakeX"), "fingerprint", "openblas kernel: Haswell → SkylakeX"),
        (at("host", "cpu_flags_sha256", to="f0"), "fingerprint", "cpu_flags_sha256"),
        (at("host", "gpu", to={"driver": "1", "models": ["G"]}), "fingerprint", "GPU only in the second"),
        (at("seed", to=1), "seed", "seed: 0 → 1"),
        (at("level", to="strict"), "seed", "level: seed → strict"),
        (at("variables", "set", "PYTHONHASHSEED", to="7"), "seed", "PYTHONHASHSEED: 0 → 7"),
        (at("variables", "set", "TZ", to="Asia/Tokyo"), "variables", "TZ: UTC → Asia/Tokyo"),
        (at("variables", "secret", to=["TOKEN", "KEY"]), "variables", "KEY only in the second"),
        (at("network", 0, "urls", to=["https://example.org/new"]), "network", "example.org: "),
    ],
)  # fmt: skip
def test_the_layer_that_changed_is_named_and_no_other(
    change: Callable[[dict[str, Any], dict[str, Any]], None], layer: str, detail: str
) -> None:
    (cause,) = causes(FIRST, changed(change))
    assert cause.layer == layer
    assert cause.detail.startswith(detail)
    assert cause.first_digest != cause.second_digest


def elsewhere(plan: dict[str, Any], record: dict[str, Any]) -> None:
    """The same run on another machine, where the data and the project lie elsewhere."""
    plan["parameters"]["data"] = plan["inputs"]["local"]["data"] = "/srv/data.csv"
    plan["source"]["commit"] = None
    record["directory"] = "/tmp/elsewhere"
    record["files"][0]["path"] = "/srv/data.csv"
    record["files"][1]["path"] = "/tmp/elsewhere/cache/words.txt"


def test_other_places_are_no_cause() -> None:
    assert [cause.layer for cause in causes(FIRST, changed(elsewhere))] == [UNDECIDED]


def test_the_most_telling_comes_first() -> None:
    def several(plan: dict[str, Any], record: dict[str, Any]) -> None:
        plan["seed"] = 1
        plan["source"]["tree"] = "2" * 40
        plan["environment"]["python"] = "3.9.1"

    assert [cause.layer for cause in causes(FIRST, changed(several))] == ["source", "interpreter", "seed"]


def repeated(one: float, other: float) -> Any:
    return compare_runs(recorded_run("c", metrics={"m": one}), recorded_run("d", metrics={"m": other}))


@pytest.mark.parametrize(
    ("repeat", "layer"), [(None, UNDECIDED), (repeated(1, 2), NOT_DETERMINISTIC), (repeated(1, 1), UNSEEN)]
)
def test_when_all_layers_agree_a_repetition_decides(repeat: Any, layer: str) -> None:
    (cause,) = causes(FIRST, changed(lambda *_: None), repeat=repeat)
    assert cause.layer == layer
    assert "openblas: 2 threads" in cause.detail


def test_a_python_without_the_probe_is_suspected_and_the_bis_of_a_nested_run_is_not() -> None:
    processes = [
        {"argv": argv, "probed": False, "why_not": "no probe"}
        for argv in (["python3", "-I", "x.py"], [*boot_command(), "4", "7"])
    ]
    (cause,) = causes(FIRST, changed(at("processes", to=processes)))
    assert [change.text for change in cause.changes if change.name == "not seeded"] == [
        "python3 -I x.py: no probe"
    ]


def test_results_that_are_the_same_need_no_cause() -> None:
    second = changed(lambda *_: None)
    assert causes(FIRST, second, comparison=compare_runs(FIRST, second)) == []


def test_the_release_of_the_kernel_is_said_and_explains_nothing() -> None:
    found = causes(FIRST, changed(at("host", "release", to="6.2")))
    assert [cause.layer for cause in found] == ["host", UNDECIDED]


def test_a_run_without_a_plan_says_what_cannot_be_compared() -> None:
    plain = recorded_run(
        "b", params={"rate": "0.2", "data": "/x"}, tags={"mlflow.source.git.commit": "c" * 40}
    )
    found = {cause.layer: cause.detail for cause in causes(FIRST, plain)}
    assert found["parameters"].startswith("rate: 0.1 → 0.2")
    assert "the interpreter" in found[NOT_RECORDED]
    assert "bbbbbbbb was not made by bis run" in found[NOT_RECORDED]


def test_changes_of_the_source_are_shown_file_by_file(tmp_path: Path) -> None:
    home, project, runs = Home(tmp_path / "home"), tmp_path / "project", []
    project.mkdir()
    for mark, text in (("a", "import time\nx = time.time()\n"), ("b", "import time\nx = 1\n")):
        (project / "train.py").write_text(text)
        with fetch(str(project), None, home=home, notify=print) as source:
            runs.append(changed(at("source", "tree", to=source.tree), mark))
    (cause,) = causes(*runs, home=home)
    assert cause.detail == "train.py changed"
    assert cause.changes[0].text == "@@ -1,2 +1,2 @@\n import time\n-x = time.time()\n+x = 1\n"
    (unexplained,) = causes(runs[0], runs[0], home=home)
    assert "train.py:2 x = time.time()" in [change.text for change in unexplained.changes]


@pytest.mark.parametrize("read", [False, True])
def test_an_output_that_was_left_in_the_source_is_a_cause_only_when_it_is_read(
    tmp_path: Path, read: bool
) -> None:
    home, project, runs = Home(tmp_path / "home"), tmp_path / "project", []
    project.mkdir()
    (project / "train.py").write_text("x = 1\n")
    output = {"path": "out.csv", "access": "written", "place": "output", "size": 2, "sha256": "aa"}
    use = {"path": "out.csv", "access": "read", "place": "tree", "size": 2, "sha256": "aa"}
    for mark in "ab":
        with fetch(str(project), None, home=home, notify=print) as source:
            plan = {**PLAN, "source": {**PLAN["source"], "tree": source.tree}}
        seen = [use] if read and mark == "b" else []
        record = {**RECORD, "files": [*RECORD["files"], output, *seen]}
        runs.append(recorded_run(mark, plan=plan, record=record))
        (project / "out.csv").write_text("1\n")
    found = causes(*runs, home=home)
    assert [cause.layer for cause in found] == (["source"] if read else ["source", UNDECIDED])
    assert found[0].detail.startswith("out.csv added")


def test_a_snapshot_that_is_gone_is_said(tmp_path: Path) -> None:
    (cause,) = causes(FIRST, changed(at("source", "tree", to="2" * 40)), home=Home(tmp_path))
    assert "the snapshot " + "1" * 40 + " is not in" in cause.detail


def test_layers_are_data_with_digests_and_the_layers_of_a_plan_that_put_them_back() -> None:
    assert {name for *_, names in LAYERS for name in names} <= set(plan_layers.LAYERS)
    layers = layers_of(FIRST)
    assert [layer.name for layer in layers] == [name for name, *_ in LAYERS]
    assert all(layer.digest and len(layer.digest) == 64 for layer in layers)
    assert [layer.digest for layer in layers] == [
        layer.digest for layer in layers_of(changed(lambda *_: None))
    ]


def test_causes_are_json() -> None:
    found = causes(FIRST, changed(at("seed", to=1)))
    assert json.loads(json.dumps([cause.to_dict() for cause in found]))[0]["restored_by"] == [
        "seed",
        "variables",
    ]
