"""``import bis`` in a script that bis runs, in every Python that is here, without being installed there."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from client.conftest import PLAIN
from execution.interpreters import interpreters

if TYPE_CHECKING:
    from pathlib import Path

    from bis_command import Bis
    from client.conftest import Tracked

EVERYTHING = """
import bis, json, sys
bis.log_param("python", "%d.%d" % sys.version_info[:2])
for i in range(1500):
    bis.log_metric("m", i)
bis.log_text("hi", "a/b.txt")
bis.log_dict({"a": [1, None]}, "d.json")
bis.log_table({"a": [1, 2]}, "t.json")
bis.log_table([{"b": 3}], "t.json")
with bis.start_run(nested=True) as run:
    bis.log_metric("child", 1)
history = [one.value for one in bis.get_metric_history(bis.active_run().info.run_id, "m")]
assert history == list(range(1500)), history
print(json.dumps([bis.active_run().info.run_id, run.info.run_id, bis.__file__]))
"""


def pythons() -> list[str]:
    """Those of 3.7 and later, without bis."""
    code = "import sys; print(sys.version_info >= (3, 7))"
    return [
        python
        for python in (PLAIN if python == sys.executable else python for python in interpreters())
        if subprocess.run([python, "-S", "-c", code], capture_output=True, check=False).stdout.startswith(
            b"True"
        )
    ]


@pytest.mark.parametrize("python", pythons())
def test_every_python_logs_to_the_run_of_bis(python: str, tracked: Tracked) -> None:
    run_id = tracked.new_run()
    out, said = tracked.script(EVERYTHING, python=python, run_id=run_id)
    run = tracked.run(run_id)
    here, child, file = json.loads(out)
    assert said == ""
    assert (here, run["metrics"]["m"]) == (run_id, 1499)
    assert tracked.run(child)["tags"]["mlflow.parentRunId"] == run_id
    assert json.loads(tracked.artifact(run, "t.json"))["data"] == [[1, None], [2, None], [None, 3]]
    assert file.endswith("bis_light.py")
    assert run["info"]["status"] == "RUNNING"  # bis ends it


def test_the_first_run_that_a_script_begins_is_the_run_of_bis(tracked: Tracked) -> None:
    run_id = tracked.new_run()
    out, _ = tracked.script(
        """
        import bis, subprocess, sys
        with bis.start_run(run_name="mine") as first:
            code = "import bis\\nwith bis.start_run() as run: print(run.info.run_id)"
            below = subprocess.check_output([sys.executable, "-c", code]).decode().strip()
        with bis.start_run() as second:
            pass
        print(first.info.run_id, second.info.run_id, below)
        """,
        run_id=run_id,
    )
    first, second, below = out.split()
    run = tracked.run(run_id)
    assert (first, run["info"]["status"], run["info"]["run_name"]) == (run_id, "FINISHED", "mine")
    assert [tracked.run(one)["tags"]["mlflow.parentRunId"] for one in (second, below)] == [run_id, run_id]


def test_logging_before_the_run_is_begun_is_to_the_same_run(tracked: Tracked) -> None:
    run_id = tracked.new_run()
    tracked.script(
        "import bis\nbis.log_metric('m', 1)\nwith bis.start_run():\n    bis.log_metric('m', 2)", run_id=run_id
    )
    assert tracked.history(run_id, "m") == [1, 2]
    assert len(tracked.runs()) == 1


def test_set_experiment_moves_the_run(tracked: Tracked) -> None:
    run_id = tracked.new_run()
    out, said = tracked.script(
        "import bis\nprint(bis.set_experiment('iris').experiment_id)\nbis.log_metric('m', 1)", run_id=run_id
    )
    assert said == "bis: set_experiment('iris'): the run was moved to that experiment"
    assert tracked.run(run_id)["info"]["experiment_id"] == out
    assert tracked.run(run_id)["metrics"] == {"m": 1}


def test_another_tracking_uri_is_said_to_have_no_effect(tracked: Tracked) -> None:
    run_id = tracked.new_run()
    _, said = tracked.script(
        "import bis\nbis.set_tracking_uri('http://user:secret@else.where')\nbis.log_metric('m', 1)",
        run_id=run_id,
    )
    assert said == "bis: set_tracking_uri('http://else.where') has no effect here; the run stays in bis"
    assert tracked.run(run_id)["metrics"] == {"m": 1}


def test_a_module_of_the_projects_own_goes_before(tracked: Tracked) -> None:
    (tracked.directory / "bis.py").write_text("mine = True")
    assert tracked.script("import bis\nprint(bis.mine)", run_id=tracked.new_run())[0] == "True"


def test_without_a_run_of_bis_nothing_is_found(tracked: Tracked) -> None:
    _, said = tracked.script("import bis", run_id="", status=1, BIS_RUN_ID="")
    assert "No module named 'bis'" in said


def test_what_is_not_there_is_said(tracked: Tracked) -> None:
    _, said = tracked.script("import bis\nbis.nothing", run_id=tracked.new_run(), status=1)
    assert "module 'bis' has no attribute 'nothing' in a script that bis runs; it has " in said
    _, said = tracked.script("import bis.tracking", run_id=tracked.new_run(), status=1)
    assert "No module named 'bis.tracking'" in said


def test_a_script_that_does_not_import_bis_imports_nothing_of_it(tracked: Tracked) -> None:
    names = "sorted(name for name in sys.modules if name.split('.')[0] in ('bis', 'bis_light'))"
    assert tracked.script(f"import sys\nprint({names})", run_id=tracked.new_run())[0] == "[]"


def test_the_random_numbers_of_a_script_are_its_own(tracked: Tracked) -> None:
    code = "import random\nrandom.seed(1)\n{}\nprint(random.random())"
    logged = "import bis\n[bis.log_metric('m', i) for i in range(10)]\nbis.flush()"
    first = tracked.script(code.format(""), run_id=tracked.new_run())
    assert tracked.script(code.format(logged), run_id=tracked.new_run()) == first


PROJECT = {
    "MLproject": "name: p\nentry_points:\n  main: {command: 'python train.py'}\n",
    "train.py": "import bis, time\nbis.log_metric('m', 1)\ntime.sleep(0.5)\n",
}


@pytest.mark.parametrize("words", [("--system-metrics",), ("--system-metrics-interval", "0.2")])
def test_bis_run_gives_a_script_what_it_imports(bis: Bis, tmp_path: Path, words: tuple[str, ...]) -> None:
    for name, text in PROJECT.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "python_env.yaml").write_text(f"python: '{sys.version_info[0]}.{sys.version_info[1]}'\n")
    document = bis("run", ".", "--json", *words).json
    assert document["metrics"]["m"] == 1
    assert {"system/cpu_utilization_percentage", "system/disk_usage_megabytes"} <= set(document["metrics"])
    assert "bis/client" not in json.dumps(document)


NESTED = {
    "MLproject": "name: p\nentry_points:\n  main: {command: 'python main.py'}\n  step: {command: 'python step.py'}\n",
    "main.py": """
import bis
with bis.start_run(nested=True):
    pass
with bis.start_run(run_name="group") as group:
    step = bis.run(".", entry_point="step")
print(group.info.run_id, step.run_id, bis.get_run(step.run_id).data.tags["mlflow.parentRunId"])
""",
    "step.py": "import bis\nbis.log_metric('m', 1)\n",
}


def test_a_run_that_a_script_starts_is_nested_under_the_one_that_it_began(bis: Bis, tmp_path: Path) -> None:
    for name, text in NESTED.items():
        (tmp_path / name).write_text(text)
    done = bis("run", ".", "--quiet")
    assert done.status == 0, done.err
    group, step, parent = done.out.split()
    assert group == parent
    assert bis("show", step, "--json").json["metrics"] == {"m": 1}
