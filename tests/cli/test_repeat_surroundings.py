"""What a run found beside its snapshot, on a rerun: empty folders, ignored files, and a snapshot that is not whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest

from bis_command import Bis, git, write_project

if TYPE_CHECKING:
    from bis_command import Result

MLPROJECT = "entry_points: {main: {command: python main.py}}\n"
MAIN = """\
import os
value = open("data/x.csv").read()
open("results/deep/out.txt", "w").write(value)
os.mkdir("made")
open("made/out.txt", "w").write(str(os.path.isdir("cache")))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project that counts on an ignored input and on folders that no snapshot has."""
    project = write_project(
        tmp_path / "project",
        MLPROJECT,
        {"main.py": MAIN, ".gitignore": "data/\nresults/\nmade/\n", "data/x.csv": "1.5\n"},
    )
    (project / "results" / "deep").mkdir(parents=True)
    (project / "cache").mkdir()
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-qm", "start")
    return project


def record_of(run: Any) -> Any:
    """The record among the artifacts of a run."""
    directory = Path(unquote(urlsplit(run["artifact_uri"]).path))
    return json.loads((directory / "bis" / "record.json").read_text("utf-8"))


def verdict(result: Result) -> tuple[int, str]:
    """The exit status and the first word of standard output."""
    return result.status, result.out.partition(" ")[0]


def test_folders_and_ignored_inputs_are_there_again(bis: Bis, project: Path) -> None:
    run = bis.run_json(project)
    assert record_of(run)["folders"] == ["cache", "results/deep"]
    again = bis("rerun", run["run_id"])
    assert verdict(again) == (0, "IDENTICAL"), again.out + again.err
    of_the_rerun = bis("rerun", "latest")  # its own directory is gone, the first one's is not
    assert verdict(of_the_rerun) == (0, "IDENTICAL"), of_the_rerun.out + of_the_rerun.err
    assert bis("verify", run["run_id"], "--rounds", "2").status == 0


def test_an_ignored_input_has_to_be_what_it_was(bis: Bis, project: Path, tmp_path: Path) -> None:
    run = bis.run_json(project)["run_id"]
    (project / "data" / "x.csv").write_text("1.6\n")
    changed = bis("rerun", run)
    assert changed.status == 3
    assert f"{project / 'data' / 'x.csv'} has changed" in changed.err
    allowed = bis("rerun", run, "--allow-changed-inputs")
    assert verdict(allowed) == (1, "DIFFERENT"), allowed.out + allowed.err
    (tmp_path / "moved.csv").write_text("1.5\n")
    moved = bis("rerun", run, "--input", f"data/x.csv={tmp_path / 'moved.csv'}")
    assert verdict(moved) == (0, "IDENTICAL"), moved.out + moved.err
    shutil.rmtree(project)
    assert "data/x.csv is missing" in bis("rerun", run).err


def test_a_rerun_does_not_write_into_the_input_itself(bis: Bis, project: Path) -> None:
    (project / "main.py").write_text("print(open('data/x.csv').read())\n")
    run = bis.run_json(project)["run_id"]
    again = bis("rerun", run, "--keep")
    kept = Path(again.err.partition("it ran in ")[2].splitlines()[0])
    (kept / "data" / "x.csv").write_text("written over\n")
    assert (project / "data" / "x.csv").read_text() == "1.5\n"


def test_an_ignored_input_travels_in_the_capsule(bis: Bis, project: Path, tmp_path: Path) -> None:
    run = bis.run_json(project)["run_id"]
    capsule = tmp_path / "run.zip"
    assert bis("export", run, capsule, "--with-inputs").status == 0
    shutil.rmtree(project)
    elsewhere = Bis(home=tmp_path / "another home", cwd=tmp_path)
    again = elsewhere("rerun", capsule, "--yes")
    assert verdict(again) == (0, "IDENTICAL"), again.out + again.err


def test_a_folder_that_leads_out_is_refused(bis: Bis, project: Path, tmp_path: Path) -> None:
    (project / "link").symlink_to(tmp_path)
    run = bis.run_json(project)
    file = Path(unquote(urlsplit(run["artifact_uri"]).path)) / "bis" / "record.json"
    record = json.loads(file.read_text("utf-8"))
    for name in ("../../climbed", "link/climbed", str(tmp_path / "climbed")):
        file.write_text(json.dumps({**record, "folders": [name]}))
        refused = bis("rerun", run["run_id"])
        assert (refused.status, "is not in the source of the run" in refused.err) == (3, True), refused.err
    assert not list(tmp_path.rglob("climbed"))


def first_object(home: Path, project: Path) -> Path:
    """The object of the snapshot store that has the content of main.py."""
    name = git(project, "hash-object", "main.py")
    return home / "snapshots" / "store.git" / "objects" / name[:2] / name[2:]


@pytest.mark.parametrize("damage", ["gone", "empty", "changed"])
def test_a_damaged_snapshot_is_named(bis: Bis, project: Path, damage: str) -> None:
    (project / "more.txt").touch()
    run = bis.run_json(project)["run_id"]
    place = first_object(bis.home, project)
    place.chmod(0o600)
    if damage == "gone":
        place.unlink()
    else:
        place.write_bytes(b"" if damage == "empty" else b"no object")
    result = bis("rerun", run)
    assert result.status == 3
    assert "is damaged" in result.err
    assert "capsule" in result.err
    assert not list((bis.home / "reruns").iterdir())


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_a_damaged_snapshot_is_made_whole_by_a_capsule(
    bis: Bis, project: Path, tmp_path: Path, damage: str
) -> None:
    run = bis.run_json(project)["run_id"]
    capsule = tmp_path / "run.zip"
    assert bis("export", run, capsule).status == 0
    place = first_object(bis.home, project)
    place.unlink()
    if damage == "changed":
        place.write_bytes(b"no object")
    assert bis("rerun", run).status == 3
    again = bis("rerun", capsule, "--yes")
    assert verdict(again) == (0, "IDENTICAL"), again.out + again.err


def test_the_commit_of_a_clean_tree_is_fetched_where_its_snapshot_is_gone(
    bis: Bis, project: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(project), "remote.git")
    git(project, "remote", "add", "origin", f"file://{tmp_path}/remote.git")
    run = bis.run_json(project)["run_id"]
    shutil.rmtree(bis.home / "snapshots")
    again = bis("rerun", run)
    assert verdict(again) == (0, "IDENTICAL"), again.out + again.err
    assert "fetching commit" in again.err
    elsewhere = [entry for entry in bis.home.iterdir() if entry.name not in ("artifacts", "bis.db")]
    for entry in elsewhere:
        shutil.rmtree(entry, ignore_errors=True)
    shutil.rmtree(tmp_path / "remote.git")
    gone = bis("rerun", run)
    assert (gone.status, "cannot be executed again" in gone.err) == (3, True), gone.err


def test_the_uncommitted_changes_of_a_run_are_readable(bis: Bis, project: Path, tmp_path: Path) -> None:
    clean = bis.run_json(project)["run_id"]
    commit = git(project, "rev-parse", "HEAD")
    (project / "main.py").write_text(MAIN + "print('changed')\n")
    (project / "new.txt").write_text("untracked\n")
    shutil.rmtree(project / "made")
    dirty = bis.run_json(project)["run_id"]
    capsule = tmp_path / "run.zip"
    assert bis("export", dirty, capsule).status == 0
    shutil.rmtree(project)

    shown = bis("diff", dirty)
    assert shown.status == 1
    assert shown.out.startswith(f"commit {commit}, and what was changed in run {dirty[:8]}:\n\ndiff --git ")
    assert "+print('changed')" in shown.out
    assert "+untracked" in shown.out
    nothing = bis("diff", clean)
    assert (nothing.status, "without a change" in nothing.out) == (0, True)
    assert bis("diff", dirty, "--json").json["commit"] == commit
    assert bis("diff", dirty, "--report", "x.html").status == 2
    elsewhere = Bis(home=tmp_path / "another home", cwd=tmp_path)
    assert elsewhere("import", capsule).status == 0
    assert "+print('changed')" in elsewhere("diff", "latest").out


def test_a_run_from_no_commit_has_no_changes_to_show(bis: Bis, tmp_path: Path) -> None:
    project = write_project(tmp_path / "plain", "entry_points: {main: {command: 'true'}}")
    bis.run_json(project)
    shown = bis("diff", "latest")
    assert (shown.status, "was made from no commit" in shown.out) == (0, True), shown.out


def test_a_project_in_a_subdirectory_finds_its_surroundings_too(bis: Bis, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    code = "open('out/result.txt', 'w').write(open('../shared/x.csv').read() + open('y.csv').read())\n"
    project = write_project(repository / "part", MLPROJECT, {"main.py": code, "y.csv": "2\n"})
    (repository / "shared").mkdir()
    (repository / "shared" / "x.csv").write_text("1\n")
    (repository / ".gitignore").write_text("*.csv\nout/\n")
    (project / "out").mkdir()
    git(repository, "init", "-q", "-b", "main")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "start")
    run = bis.run_json(project)
    assert record_of(run)["folders"] == ["part/out"]
    again = bis("rerun", run["run_id"])
    assert verdict(again) == (0, "IDENTICAL"), again.out + again.err
    assert bis("export", run["run_id"], tmp_path / "run.zip", "--with-inputs").status == 0
    shutil.rmtree(repository)
    elsewhere = Bis(home=tmp_path / "another home", cwd=tmp_path)
    from_capsule = elsewhere("rerun", tmp_path / "run.zip", "--yes")
    assert verdict(from_capsule) == (0, "IDENTICAL"), from_capsule.out + from_capsule.err


def test_an_ignored_secret_is_lent_and_never_copied(bis: Bis, project: Path) -> None:
    (project / ".env").write_text("TOKEN=s3cr3t\n")
    (project / ".gitignore").write_text(".env\n")
    (project / "main.py").write_text("print(len(open('.env').read()))\n")
    run = bis.run_json(project)["run_id"]
    again = bis("rerun", run, "--keep")
    assert verdict(again) == (0, "IDENTICAL"), again.out + again.err
    kept = Path(again.err.partition("it ran in ")[2].splitlines()[0])
    assert (kept / ".env").is_symlink()
    written = [file for file in bis.home.rglob("*") if file.is_file() and not file.is_symlink()]
    assert not [file for file in written if b"s3cr3t" in file.read_bytes()]


def test_a_lock_for_another_platform_is_said(bis: Bis, tmp_path: Path) -> None:
    files = {"python_env.yaml": "dependencies: []\n"}
    project = write_project(
        tmp_path / "locked", "python_env: python_env.yaml\nentry_points: {main: {command: 'true'}}\n", files
    )
    run = bis.run_json(project)
    file = Path(unquote(urlsplit(run["artifact_uri"]).path)) / "bis" / "plan.json"
    plan = json.loads(file.read_text("utf-8"))
    plan.pop("digest", None)
    plan["environment"]["platform"] = "win32-x86_64"
    file.write_text(json.dumps(plan))
    result = bis("rerun", run["run_id"])
    assert (result.status, "was locked for win32-x86_64" in result.err) == (3, True), result.err


def test_an_input_is_given_by_its_parameter_or_by_the_path_that_it_had(bis: Bis, tmp_path: Path) -> None:
    declared, opened = tmp_path / "declared.txt", tmp_path / "opened.txt"
    declared.write_text("1\n")
    opened.write_text("2\n")
    project = write_project(
        tmp_path / "reading",
        "entry_points: {main: {parameters: {data: path}, command: 'python main.py {data} > out.txt'}}\n",
        {
            "main.py": f"import sys; print(open(sys.argv[1]).read(), open({str(opened)!r}).read())\n",
            ".gitignore": "out.txt",
        },
    )
    run = bis.run_json(project, "-P", f"data={declared}")["run_id"]
    declared.rename(tmp_path / "moved.txt")
    for key in ("data", str(declared)):
        again = bis("rerun", run, "--input", f"{key}={tmp_path / 'moved.txt'}")
        assert verdict(again) == (0, "IDENTICAL"), again.out + again.err
    opened.rename(tmp_path / "elsewhere.txt")
    (tmp_path / "moved.txt").rename(declared)
    refused = bis("rerun", run, "--input", f"{opened}={tmp_path / 'elsewhere.txt'}")
    assert refused.status == 3
    assert f"{opened} is missing, and the code opens it by that name: put the file there" in refused.err
