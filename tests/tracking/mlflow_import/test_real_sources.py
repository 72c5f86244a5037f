"""Sources that MLflow itself has made, in every version: an MLflow client reads the same before and after."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bis.server.loopback import LoopbackServer
from bis.tracking.mlflow_import import Imported, ImportOptions, import_mlflow
from bis.tracking.sql_store import SqlStore, open_sql_store
from mlflow_clients import CLIENTS, LATEST, client_python, running_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
VERSIONS = [version for version in CLIENTS if version[:4] in ("1.30", "2.17", "2.22") or version == LATEST]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    place = tmp_path / "home"
    place.mkdir()
    return place


@pytest.fixture
def store(home: Path) -> Iterator[SqlStore]:
    store = open_sql_store(home / "tracking.db", home / "artifacts")
    yield store
    store.close()


def run(version: str, script: str, uri: str, directory: Path, **variables: str) -> str:
    """What the script says under that version of MLflow."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    done = subprocess.run(
        [str(client_python(version)), "-W", "ignore", str(HERE / script)],
        env={
            **kept,
            **variables,
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_ALLOW_FILE_STORE": "true",
        },
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(version: str, uri: str, directory: Path, **variables: str) -> dict[str, Any]:
    """All that a client of that version reads there."""
    found: dict[str, Any] = json.loads(
        run(version, "read_all.py", uri, directory, **variables).splitlines()[-1]
    )
    return found


def read_imported(version: str, home: Path) -> dict[str, Any]:
    with LoopbackServer(home / "tracking.db", home / "artifacts") as server:
        return read(version, server.url, home, MLFLOW_TRACKING_TOKEN=server.token)


def expected(found: dict[str, Any], *, is_directory: bool) -> dict[str, Any]:
    """What the client read in the source, but for two things that it reads wrong, or that no store can keep."""
    for values in found["runs"].values():
        for key, points in values["history"].items():
            values["history"][key] = [
                [step, time, text.replace("-0.0", "0.0")] for step, time, text in points
            ]
        values["latest"] = {
            key: text.replace("-0.0", "0.0") for key, text in values["latest"].items()
        }  # SQLite has no -0
        if (
            is_directory and "accuracy" in values["latest"]
        ):  # MLflow's file store drops the step of a point on a dataset
            values["history"]["accuracy"] = [[6, 1_700_000_000_400, "0.5"], [7, 1_700_000_000_500, "0.75"]]
            values["latest"]["accuracy"] = "0.75"
    return found


def differences(first: Any, second: Any, place: str = "") -> list[tuple[str, Any, Any]]:
    """Where two documents differ."""
    if not isinstance(first, dict) or not isinstance(second, dict):
        return [] if first == second else [(place, first, second)]
    return [
        found
        for key in sorted({*first, *second})
        for found in differences(first.get(key, "absent"), second.get(key, "absent"), f"{place}/{key}")
    ]


def assert_whole(imported: Imported, found: dict[str, Any]) -> None:
    assert imported.is_whole
    assert (imported.problems, imported.unreachable, imported.mismatches) == ([], [], [])
    assert replace(imported.copied, experiments=3) == imported.found  # one is Default, which was there
    counts = imported.found
    assert counts.runs == len(found["runs"])
    assert counts.points == sum(len(p) for run in found["runs"].values() for p in run["history"].values())
    assert counts.logged_models == len(found["models"])
    assert counts.registered_models == len(found["registered"])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["directory", "database"])
def test_a_client_reads_what_it_read_in_the_source(
    version: str, kind: str, store: SqlStore, home: Path, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    uri = f"file://{source}/mlruns" if kind == "directory" else f"sqlite:///{source}/mlflow.db"
    run(version, "make_source.py", uri, source)
    before = _bytes(source)
    imported = import_mlflow(f"{source}/mlruns" if kind == "directory" else uri, store)
    assert _bytes(source) == before
    found = read(version, uri, source)
    assert_whole(imported, found)
    assert differences(expected(found, is_directory=kind == "directory"), read_imported(version, home)) == []
    again = import_mlflow(f"{source}/mlruns" if kind == "directory" else uri, store)
    assert (again.copied.runs, again.copied.artifacts, again.unchanged_runs) == (0, 0, len(found["runs"]))


def _bytes(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_is_read_over_http(version: str, store: SqlStore, home: Path, tmp_path: Path) -> None:
    place = tmp_path / "server"
    place.mkdir()
    with running_server(version, place) as url:
        run(version, "make_source.py", url, place)
        imported = import_mlflow(url, store)
        found = read(version, url, place)
    assert_whole(imported, found)
    assert differences(expected(found, is_directory=False), read_imported(version, home)) == []


def test_the_database_of_a_server_needs_to_be_told_where_its_artifacts_are(
    store: SqlStore, home: Path, tmp_path: Path
) -> None:
    place = tmp_path / "server"
    place.mkdir()
    with running_server("2.17.2", place) as url:
        run("2.17.2", "make_source.py", url, place)
        found = read("2.17.2", url, place)
    uri = f"sqlite:///{place}/mlflow.db"
    assert len(import_mlflow(uri, store).unreachable) == len(found["runs"])
    told = import_mlflow(uri, store, ImportOptions(artifacts=str(place / "artifacts")))
    assert (told.unreachable, told.copied.runs, told.unchanged_runs) == ([], 0, len(found["runs"]))
    assert differences(expected(found, is_directory=False), read_imported("2.17.2", home)) == []
