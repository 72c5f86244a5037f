"""MLflow's own servers, old and new, logged to by the client alone."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from client.conftest import PLAIN, Tracked
from mlflow_clients import LATEST, running_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

CODE = """
import bis, json, math
experiment = bis.set_experiment("iris")
assert bis.set_experiment("iris") == experiment
with bis.start_run(run_name="first", tags={"a": 1}, description="why") as run:
    bis.log_params({"p%d" % n: n for n in range(150)})
    for i in range(2500):
        bis.log_metric("m", i / 2, step=i)
    bis.log_metrics({"nan": math.nan, "low": -math.inf})
    bis.set_tag("t", "x")
    bis.delete_tag("t")
    bis.log_text("hi", "a b/ü.txt")
    bis.log_text("", "empty")
    bis.log_table({"a": [1]}, "t.json")
    bis.log_table({"a": [2]}, "t.json")
    with bis.start_run(nested=True):
        bis.log_metric("child", 1)
    try:
        bis.log_param("p1", "other")
    except bis.RefusedError as error:
        print(error.error_code)
history = bis.get_metric_history(run.info.run_id, "m")
assert [one.value for one in history] == [i / 2 for i in range(2500)]
told = bis.last_active_run()
found = bis.search_runs(filter_string="metrics.m > 5", output_format="list")
assert [one.info.run_id for one in found] == [run.info.run_id]
first = bis.get_run(run.info.run_id)
assert math.isnan(first.data.metrics["nan"]) and first.data.metrics["low"] < -1e300
assert (first.info.status, len(first.data.params)) == ("FINISHED", 150)
print(json.dumps(run.info.artifact_uri))
"""


@pytest.mark.parametrize("version", ["1.30.1", "2.17.2", LATEST])
def test_mlflows_server_takes_what_the_client_logs(version: str, tmp_path: Path) -> None:
    with running_server(version, tmp_path) as url:
        out, said = Tracked(url, "any", tmp_path).script(CODE)
    code, uri = out.splitlines()
    assert (code, said) == ("INVALID_PARAMETER_VALUE", "")
    kept = tmp_path / "artifacts" / json.loads(uri).removeprefix("mlflow-artifacts:/")
    assert (kept / "a b" / "ü.txt").read_text() == "hi"
    assert (kept / "empty").read_bytes() == b""
    assert json.loads((kept / "t.json").read_text()) == {"columns": ["a"], "data": [[1], [2]]}


def test_a_run_of_bis_on_mlflows_server_stays_in_its_experiment(tmp_path: Path) -> None:
    with running_server(LATEST, tmp_path) as url:
        tracked = Tracked(url, "any", tmp_path)
        run_id = tracked.new_run()
        code = "import bis\nbis.set_experiment('iris')\nbis.log_metric('m', 1)"
        _, said = tracked.script(code, run_id=run_id)
        run = tracked.run(run_id)
    assert said.endswith("set_experiment('iris') has no effect here: this tracking server cannot move a run")
    assert (run["info"]["experiment_id"], run["metrics"]) == ("0", {"m": 1})


def test_the_client_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    tracked = Tracked("http://127.0.0.1:9", "any", tmp_path)
    code = "import bis, bis.client.pictures, bis.client.tables, bis.client.search, bis.client.system_metrics"
    subprocess.run(
        [PLAIN, "-S", "-c", code], env={**os.environ, "PYTHONPATH": str(tracked.beside())}, check=True
    )
