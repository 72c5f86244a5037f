"""``bis gc``: what runs refer to stays."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from bis.tracking.sql_store import open_sql_store
from bis_command import Bis, write_project

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = "entry_points:\n  main:\n    command: cat text\n"


def test_snapshots_of_runs_stay_and_others_go(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", MLPROJECT, {"text": "kept"})
    bis.run_json(project, "--env-manager", "local")
    (project / "text").write_text("never run")
    assert bis("run", project, "--env-manager", "local", "--dry-run").status == 0
    shutil.rmtree(project)
    _age(bis.home / "snapshots")
    would = bis("gc", "--dry-run", "--json").json
    assert (would["kept"], would["deleted"], would["dry_run"]) == (1, 2, True)
    result = bis("gc")
    assert result.out.startswith("Deleted 2 objects")
    assert bis("gc", "--json").json["deleted"] == 0
    assert bis("export", "latest", tmp_path / "run.zip").status == 0


def test_a_home_without_runs_has_nothing_to_delete(bis: Bis) -> None:
    assert bis("gc", "--json").json == {
        "kept": 0,
        "deleted": 0,
        "freed_bytes": 0,
        "missing": [],
        "unfinished_uploads": 0,
        "dry_run": False,
    }


def test_a_run_whose_snapshot_is_gone_is_said(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", MLPROJECT, {"text": "kept"})
    bis.run_json(project, "--env-manager", "local")
    shutil.rmtree(bis.home / "snapshots")
    result = bis("gc")
    assert result.status == 0
    assert "is not here, or not whole" in result.err


def test_runs_that_were_deleted_are_removed_for_good_when_it_is_said(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", MLPROJECT, {"text": "kept"})
    run_id = bis.run_json(project, "--env-manager", "local")["run_id"]
    assert bis("runs", "delete", run_id).status == 0
    assert "removed" not in bis("gc", "--json").json
    assert bis("gc", "--older-than", "1", "--json").json["removed"]["runs"] == 0
    assert bis("gc", "--older-than", "0", "--dry-run").out.startswith("Would remove 1 deleted run")
    result = bis("gc", "--older-than", "0")
    assert result.out.startswith("Removed 1 run, 0 models and 0 experiments for good")
    assert bis("show", run_id).status != 0
    assert list((bis.home / "artifacts").glob("*/*")) == []


def test_runs_of_another_store_are_removed_there(bis: Bis, tmp_path: Path) -> None:
    store = open_sql_store(tmp_path / "team.db", tmp_path / "artifacts")
    store.delete_run(store.create_run("0").info.run_id)
    where = ("--store", f"sqlite:///{tmp_path}/team.db")
    assert "--older-than 30" in bis("gc", *where).err
    assert "there is no store at" in bis("gc", "--store", "typo.db", "--older-than", "0").err
    found = bis("gc", *where, "--older-than", "0", "--json").json
    assert (found["removed"]["runs"], "kept" in found) == (1, False)
    store.close()


def test_parts_of_uploads_that_a_killed_server_left_go_after_a_day(bis: Bis) -> None:
    directory = bis.home / "artifacts" / "0"
    directory.mkdir(parents=True)
    for name in (".old.bis-part", ".new.bis-part", "whole.bis-part", "whole"):
        (directory / name).write_text("x")
    _age(directory)
    (directory / ".new.bis-part").touch()
    assert bis("gc", "--dry-run", "--json").json["unfinished_uploads"] == 1
    assert "Deleted 1 part of uploads that were broken off" in bis("gc").out
    assert sorted(file.name for file in directory.iterdir()) == [".new.bis-part", "whole", "whole.bis-part"]


def test_days_are_a_number(bis: Bis) -> None:
    for text in ("x", "nan", "-1"):
        assert "is not a number of days" in bis("gc", f"--older-than={text}").err


def _age(directory: Path) -> None:
    moment = time.time() - 30 * 24 * 3600
    for path in directory.rglob("*"):
        os.utime(path, (moment, moment), follow_symlinks=False)
