"""The database file: made once, opened as it is, migrated with a back-up, and its mishaps in words."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from bis.errors import TrackingError
from bis.tracking.database import MIGRATIONS, VERSION
from bis.tracking.database_sqlite import SqliteDatabase
from bis.tracking.refusals import RefusedError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_new_database_is_in_wal_mode_and_has_a_version(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "new" / "t.db")
    assert database.row("PRAGMA journal_mode") == ("wal",)
    assert database.row("PRAGMA user_version") == (VERSION,)
    assert database.row("SELECT name FROM experiments") == ("Default",)
    database.close()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["t.db", "t.db.lock"]


def test_every_migration_has_a_number_of_its_own() -> None:
    numbers = sorted(int(path.name[:4]) for path in MIGRATIONS.glob("*.sql"))
    assert len(set(numbers)) == len(numbers)
    assert (numbers[0], numbers[-1]) == (1, VERSION)


def test_names_of_directories_are_taken_literally(tmp_path: Path) -> None:
    file = tmp_path / "50% of #1? ü 'x'" / "t.db"
    SqliteDatabase(file).close()
    assert file.exists()
    SqliteDatabase(file).close()


def test_processes_that_come_first_at_once_make_it_once(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from bis.tracking.sql_store import open_sql_store\n"
        "store = open_sql_store(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "for _ in range(20): store.create_run('0')\n"
    )
    arguments = [sys.executable, "-c", script, str(tmp_path / "t.db"), str(tmp_path / "a")]
    started = [subprocess.Popen(arguments, stderr=subprocess.PIPE) for _ in range(4)]
    for process in started:
        assert process.communicate()[1] == b""
        assert process.returncode == 0
    database = SqliteDatabase(tmp_path / "t.db")
    assert database.row("SELECT count(*) FROM runs") == (80,)
    database.close()


@pytest.mark.parametrize(("value", "said"), [("caf\udce9", "not UTF-8 text"), (2**63, "more than 64 bits")])
def test_a_value_that_sqlite_cannot_hold_is_refused_in_words(
    tmp_path: Path, value: object, said: str
) -> None:
    database = SqliteDatabase(tmp_path / "t.db")
    with pytest.raises(RefusedError, match=said):
        database.row("SELECT ?", (value,))
    database.close()


def test_a_half_made_database_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "t.db.new").write_bytes(b"half")
    SqliteDatabase(tmp_path / "t.db").close()
    assert not (tmp_path / "t.db.new").exists()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path / "t.db").close()
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    with pytest.raises(TrackingError, match="newer bis") as caught:
        SqliteDatabase(tmp_path / "t.db")
    assert caught.value.hint is not None


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.execute("CREATE TABLE x (y)")
    connection.close()
    with pytest.raises(TrackingError, match="not one of bis"):
        SqliteDatabase(tmp_path / "t.db")


def test_a_database_of_mlflow_is_told_apart(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
    connection.close()
    with pytest.raises(TrackingError, match="a database of MLflow, not of bis") as caught:
        SqliteDatabase(tmp_path / "mlflow.db")
    assert f"bis import mlflow sqlite:///{tmp_path}/mlflow.db" in str(caught.value.hint)


def test_a_damaged_database_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "t.db").write_bytes(b"no database at all " * 500)
    with pytest.raises(TrackingError, match="damaged"):
        SqliteDatabase(tmp_path / "t.db")


def test_a_damaged_page_is_said_to_be_so(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    database = SqliteDatabase(file)
    page, size = database.row(
        "SELECT rootpage, page_size FROM sqlite_master, pragma_page_size WHERE name = 'runs'"
    )
    database.close()
    content = bytearray(file.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    file.write_bytes(content)
    database = SqliteDatabase(file)
    with pytest.raises(TrackingError, match="damaged"):
        database.rows("SELECT * FROM runs")
    database.close()


def test_a_directory_in_its_place_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "t.db").mkdir()
    with pytest.raises(TrackingError, match="is a directory") as caught:
        SqliteDatabase(tmp_path / "t.db")
    assert caught.value.hint == f"Name a file in it: {tmp_path}/t.db/tracking.db"


def test_a_file_in_place_of_its_folder_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrackingError, match=r"Not a directory|File exists") as caught:
        SqliteDatabase(tmp_path / "file" / "t.db")
    assert "--store" in str(caught.value.hint)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_database_is_said_to_be_so(tmp_path: Path) -> None:
    SqliteDatabase(tmp_path / "t.db").close()
    (tmp_path / "t.db").chmod(0o400)
    tmp_path.chmod(0o500)
    try:
        with (
            pytest.raises(TrackingError, match="cannot be"),
            SqliteDatabase(tmp_path / "t.db").writing() as connection,
        ):
            connection.execute("DELETE FROM tags")
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_said_so_and_leaves_what_was_there(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "t.db")
    pages = database.row("PRAGMA page_count")[0]
    database.row(f"PRAGMA max_page_count={pages + 1}")
    with pytest.raises(TrackingError, match="the disk is full"), database.writing() as connection:
        connection.executemany(
            "INSERT INTO metric_keys (key) VALUES (?)", [("x" * 500 + str(n),) for n in range(999)]
        )
    assert database.row("SELECT count(*) FROM metric_keys") == (0,)
    with database.writing() as connection:
        connection.execute("INSERT INTO metric_keys (key) VALUES ('x')")
    database.close()


def test_what_is_refused_in_the_middle_is_undone(tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "t.db")

    def write() -> None:
        with database.writing() as connection:
            connection.execute("INSERT INTO metric_keys (key) VALUES ('x')")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert database.row("SELECT count(*) FROM metric_keys") == (0,)
    database.close()


def _migrations(directory: Path, **scripts: str) -> Path:
    directory.mkdir()
    for name, script in scripts.items():
        (directory / f"{name[1:]}.sql").write_text(script)
    return directory


def test_an_older_database_is_brought_forward_and_kept_beside(tmp_path: Path) -> None:
    migrations = _migrations(
        tmp_path / "sql",
        _0001_initial="CREATE TABLE a (id $IDENTITY); -- a; comment\nINSERT INTO a VALUES (7);",
        _0002_more="ALTER TABLE a ADD COLUMN name TEXT;",
        _0003_last="UPDATE a SET name = 'x;y';",
    )
    file = tmp_path / "t.db"
    SqliteDatabase(file, migrations, 1).close()
    database = SqliteDatabase(file, migrations, 3)
    assert database.rows("SELECT id, name FROM a") == [(7, "x;y")]
    assert database.row("PRAGMA user_version") == (3,)
    database.close()
    backup = sqlite3.connect(tmp_path / "t.db.v1.bak")
    assert backup.execute("SELECT * FROM a").fetchall() == [(7,)]
    backup.close()


def test_a_migration_that_fails_leaves_the_older_version(tmp_path: Path) -> None:
    migrations = _migrations(
        tmp_path / "sql",
        _0001_initial="CREATE TABLE a (id $IDENTITY);",
        _0002_bad="CREATE TABLE b (id $IDENTITY); CREATE TABLE a (id $IDENTITY);",
    )
    file = tmp_path / "t.db"
    SqliteDatabase(file, migrations, 1).close()
    with pytest.raises(TrackingError, match="already exists"):
        SqliteDatabase(file, migrations, 2)
    database = SqliteDatabase(file, migrations, 1)
    assert database.rows("SELECT name FROM sqlite_master WHERE type = 'table'") == [("a",)]
    database.close()
