"""From reports to the files of the record: place, hash, what changed, what is left alone."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bis import sources
from bis.execution.watch.files import Files, FileUse, find_files
from bis.execution.watch.places import Places, is_secret
from bis.execution.watch.reports import read_reports
from bis.home import Home
from bis.liveness import REPORT_MARK


@dataclass
class Scene:
    """A project, a report directory and a home; ``begin`` is when the run starts."""

    directory: Path
    declared: dict[str, str] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = Home(self.directory / "home")
        self.project = self.directory / "project"
        self.report = self.directory / "report"
        self.project.mkdir()
        self.report.mkdir()

    def put(self, path: str, text: str = "x") -> Path:
        file = self.directory / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def begin(self) -> None:
        """Take the snapshot and start the clock of the run, later than all that was put so far."""
        self.source = sources.fetch(str(self.project), None, home=self.home, notify=lambda _: None)
        time.sleep(0.01)  # the clock of files stands still for up to 4 ms
        (self.report / REPORT_MARK).touch()
        time.sleep(0.01)

    def read(self, file: Path) -> None:
        status = file.stat()
        self.lines.append(
            {
                "kind": "read",
                "path": str(file),
                "size": status.st_size,
                "mtime_ns": status.st_mtime_ns,
                "ctime_ns": status.st_ctime_ns,
                "inode": status.st_ino,
            }
        )

    def wrote(self, file: Path) -> None:
        self.lines.append({"kind": "write", "path": str(file)})

    def files(self, **more: Any) -> Files:
        text = "".join(json.dumps(line) + "\n" for line in self.lines)
        (self.report / "1-a.jsonl").write_text(text)
        return find_files(
            read_reports(self.report),
            places=Places(
                root=self.source.root,
                own=self.home.root,
                environment=[self.directory / "venv"],
                declared=self.declared,
            ),
            directory=self.source.directory,
            declared=self.declared,
            tree=self.source.tree,
            home=self.home,
            **more,
        )

    def uses(self) -> dict[tuple[str, str], FileUse]:
        return {(use.path, use.access): use for use in self.files().uses}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_each_input_has_its_place_and_what_nothing_pins_its_hash(scene: Scene) -> None:
    scene.put("project/.gitignore", "ignored.csv\n")
    scene.declared = {"data": str(scene.put("inputs/d.csv", "declared"))}
    tree = scene.put("project/main.py", "tree")
    ignored = scene.put("project/.env.d/ignored", "ignored")
    undeclared = scene.put("elsewhere/u.csv", "undeclared")
    installed = scene.put("venv/lib/p.py")
    scene.begin()
    (scene.project / ".git").mkdir()
    for file in (tree, undeclared, installed, Path("/etc/passwd"), scene.directory / "inputs/d.csv"):
        scene.read(file)
    files = scene.files()
    assert {(use.path, use.place, use.sha256) for use in files.uses} == {
        ("main.py", "tree", sha256("tree")),
        (str(undeclared), "undeclared", sha256("undeclared")),
        (scene.declared["data"], "declared", sha256("declared")),
    }
    assert files.counts == {"tree": 1, "undeclared": 1, "declared": 1, "environment": 1, "system": 1}
    assert ignored.exists()


def test_a_file_of_the_project_that_is_not_in_the_snapshot_is_undeclared(scene: Scene) -> None:
    scene.put("project/main.py")
    withheld = scene.put("project/data.pem.csv", "in the tree")
    late = scene.put("project/mydata.csv", "too late")
    scene.begin()
    late.unlink()  # as if it had been ignored: the tree below does not have it
    scene.source = sources.fetch(str(scene.project), None, home=scene.home, notify=lambda _: None)
    late = scene.put("project/mydata.csv", "too late")
    (scene.report / REPORT_MARK).touch()
    os.utime(scene.report / REPORT_MARK, ns=(late.stat().st_ctime_ns + 1, late.stat().st_ctime_ns + 1))
    scene.read(late)
    scene.read(withheld)
    uses = scene.uses()
    assert uses["mydata.csv", "read"].place == "undeclared"
    assert uses["mydata.csv", "read"].sha256 == sha256("too late")
    assert uses["data.pem.csv", "read"].place == "tree"


def test_outputs_are_the_files_of_the_project_that_were_written_seen_or_not(scene: Scene) -> None:
    scene.put("project/main.py")
    scene.put("project/old.csv")
    scene.begin()
    seen, unseen = scene.put("project/out/model.pkl", "model"), scene.put("project/out.parquet", "parquet")
    outside = scene.put("elsewhere/result.csv", "outside")
    scene.wrote(seen)
    scene.wrote(outside)
    scene.wrote(scene.project / "gone.tmp")
    uses = scene.uses()
    assert {key: (use.place, use.sha256) for key, use in uses.items()} == {
        ("out/model.pkl", "written"): ("output", sha256("model")),
        ("out.parquet", "written"): ("output", sha256("parquet")),
        (str(outside), "written"): ("undeclared", sha256("outside")),
    }
    assert unseen.exists()


@pytest.mark.parametrize(
    "path", ["mlruns/0/meta.yaml", "__pycache__/a.pyc", ".git/index", "env/lib/a.py", "mlflow.db"]
)
def test_what_is_generated_is_neither_input_nor_output(scene: Scene, path: str) -> None:
    scene.put("project/env/pyvenv.cfg")
    before = scene.put(f"project/{path}") if path != ".git/index" else None
    scene.begin()
    if before is not None and not path.startswith("env/"):
        scene.read(before)
    scene.put(f"project/{path}", "new")
    assert not scene.uses()


def test_a_file_that_the_run_made_and_read_is_an_output_and_no_input(scene: Scene) -> None:
    scene.put("project/main.py")
    scene.begin()
    made = scene.put("project/features.csv", "made")  # by a program that nobody watched
    scene.read(made)
    assert set(scene.uses()) == {("features.csv", "written")}


def test_an_input_that_changed_while_the_run_read_it_has_no_hash_and_is_said(scene: Scene) -> None:
    scene.put("project/main.py")
    data = scene.put("data.csv", "before")
    scene.begin()
    scene.read(data)
    data.write_text("after.")
    files = scene.files()
    assert files.changed == {str(data)}
    assert [use.sha256 for use in files.uses] == [None]


def test_an_input_that_was_another_file_each_time_is_said(scene: Scene) -> None:
    scene.put("project/main.py")
    data = scene.put("data.csv", "before")
    scene.begin()
    scene.read(data)
    data.write_text("meanwhile")
    scene.read(data)
    assert scene.files().changed == {str(data)}


def test_a_change_of_its_mode_is_no_change_of_an_input(scene: Scene) -> None:
    scene.put("project/main.py")
    data = scene.put("data.csv", "same")
    scene.begin()
    scene.read(data)
    data.chmod(0o600)
    files = scene.files()
    assert (files.changed, files.uses[0].sha256) == (set(), sha256("same"))


def test_code_that_was_edited_after_its_snapshot_is_said(scene: Scene) -> None:
    code = scene.put("project/main.py", "before")
    scene.begin()
    code.write_text("edited")
    scene.read(code)
    assert scene.files().changed == {"main.py"}


def test_a_tree_file_that_the_run_writes_over_is_an_output(scene: Scene) -> None:
    state = scene.put("project/state.txt", "0")
    scene.begin()
    scene.read(state)
    state.write_text("1")
    scene.wrote(state)
    files = scene.files()
    assert files.changed == set()
    assert [(use.access, use.place) for use in files.uses] == [("read", "tree"), ("written", "output")]


def test_a_declared_input_is_hashed_even_when_nobody_saw_it_read(scene: Scene) -> None:
    folder = scene.put("inputs/a.parquet", "a").parent
    scene.put("inputs/b/c.parquet", "c")
    scene.declared = {"data": str(folder)}
    scene.begin()
    uses = scene.uses()
    assert {(use.path, use.parameter, use.sha256) for use in uses.values()} == {
        (f"{folder}/a.parquet", "data", sha256("a")),
        (f"{folder}/b/c.parquet", "data", sha256("c")),
    }


@pytest.mark.parametrize(
    "name", [".env", "id_rsa", "service-account-1.json", ".aws/config", ".ssh/known_hosts"]
)
def test_what_looks_like_a_secret_is_named_and_not_looked_into(scene: Scene, name: str) -> None:
    secret = scene.put(f"someone/{name}", "hunter2")
    scene.begin()
    scene.read(secret)
    (use,) = scene.files().uses
    assert (use.secret, use.sha256, use.size) == (True, None, None)
    assert is_secret(str(secret))


def test_the_files_of_bis_itself_are_left_out(scene: Scene) -> None:
    kept = scene.put("home/tracking.db")
    scene.begin()
    scene.read(kept)
    scene.wrote(scene.put("home/artifacts/1/model.pkl"))
    assert not scene.uses()


def test_a_source_in_the_home_is_a_source(tmp_path: Path) -> None:
    places = Places(root=tmp_path / "home/tree", own=tmp_path / "home", environment=[], declared={})
    assert not places.is_own(str(tmp_path / "home/tree/main.py"))
    assert places.is_own(str(tmp_path / "home/tracking.db"))


def test_a_project_is_known_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    places = Places(root=tmp_path / "link", own=tmp_path / "home", environment=[], declared={})
    assert places.relative(str(tmp_path / "link/a.csv")) == "a.csv"
    assert places.relative(str(tmp_path / "real/a.csv")) == "a.csv"
    assert places.relative(str(tmp_path / "realistic/a.csv")) is None


def test_a_damaged_report_is_read_as_far_as_it_goes(scene: Scene) -> None:
    scene.put("project/main.py")
    data = scene.put("data.csv")
    scene.begin()
    scene.read(data)
    scene.files()
    file = scene.report / "1-a.jsonl"
    file.write_text(file.read_text() + '\0{"kind":"read"}\n[]\n{"kind":"write","path')
    reports = read_reports(scene.report)
    assert set(reports.reads) == {str(data)}


def test_names_that_are_no_text_become_text_in_the_record(scene: Scene) -> None:
    name = os.fsdecode(b"caf\xe9.csv")
    data = scene.put(name)
    scene.begin()
    scene.read(data)
    (use,) = scene.files().uses
    assert use.to_dict()["path"].endswith("caf\\xe9.csv")


def test_a_module_is_its_source_where_only_its_bytecode_was_seen(scene: Scene) -> None:
    scene.put("project/main.py")
    library, bytecode = scene.put("lib/model.py", "code"), scene.put("lib/__pycache__/model.cpython-311.pyc")
    scene.begin()
    scene.read(bytecode)
    scene.wrote(bytecode)
    (use,) = scene.files().uses
    assert (use.path, use.sha256) == (str(library), sha256("code"))
