"""``bis gc``: what runs refer to stays."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

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
        "dry_run": False,
    }


def test_a_run_whose_snapshot_is_gone_is_said(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "p", MLPROJECT, {"text": "kept"})
    bis.run_json(project, "--env-manager", "local")
    shutil.rmtree(bis.home / "snapshots")
    result = bis("gc")
    assert result.status == 0
    assert "is not here, or not whole" in result.err


def _age(directory: Path) -> None:
    moment = time.time() - 30 * 24 * 3600
    for path in directory.rglob("*"):
        os.utime(path, (moment, moment), follow_symlinks=False)
