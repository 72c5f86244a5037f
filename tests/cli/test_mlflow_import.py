"""``bis import mlflow`` and ``bis artifacts`` as a user calls them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from bis.tracking import View
from bis.tracking.sql_store import open_sql_store
from bis_command import Bis
from old_mlflow_stores import RUN, write_experiment, write_run, write_values

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bis(tmp_path: Path) -> Bis:
    return Bis(tmp_path / "home", tmp_path)


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    place = tmp_path / "mlruns"
    run = write_run(
        write_experiment(place, "1", "iris"), metrics={"loss": "10 0.5 0\n20 0.25 1\n"}, run_name="first"
    )
    write_values(run / "params", {"depth": "3"})
    write_values(run / "artifacts", {"model/MLmodel": "x" * 10, "plot.png": "y" * 1000})
    return place


def test_a_directory_is_imported_once(bis: Bis, mlruns: Path) -> None:
    first = bis("import", "mlflow", "mlruns")
    assert (first.status, first.err) == (0, "")
    assert "All runs of the source are here." in first.out
    assert bis("show", RUN[:6], "--json").json["metrics"]["loss"] is not None
    again = bis("import", "mlflow", str(mlruns), "--json")
    assert (again.status, again.json["unchanged_runs"], again.json["copied"]["runs"]) == (0, 1, 0)
    assert again.json["is_whole"] is True


def test_what_would_be_copied_is_said_beforehand(bis: Bis, mlruns: Path) -> None:
    result = bis("import", "mlflow", str(mlruns), "--dry-run")
    assert (result.status, "TO COPY" in result.out) == (0, True)
    assert bis("list", "--json").json == []


def test_what_was_passed_over_is_named(bis: Bis, mlruns: Path) -> None:
    (mlruns / "1" / ("f" * 32)).mkdir()
    result = bis("import", "mlflow", str(mlruns))
    assert f"{'f' * 32}/meta.yaml: is missing" in result.err
    assert result.status == 0


def test_another_store_takes_it(bis: Bis, mlruns: Path, tmp_path: Path) -> None:
    result = bis("import", "mlflow", str(mlruns), "--store", f"sqlite:///{tmp_path}/team/tracking.db")
    assert result.status == 0
    assert bis("list", "--json").json == []
    store = open_sql_store(tmp_path / "team" / "tracking.db", tmp_path / "team" / "artifacts")
    assert [file.path for file in store.list_artifacts(RUN)] == ["model", "plot.png"]
    store.close()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("import", "mlflow"), "needs a SOURCE"),
        (("import", "mlflow", "nowhere"), "there is no directory"),
        (("import", "run.zip", "--prefix", "x"), "is taken for a capsule"),
        (("import", "run.zip", "mlruns"), "is taken for a capsule"),
        (("import", "."), "To import from MLflow: bis import mlflow"),
        (("import", "postgresql://ada:secret@db/x"), "To import from MLflow: bis import mlflow"),
        (("import", "mlflow", "mysql://ada:secret@db/x"), "does not read databases of mysql"),
        (("import", "mlflow", "mlruns", "--experiment", "nosuch"), "no experiment 'nosuch'"),
    ],
)
def test_a_wrong_call_is_told(bis: Bis, mlruns: Path, words: tuple[str, ...], what: str) -> None:
    result = bis(*words)
    assert result.status == 2
    assert what in result.err
    assert "secret" not in result.err
    assert "Traceback" not in result.err


def test_a_killed_import_shows_no_half_run_and_goes_on(bis: Bis, mlruns: Path) -> None:
    points = "".join(f"{step} 0.5 {step}\n" for step in range(400_000))
    write_run(mlruns / "1", "e" * 32, metrics={"m": points})
    process = subprocess.Popen(
        [sys.executable, "-m", "bis", "import", "mlflow", str(mlruns)],
        env=bis.environ(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    database = bis.home / "tracking.db"
    end = time.monotonic() + 30
    while _points(database) == 0 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    whole = {RUN: 2, "e" * 32: 400_000}
    store = open_sql_store(database, bis.home / "artifacts")
    for run in store.search_runs(view=View.ACTIVE_ONLY).items:
        history = store.metric_history(run.info.run_id, run.metrics[0].key)
        assert len(history.items) == whole[run.info.run_id]
    store.close()
    assert bis("import", "mlflow", str(mlruns)).status == 0
    store = open_sql_store(database, bis.home / "artifacts")
    assert len(store.metric_history("e" * 32, "m").items) == 400_000
    assert {run.info.run_id for run in store.search_runs().items} == set(whole)
    store.close()


def _points(database: Path) -> int:
    import sqlite3
    from contextlib import closing

    if not database.exists():
        return 0
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT COUNT(*) FROM points").fetchone()[0])
    except sqlite3.Error:
        return 0


def test_files_of_a_run_are_listed_downloaded_and_uploaded(bis: Bis, mlruns: Path, tmp_path: Path) -> None:
    bis("import", "mlflow", str(mlruns))
    assert bis("artifacts", "list", RUN, "--json").json == [
        {"path": "model/MLmodel", "size_bytes": 10},
        {"path": "plot.png", "size_bytes": 1000},
    ]
    assert "1 kB  plot.png" in bis("artifacts", "list", RUN[:5]).out
    assert bis("artifacts", "list", RUN, "model", "--json").json == [
        {"path": "model/MLmodel", "size_bytes": 10}
    ]
    down = bis("artifacts", "download", RUN, "model", "--to", "here", "--json")
    assert down.json["files"] == [
        {"path": "model/MLmodel", "file": "here/model/MLmodel", "size_bytes": 10},
    ]
    assert (tmp_path / "here" / "model" / "MLmodel").read_text() == "x" * 10
    again = bis("artifacts", "download", RUN, "--to", "here")
    assert (again.status, "is there already" in again.err) == (2, True)
    assert bis("artifacts", "download", RUN, "--to", "here", "--force").status == 0
    write_values(tmp_path / "plots", {"a.txt": "one", "deep/b.txt": "three"})
    up = bis("artifacts", "upload", RUN, "plots", "figures", "--json")
    assert up.json == {"run_id": RUN, "path": "figures", "files": 2, "size_bytes": 8}
    assert bis("artifacts", "list", RUN, "figures/deep/b.txt", "--json").json == [
        {"path": "figures/deep/b.txt", "size_bytes": 5}
    ]


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("list", RUN, "nosuch"), "has no artifact 'nosuch'"),
        (("download", RUN, "../../x"), "Invalid path"),
        (("download", RUN, "nosuch"), "has no artifact 'nosuch'"),
        (("upload", RUN, "nosuch"), "no such file or directory"),
        (("upload", RUN, "mlruns", "../x"), "Invalid path"),
        (("list", "nosuchrun"), "there is no run"),
    ],
)
def test_a_file_that_cannot_be_had_is_told(bis: Bis, mlruns: Path, words: tuple[str, ...], what: str) -> None:
    bis("import", "mlflow", str(mlruns))
    result = bis("artifacts", *words)
    assert result.status == 2
    assert what in result.err
    assert "Traceback" not in result.err


def test_files_on_a_server_are_reached_the_same_way(bis: Bis, mlruns: Path, tmp_path: Path) -> None:
    from bis.server.loopback import LoopbackServer

    bis("import", "mlflow", str(mlruns))
    with LoopbackServer(bis.home / "tracking.db", bis.home / "artifacts") as server:
        bis.variables.update(MLFLOW_TRACKING_URI=server.url, MLFLOW_TRACKING_TOKEN=server.token)
        assert len(bis("artifacts", "list", RUN, "--json").json) == 2
        assert bis("artifacts", "download", RUN, "plot.png", "--to", "got").status == 0
        assert bis("artifacts", "upload", RUN, str(tmp_path / "got" / "plot.png"), "again").status == 0
        assert bis("artifacts", "list", RUN, "again", "--json").json == [
            {"path": "again/plot.png", "size_bytes": 1000}
        ]
