"""Which paths are files of a snapshot, from loose objects and from packed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis import sources
from bis.sources import git

if TYPE_CHECKING:
    from pathlib import Path

    from bis.home import Home


@pytest.mark.parametrize("packed", [False, True])
def test_files_of_the_tree_are_told_from_others(tmp_path: Path, home: Home, packed: bool) -> None:
    project = tmp_path / "project"
    (project / "data" / "café").mkdir(parents=True)
    (project / "main.py").write_text("1")
    (project / "data" / "café" / "a b.csv").write_text("2")
    source = sources.fetch(str(project), None, home=home, notify=lambda _: None)
    assert source.tree is not None
    if packed:
        store = home.snapshots / "store.git"
        pack = git.run(
            "--git-dir", store, "pack-objects", "--revs", "--all", store / "objects" / "pack" / "pack",
            stdin=f"{source.tree}\n".encode(),
        )  # fmt: skip
        assert pack.text
        git.run("--git-dir", store, "prune-packed")
    asked = ["main.py", "data/café/a b.csv", "data", "data/café", "data/none.csv", "main.py/x", "a\nb"]
    assert sources.in_tree(source.tree, asked, home) == {"main.py", "data/café/a b.csv"}
    assert sources.in_tree(source.tree, [], home) == frozenset()


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        ("conf/.env", True),
        ("id_rsa", True),
        ("KEYS/server.PEM", True),
        (".env.example", False),
        ("a.csv", False),
    ],
)
def test_secrets_are_known_by_their_names(path: str, secret: bool) -> None:
    assert sources.is_secret(path) is secret


@pytest.mark.parametrize(
    ("path", "generated"),
    [("mlruns/0/meta.yaml", True), ("a/__pycache__/b.pyc", True), ("mlflow.db", True), ("runs/a.csv", False)],
)
def test_generated_files_are_known_by_their_names(path: str, generated: bool) -> None:
    assert sources.is_generated(path) is generated
