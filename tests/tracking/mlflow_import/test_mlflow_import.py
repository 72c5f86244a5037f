"""Importing from MLflow: what is copied, what is passed over and told, and what a second call does."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bis.errors import TrackingError
from bis.tracking import Metric, RunStatus, View
from bis.tracking.mlflow_import import Imported, ImportOptions, import_mlflow
from bis.tracking.mlflow_import.artifact_places import ArtifactPlaces
from bis.tracking.mlflow_import.destination import Destination
from old_mlflow_stores import (
    RUN,
    statements,
    write_database,
    write_experiment,
    write_meta,
    write_run,
    write_values,
)

if TYPE_CHECKING:
    from bis.home import Home
    from bis.tracking.mlflow_import.destination import KnownRun
    from bis.tracking.mlflow_import.source import SourceRun
    from bis.tracking.sql_store import SqlStore
    from postgres_server import PostgresServer


@pytest.fixture
def mlruns(tmp_path: Path) -> Path:
    """A directory with one run in the experiment iris."""
    place = tmp_path / "work" / "mlruns"
    write_experiment(place, "0", "Default")
    run = write_run(
        write_experiment(place, "1", "iris", lifecycle_stage="active", creation_time=5),
        metrics={"loss": "10 0.5 0\n20 0.25 1\n", "deep/er": "1 nan\n2 -inf 3\n"},
    )
    write_values(run / "params", {"depth": "3", "a/b": "x\r\ny"})
    write_values(run / "tags", {"mlflow.runName": "first", "note": ""})
    write_values(run / "artifacts", {"model/MLmodel": "x", "plot.png": "y" * 1000})
    return place


def told(imported: Imported) -> str:
    return "\n".join(f"{problem.where} {problem.what}" for problem in imported.problems)


def test_a_directory_of_any_age_is_read(local: SqlStore, mlruns: Path, tmp_path: Path) -> None:
    imported = import_mlflow(str(mlruns), local)
    run = local.run(RUN)
    assert imported.is_whole
    assert (run.info.name, run.info.status, run.info.start_time) == (
        "first",
        RunStatus.FINISHED,
        1_500_000_000_000,
    )
    assert run.params == {"depth": "3", "a/b": "x\r\ny"}
    assert run.tags["note"] == ""
    assert local.metric_history(RUN, "loss").items == (
        Metric("loss", 0.5, 10, 0),
        Metric("loss", 0.25, 20, 1),
    )
    first, second = local.metric_history(RUN, "deep/er").items
    assert (math.isnan(first.value), first.step, second.value, second.step) == (True, 0, -math.inf, 3)
    assert {metric.key: metric.step for metric in run.metrics} == {"loss": 1, "deep/er": 3}
    there = local.download_artifacts(RUN, "", tmp_path / "out")
    assert (there / "plot.png").read_text() == "y" * 1000
    experiment = local.experiment_named("iris")
    assert experiment is not None
    assert (experiment.creation_time, imported.experiments["1"]) == (5, experiment.experiment_id)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda run: (run / "meta.yaml").unlink(), "is missing"),
        (lambda run: (run / "meta.yaml").write_text("a: [b"), "cannot be read"),
        (lambda run: (run / "meta.yaml").write_bytes(b"\xff\xfe\x00"), "cannot be read"),
        (lambda run: (run / "meta.yaml").write_text("just words"), "has no fields"),
        (lambda run: (run / "meta.yaml").write_text("!!python/object:os.system {}"), "cannot be read"),
        (lambda run: write_meta(run, status=99), "does not describe a run"),
        (lambda run: write_meta(run, status=3, start_time="noon"), "does not describe a run"),
    ],
)
def test_a_run_that_cannot_be_read_is_told_by_its_file(
    local: SqlStore, mlruns: Path, spoil: object, what: str
) -> None:
    assert callable(spoil)
    spoil(write_run(mlruns / "1", "f" * 32))
    imported = import_mlflow(str(mlruns), local)
    assert what in told(imported)
    assert f"{'f' * 32}/meta.yaml" in told(imported)
    assert imported.copied.runs == 1


def test_a_line_that_is_no_point_is_told_and_the_others_are_kept(local: SqlStore, mlruns: Path) -> None:
    write_values(mlruns / "1" / RUN / "metrics", {"bad": f"1 2 3\nwords\n1\n1 2 {2**63}\n4 5 6"})
    imported = import_mlflow(str(mlruns), local)
    assert [problem.where.rpartition("/")[2] for problem in imported.problems] == ["bad:2", "bad:3", "bad:4"]
    assert local.metric_history(RUN, "bad").items == (Metric("bad", 2.0, 1, 3), Metric("bad", 5.0, 4, 6))


def test_an_experiment_without_a_name_does_not_stop_the_others(local: SqlStore, mlruns: Path) -> None:
    (mlruns / "2").mkdir()
    imported = import_mlflow(str(mlruns), local)
    assert "2/meta.yaml is missing" in told(imported)
    assert imported.copied.runs == 1


def test_points_that_stand_twice_are_kept_once_and_counted(local: SqlStore, mlruns: Path) -> None:
    write_values(mlruns / "1" / RUN / "metrics", {"twice": "1 2 3\n1 2 3\n"})
    imported = import_mlflow(str(mlruns), local)
    assert (imported.repeated_points, imported.is_whole) == (1, True)


def test_the_trash_holds_deleted_experiments(local: SqlStore, mlruns: Path) -> None:
    write_run(
        write_experiment(mlruns / ".trash", "3", "old"), "e" * 32, lifecycle_stage="deleted", deleted_time=9
    )
    import_mlflow(str(mlruns), local)
    experiment = local.experiment_named("old")
    assert experiment is not None
    assert experiment.lifecycle_stage == "deleted"
    found = local.search_runs([experiment.experiment_id], view=View.DELETED_ONLY)
    assert [run.info.run_id for run in found.items] == ["e" * 32]


def test_no_link_is_followed_out_of_the_directory(local: SqlStore, mlruns: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("SECRET")
    run = write_run(mlruns / "1", "d" * 32)
    (run / "params").symlink_to(secret)
    write_values(run / "tags", {"plain": "x"})
    (run / "tags" / "linked").symlink_to(secret / "key")
    write_values(run / "artifacts", {"plain": "x"})
    (run / "artifacts" / "linked").symlink_to(secret / "key")
    (mlruns / "linked").symlink_to(secret)
    imported = import_mlflow(str(mlruns), local)
    found = local.run("d" * 32)
    assert (found.params, "linked" in found.tags) == ({}, False)
    assert [file.path for file in local.list_artifacts("d" * 32)] == ["plain"]
    assert f"{mlruns}/linked is a link" in told(imported)
    assert [problem.where for problem in imported.unreachable] == [f"run {'d' * 32}: linked"]


@pytest.mark.parametrize(
    "uri", ["/etc", "file:///etc/ssh", f"/etc/{RUN}", f"/x/{'e' * 32}/artifacts", "s3://b/x", ""]
)
def test_an_address_that_is_not_of_the_run_is_not_read(uri: str) -> None:
    with pytest.raises(TrackingError, match=r"is no address of artifacts|has no address"):
        ArtifactPlaces(Path("/"), None).of(uri, RUN)


def test_artifacts_are_found_where_the_directory_was_moved_to(
    local: SqlStore, mlruns: Path, tmp_path: Path
) -> None:
    write_meta(mlruns / "1" / RUN, status=3, artifact_uri=f"file:///gone/mlruns/1/{RUN}/artifacts")
    moved = mlruns.rename(tmp_path / "moved")
    imported = import_mlflow(str(moved), local)
    assert (imported.unreachable, imported.copied.artifacts) == ([], 2)


def test_artifacts_that_cannot_be_reached_are_listed_and_come_later(local: SqlStore, tmp_path: Path) -> None:
    write_database(tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert [problem.where for problem in import_mlflow(uri, local).unreachable] == [f"run {RUN}"]
    write_values(tmp_path / "mlruns" / "7" / RUN / "artifacts", {"a": "x"})
    again = import_mlflow(uri, local)
    assert (again.unreachable, again.copied.artifacts, again.unchanged_runs) == ([], 1, 1)


def test_a_second_import_copies_only_what_is_new_or_changed(local: SqlStore, mlruns: Path) -> None:
    going = write_run(mlruns / "1", "c" * 32, metrics={"m": "1 1 1\n"}, status=1, end_time=None)
    write_values(going / "artifacts", {"log": "one"})
    assert import_mlflow(str(mlruns), local).copied.runs == 2
    nothing = import_mlflow(str(mlruns), local)
    assert (nothing.copied.runs, nothing.copied.artifacts, nothing.unchanged_runs) == (0, 0, 2)
    write_meta(going, status=3, start_time=1, end_time=7, artifact_uri=f"./mlruns/1/{'c' * 32}/artifacts")
    write_values(going / "metrics", {"m": "1 1 1\n2 2 2\n"})
    write_values(going / "artifacts", {"log": "two"})
    os.utime(going / "artifacts" / "log", (2_000_000_000, 2_000_000_000))
    again = import_mlflow(str(mlruns), local)
    assert (again.copied.runs, again.copied.artifacts, again.unchanged_runs, again.is_whole) == (
        1,
        1,
        1,
        True,
    )
    run = local.run("c" * 32)
    assert (run.info.status, run.info.end_time, run.metrics[0].value) == (RunStatus.FINISHED, 7, 2.0)


def test_a_run_is_not_seen_before_it_is_whole(
    local: SqlStore, mlruns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Destination, "finish_run", killed)
        with pytest.raises(KeyboardInterrupt):
            import_mlflow(str(mlruns), local)
    assert local.search_runs().items == ()
    assert local.recent_runs() == []
    assert local.run(RUN).tags["bis.import.unfinished"] == "true"
    assert import_mlflow(str(mlruns), local).is_whole
    run = local.run(RUN)
    assert (run.info.lifecycle_stage, "bis.import.unfinished" in run.tags) == ("active", False)
    assert len(local.metric_history(RUN, "loss").items) == 2


def test_a_run_of_the_stores_own_stays_as_it_is(local: SqlStore, mlruns: Path) -> None:
    local.create_run("0", run_id=RUN, name="mine")
    imported = import_mlflow(str(mlruns), local)
    assert "did not come from MLflow" in told(imported)
    assert (local.run(RUN).info.name, imported.is_whole) == ("mine", False)


def test_experiments_of_one_name_are_merged_unless_a_prefix_keeps_them_apart(
    local: SqlStore, mlruns: Path
) -> None:
    local.create_experiment("iris")
    import_mlflow(str(mlruns), local, ImportOptions(prefix="old/"))
    assert sorted(item.name for item in local.search_experiments().items) == [
        "Default",
        "iris",
        "old/Default",
        "old/iris",
    ]
    assert local.experiment(local.run(RUN).info.experiment_id).name == "old/iris"


def test_a_dry_run_writes_nothing_and_counts(local: SqlStore, mlruns: Path) -> None:
    imported = import_mlflow(str(mlruns), local, ImportOptions(dry_run=True))
    assert (imported.copied.runs, imported.copied.params, imported.copied.experiments) == (1, 2, 1)
    assert local.experiment_named("iris") is None
    assert local.search_runs(view=View.ALL).items == ()


def test_one_experiment_is_taken_by_name(local: SqlStore, mlruns: Path) -> None:
    write_run(write_experiment(mlruns, "2", "other"), "b" * 32)
    assert import_mlflow(str(mlruns), local, ImportOptions(experiments=("other",))).copied.runs == 1
    assert [run.info.run_id for run in local.search_runs().items] == ["b" * 32]
    with pytest.raises(TrackingError, match="no experiment 'third'"):
        import_mlflow(str(mlruns), local, ImportOptions(experiments=("third",)))


def test_artifacts_can_be_left_out(local: SqlStore, mlruns: Path) -> None:
    assert import_mlflow(str(mlruns), local, ImportOptions(with_artifacts=False)).copied.artifacts == 0
    assert local.list_artifacts(RUN) == []


def test_a_database_of_the_first_schema_is_read_and_not_changed(local: SqlStore, tmp_path: Path) -> None:
    file = tmp_path / "mlflow.db"
    write_database(file)
    before = file.read_bytes()
    imported = import_mlflow(f"sqlite:///{file}", local)
    assert (file.read_bytes(), sorted(path.name for path in tmp_path.glob("mlflow*"))) == (
        before,
        ["mlflow.db"],
    )
    assert_first_schema(imported, local)


def test_a_database_on_a_disk_that_cannot_be_written_is_read(local: SqlStore, tmp_path: Path) -> None:
    place = tmp_path / "locked"
    place.mkdir()
    write_database(place / "mlflow.db")
    place.chmod(0o555)
    try:
        assert import_mlflow(f"sqlite:///{place}/mlflow.db", local).copied.runs == 1
    finally:
        place.chmod(0o755)


def test_a_database_in_postgresql_is_read(local: SqlStore, postgres: PostgresServer) -> None:
    import psycopg

    postgres.execute("CREATE DATABASE mlflow_source")
    uri = postgres.uri("mlflow_source")
    try:
        with psycopg.connect(uri) as connection:
            for sql, rows in statements("%s"):
                if rows:
                    connection.cursor().executemany(sql.encode(), rows)
                else:
                    connection.execute(sql.encode())
        imported = import_mlflow(uri, local, ImportOptions(with_artifacts=False))
    finally:
        postgres.execute("DROP DATABASE mlflow_source WITH (FORCE)")
    assert_first_schema(imported, local)


def assert_first_schema(imported: Imported, store: SqlStore) -> None:
    run = store.run(RUN)
    assert imported.is_whole
    assert (run.params, run.tags["note"]) == ({"depth": "3", "none": ""}, "two\nlines ü")
    assert store.metric_history(RUN, "loss").items == (
        Metric("loss", 0.5, 10, 0),
        Metric("loss", 0.25, 20, 1),
    )
    first, second = store.metric_history(RUN, "odd").items
    assert (math.isnan(first.value), first.step, second.value) == (True, -5, 1.7976931348623157e308)
    experiment = store.experiment_named("iris")
    assert experiment is not None
    assert experiment.lifecycle_stage == "deleted"


def test_a_server_of_bis_is_read(
    local: SqlStore, mlruns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bis.server.loopback import LoopbackServer
    from bis.tracking.sql_store import open_sql_store

    first = open_sql_store(tmp_path / "first.db", tmp_path / "first")
    import_mlflow(str(mlruns), first)
    first.close()
    with LoopbackServer(tmp_path / "first.db", tmp_path / "first") as server:
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", server.token)
        imported = import_mlflow(server.url, local)
    assert (imported.is_whole, imported.copied.points, imported.copied.artifacts) == (True, 4, 2)
    assert imported.unreachable == []


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("nowhere", "there is no directory"),
        ("sqlite:///nowhere.db", "there is no file"),
        ("mysql+pymysql://ada:secret@db/mlflow", "does not read databases of mysql"),
        ("postgresql://ada:secret@127.0.0.1:1/mlflow", "cannot be opened"),
        ("http://ada:secret@127.0.0.1:1", "does not answer"),
    ],
)
def test_a_source_that_cannot_be_read_is_told_without_its_password(
    local: SqlStore, source: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TrackingError, match=what) as caught:
        import_mlflow(source, local)
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_what_is_no_store_of_mlflow_is_told(local: SqlStore, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    (tmp_path / "text.db").write_text("no database at all, and longer than a page header of SQLite is")
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    for place, what in (
        ("text.db", "cannot be read"),
        ("other.db", "is no database of MLflow"),
        ("", "is no mlruns"),
    ):
        address = str(tmp_path) if not place else f"sqlite:///{tmp_path}/{place}"
        with pytest.raises(TrackingError, match=what):
            import_mlflow(address, local)


def write_version(mlruns: Path, number: int, **fields: object) -> None:
    known: dict[str, object] = {
        "source": f"/gone/mlruns/1/{RUN}/artifacts/model",
        "run_id": RUN,
        "current_stage": "None",
        "creation_timestamp": 10 + number,
        "last_updated_timestamp": 10 + number,
    }
    write_meta(mlruns / "models" / "flowers" / f"version-{number}", **{**known, **fields})


def test_versions_of_models_keep_their_numbers_and_name_their_files_here(
    local: SqlStore, mlruns: Path
) -> None:
    write_meta(mlruns / "models" / "flowers", name="flowers", description="all", creation_timestamp=1)
    write_values(mlruns / "models" / "flowers", {"aliases/champion": "4", "tags/kind": "tree"})
    write_version(mlruns, 2, current_stage="Production")
    write_version(mlruns, 3, current_stage="Deleted_Internal")
    write_version(mlruns, 4)
    imported = import_mlflow(str(mlruns), local)
    assert (imported.copied.registered_models, imported.copied.model_versions) == (1, 2)
    second = local.model_version("flowers", 2)
    assert (second.stage, second.source) == ("Production", f"{local.run(RUN).info.artifact_uri}/model")
    assert local.version_by_alias("flowers", "champion").version == 4
    assert local.create_model_version("flowers", "x").version == 5
    write_version(mlruns, 2, current_stage="Archived", last_updated_timestamp=99)
    again = import_mlflow(str(mlruns), local)
    assert (again.copied.model_versions, local.model_version("flowers", 2).stage) == (1, "Archived")
    local.transition_model_version("flowers", 2, "Staging")
    import_mlflow(str(mlruns), local)
    assert local.model_version("flowers", 2).stage == "Staging"  # what was changed here last stays


def test_a_version_that_is_another_one_stays_as_it_is(local: SqlStore, mlruns: Path) -> None:
    local.create_registered_model("flowers")
    local.create_model_version("flowers", "mine")
    write_meta(mlruns / "models" / "flowers", name="flowers")
    write_version(mlruns, 1)
    imported = import_mlflow(str(mlruns), local)
    assert "version 1 of flowers is in the store already, and is another one" in told(imported)
    assert local.model_version("flowers", 1).source == "mine"
    import_mlflow(str(mlruns), local, ImportOptions(prefix="old-"))
    assert local.model_version("old-flowers", 1).run_id == RUN


def test_files_of_a_version_that_are_not_here_are_told(local: SqlStore, mlruns: Path) -> None:
    write_meta(mlruns / "models" / "flowers", name="flowers")
    write_version(mlruns, 1, source="s3://bucket/elsewhere", run_id=None)
    imported = import_mlflow(str(mlruns), local)
    assert [(problem.where, problem.what) for problem in imported.unreachable] == [
        ("version 1 of flowers", "its files are at s3://bucket/elsewhere, as before")
    ]


def test_the_number_of_a_key_is_forgotten_when_its_points_are_undone(local: SqlStore, mlruns: Path) -> None:
    import_mlflow(str(mlruns), local)
    destination = Destination(local)
    run = destination.known_run(RUN)
    assert run
    with pytest.raises(TrackingError):
        destination.add_points(run, [("new", 0, 1, None, 0)], {"new"})  # type: ignore[list-item]
    local.log_batch(RUN, [Metric("another", 2.0, 1, 0)])
    destination.add_points(run, [("new", 0, 1, 0.5, 0)], {"new"})
    assert local.metric_history(RUN, "another").items == (Metric("another", 2.0, 1, 0),)
    assert local.metric_history(RUN, "new").items == (Metric("new", 0.5, 1, 0),)


def test_two_imports_at_once_do_not_disturb_each_other(
    local: SqlStore, address: str | Path, home: Home, mlruns: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bis.tracking.sql_store import open_sql_store

    begin, other = Destination.begin_run, open_sql_store(address, home.artifacts)

    def begun_by_another(self: Destination, found: SourceRun, experiment_id: str) -> KnownRun:
        monkeypatch.undo()
        import_mlflow(str(mlruns), other)
        return begin(self, found, experiment_id)

    monkeypatch.setattr(Destination, "begin_run", begun_by_another)
    imported = import_mlflow(str(mlruns), local)
    other.close()
    assert "another import has begun to copy it" in told(imported)
    assert local.run(RUN).info.lifecycle_stage == "active"
    assert import_mlflow(str(mlruns), local).is_whole
