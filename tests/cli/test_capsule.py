"""``bis export`` and ``bis import``: a run that travels."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bis.home import Home
from bis.repeat.comparison import Verdict, compare_runs
from bis.repeat.comparison.artifacts import AbsentContent
from bis.repeat.recorded import RecordedRun
from bis.tracking import Metric, ModelLink, Param, Tag
from bis.tracking.sql_store import SqlStore, open_sql_store
from bis_command import Bis, git, write_project
from mlflow_clients import LATEST, client_python, running_server
from seeded_environments import stack_python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MLPROJECT = """\
name: travelling
entry_points:
  main:
    parameters:
      rate: {type: float, default: 0.5}
      data: {type: path, default: ""}
    command: "python main.py {rate} {data}"
"""

MAIN = """\
import json, os, sys, urllib.request

def log(call, **fields):
    url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/" + call
    body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], **fields}).encode()
    token = os.environ.get("MLFLOW_TRACKING_TOKEN")
    headers = {"Content-Type": "application/json", **({"Authorization": "Bearer " + token} if token else {})}
    urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()

for step, value in enumerate([0.25, float(sys.argv[1]), 1.0]):
    log("log-metric", key="loss", value=value, step=step, timestamp=1000 + step)
log("log-metric", key="bad", value="NaN", step=0, timestamp=1000)
log("set-tag", key="kind", value="test \\u00fc")
print("done")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in a repository, with an uncommitted change."""
    directory = write_project(tmp_path / "p", MLPROJECT, {"main.py": MAIN, "notes.txt": "old\n"})
    git(directory, "init", "--quiet")
    git(directory, "add", "--all")
    git(directory, "commit", "--quiet", "--message", "first")
    (directory / "notes.txt").write_text("new\n")
    return directory


@pytest.fixture
def run(bis: Bis, project: Path) -> dict[str, Any]:
    """A run of the project."""
    document: dict[str, Any] = bis.run_json(project, "--env-manager", "local")
    return document


@pytest.fixture
def capsule(bis: Bis, run: dict[str, Any], tmp_path: Path) -> Path:
    """The run, packed."""
    result = bis("export", "latest", tmp_path / "run.zip")
    assert result.status == 0, result.err
    return tmp_path / "run.zip"


@pytest.fixture
def other(tmp_path: Path) -> Bis:
    """Another machine's bis."""
    return Bis(home=tmp_path / "other home", cwd=tmp_path)


def test_a_run_arrives_as_it_was(bis: Bis, other: Bis, run: dict[str, Any], capsule: Path) -> None:
    imported = other("import", capsule, "--json").json
    assert imported["run_id"] == run["run_id"]
    assert imported["must_consent"]
    here, there = bis("show", "latest", "--json").json, other("show", "latest", "--json").json
    assert there["tags"].pop("bis.capsule")
    there["artifacts"].remove("bis/changes.patch")  # at home, the snapshots have it
    for left in ("artifact_uri", "experiment_id"):
        here.pop(left), there.pop(left)
    assert {**there, "metrics": str(there["metrics"])} == {**here, "metrics": str(here["metrics"])}
    assert [point[:2] for point in _history(other, run["run_id"])] == [[0.25, 0], [0.5, 1], [1.0, 2]]
    assert _history(other, run["run_id"]) == _history(bis, run["run_id"])


def test_the_changes_and_the_source_are_readable_in_it(capsule: Path) -> None:
    with zipfile.ZipFile(capsule) as packed:
        assert "-old\n+new\n" in packed.read("changes.patch").decode()
        with zipfile.ZipFile(io.BytesIO(packed.read("source.zip"))) as source:
            assert source.read("notes.txt") == b"new\n"
            assert source.read("main.py").decode() == MAIN


def test_the_same_run_gives_the_same_bytes(bis: Bis, capsule: Path, tmp_path: Path) -> None:
    assert bis("export", "latest", tmp_path / "again.zip").status == 0
    assert (tmp_path / "again.zip").read_bytes() == capsule.read_bytes()
    refused = bis("export", "latest", capsule)
    assert refused.status == 2
    assert "is there already" in refused.err
    assert bis("export", "latest", capsule, "--force").status == 0


def test_an_imported_run_is_packed_as_it_came(other: Bis, capsule: Path, tmp_path: Path) -> None:
    assert other("import", capsule).status == 0
    assert other("export", "latest", tmp_path / "again.zip").status == 0
    first, second = _contents(capsule), _contents(tmp_path / "again.zip")
    assert first.keys() == second.keys()
    assert first["source.zip"] == second["source.zip"]
    assert first["plan.json"] == second["plan.json"]


def test_a_capsule_is_taken_in_once(bis: Bis, other: Bis, run: dict[str, Any], capsule: Path) -> None:
    first = other("import", capsule, "--json").json
    again = other("import", capsule, "--json", "--yes").json
    assert (again["run_id"], again["was_here"], again["must_consent"]) == (first["run_id"], True, False)
    assert not other("import", capsule, "--json").json["must_consent"]  # yes was said
    beside = bis("import", capsule, "--json").json
    assert beside["run_id"] != run["run_id"]
    assert not beside["must_consent"]  # it was made here
    assert bis("show", run["run_id"], "--json").json["tags"].get("bis.capsule") is None


def test_inputs_travel_only_when_asked(bis: Bis, other: Bis, project: Path, tmp_path: Path) -> None:
    data, key = tmp_path / "in" / "data.csv", tmp_path / "in" / "id_rsa"
    data.parent.mkdir()
    data.write_text("1,2\n")
    key.write_text("secret")
    bis.run_json(project, "--env-manager", "local", "-P", f"data={data.parent}")
    assert bis("export", "latest", tmp_path / "without.zip").status == 0
    assert not any("inputs" in name for name in _contents(tmp_path / "without.zip"))
    result = bis("export", "latest", tmp_path / "with.zip", "--with-inputs")
    assert result.status == 0
    assert "id_rsa is not packed" in result.err
    digest = hashlib.sha256(b"1,2\n").hexdigest()
    packed = _contents(tmp_path / "with.zip")
    assert packed[f"artifacts/bis/inputs/{digest}"] == b"1,2\n"
    assert not any(content == b"secret" for content in packed.values())
    assert other("import", tmp_path / "with.zip").status == 0
    assert f"bis/inputs/{digest}" in other("show", "latest", "--json").json["artifacts"]


def test_a_large_artifact_stands_by_its_digest(bis: Bis, run: dict[str, Any], tmp_path: Path) -> None:
    document = bis("export", "latest", tmp_path / "small.zip", "--max-file-size", "2", "--json").json
    assert document["absent"] == ["output.log"]  # plan, lock, record and source are what a capsule is for
    manifest = json.loads(_contents(tmp_path / "small.zip")["capsule.json"])
    assert manifest["absent"][0]["sha256"] == hashlib.sha256(b"done\n").hexdigest()
    assert bis("export", "latest", tmp_path / "x.zip", "--max-file-size", "big").status == 2


def test_a_logged_model_travels_with_its_run(
    bis: Bis, other: Bis, run: dict[str, Any], tmp_path: Path
) -> None:
    with _store(bis) as store:
        _log_model(store, run["run_id"], {"MLmodel": b"flavors: {}\n", "deep/weights.bin": bytes(1000)})
    assert bis("export", "latest", tmp_path / "run.zip").status == 0
    assert other("import", tmp_path / "run.zip").status == 0
    with _store(bis) as here, _store(other) as there:
        one, two = (
            each.logged_model(each.run(run["run_id"]).model_outputs[0].model_id) for each in (here, there)
        )
        for column in ("model_id", "name", "model_type", "status", "source_run_id", "params", "tags"):
            assert getattr(one, column) == getattr(two, column)
        assert [item.metric.value for item in two.metrics] == [0.75]
        assert there.run(run["run_id"]).model_outputs == here.run(run["run_id"]).model_outputs
        assert _verdict(here, there, run["run_id"]) is Verdict.IDENTICAL
    assert other("export", "latest", tmp_path / "again.zip").status == 0
    first, second = _contents(tmp_path / "run.zip"), _contents(tmp_path / "again.zip")
    assert {name for name in first if name.startswith("models/")} == {
        f"models/{one.model_id}/MLmodel",
        f"models/{one.model_id}/deep/weights.bin",
    }
    assert first.keys() == second.keys()


def test_a_model_whose_id_is_taken_gets_another(bis: Bis, run: dict[str, Any], tmp_path: Path) -> None:
    with _store(bis) as store:
        _log_model(store, run["run_id"], {"MLmodel": b"flavors: {}\n", "weights.bin": bytes(1000)})
    assert bis("export", "latest", tmp_path / "run.zip", "--max-file-size", "100").status == 0
    beside = bis("import", tmp_path / "run.zip", "--json").json["run_id"]
    with _store(bis) as store, RecordedRun.load(store, beside) as copy:
        (original,), (link,) = store.run(run["run_id"]).model_outputs, store.run(beside).model_outputs
        assert link.model_id != original.model_id
        assert copy.artifacts["models/forest/weights.bin"] == AbsentContent(1000, _sha256(bytes(1000)))
        assert "models/forest/MLmodel" in copy.artifacts


def test_what_a_capsule_does_not_hold_is_compared_by_its_digest(
    bis: Bis, other: Bis, run: dict[str, Any], tmp_path: Path
) -> None:
    with _store(bis) as store:
        store.log_text(run["run_id"], "x" * 1000, "large.txt")
    assert bis("export", "latest", tmp_path / "run.zip", "--max-file-size", "500").status == 0
    assert other("import", tmp_path / "run.zip").status == 0
    with _store(bis) as here, _store(other) as there:
        assert _verdict(here, there, run["run_id"]) is Verdict.IDENTICAL
        here.log_text(run["run_id"], "y" * 1000, "large.txt")
        with RecordedRun.load(here, run["run_id"]) as one, RecordedRun.load(there, run["run_id"]) as two:
            (difference,) = compare_runs(one, two).counted
        assert (difference.name, difference.verdict) == ("large.txt", Verdict.DIFFERENT)
        assert "by its digest only" in difference.reason
    again = other("export", "latest", tmp_path / "again.zip", "--json").json
    assert "artifacts/large.txt" in again["absent"]


@pytest.mark.slow
def test_a_model_of_mlflow_3_comes_back_from_a_capsule(bis: Bis, other: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        f"entry_points: {{main: {{command: '{client_python(LATEST)} train.py'}}}}\n",
        {"train.py": TRAIN},
    )
    bis.run_json(project, "--env-manager", "local")
    assert bis("export", "latest", tmp_path / "run.zip").status == 0
    assert any(name.endswith("/MLmodel") for name in _contents(tmp_path / "run.zip"))
    shutil.rmtree(project)
    result = other("rerun", tmp_path / "run.zip", "--yes", "--json")
    assert result.json["verdict"] in ("IDENTICAL", "EQUAL"), result.out


def test_a_snapshot_that_is_gone_is_named(bis: Bis, run: dict[str, Any], tmp_path: Path) -> None:
    shutil.rmtree(bis.home / "snapshots")
    result = bis("export", "latest", tmp_path / "run.zip")
    assert result.status == 2
    assert "the snapshot" in result.err
    assert sorted(path.name for path in tmp_path.glob("*run.zip*")) == []


def test_a_lost_object_comes_back_with_the_capsule(
    bis: Bis, run: dict[str, Any], capsule: Path, tmp_path: Path
) -> None:
    shutil.rmtree(bis.home / "snapshots")
    assert bis("import", capsule).status == 0
    assert bis("export", run["run_id"], tmp_path / "again.zip").status == 0


def _rewritten(
    change: Callable[[dict[str, bytes]], None], *, digests: bool = True
) -> Callable[[Path], bytes]:
    """A capsule with other contents, whose manifest follows when ``digests``."""

    def rewrite(capsule: Path) -> bytes:
        contents = _contents(capsule)
        change(contents)
        if digests:
            manifest = json.loads(contents["capsule.json"])
            manifest["files"] = [
                {"path": name, "size_bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
                for name, text in contents.items()
                if name != "capsule.json"
            ]
            contents["capsule.json"] = json.dumps(manifest).encode()
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w") as packed:
            for name, text in contents.items():
                packed.writestr(name, text)
        return target.getvalue()

    return rewrite


def _replace(name: str, old: str, new: str) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        assert old.encode() in contents[name]
        contents[name] = contents[name].replace(old.encode(), new.encode())

    return change


def _add(name: str) -> Callable[[dict[str, bytes]], None]:
    return lambda contents: contents.update({name: b"x"})


def _drop(name: str) -> Callable[[dict[str, bytes]], None]:
    def change(contents: dict[str, bytes]) -> None:
        del contents[name]

    return change


def _other_source(contents: dict[str, bytes]) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as source:
        member = zipfile.ZipInfo("main.py")
        member.create_system, member.external_attr = 3, 0o100644 << 16
        source.writestr(member, "import os; os.system('evil')")
    contents["source.zip"] = target.getvalue()


def _with_link(capsule: Path) -> bytes:
    target = io.BytesIO(capsule.read_bytes())
    with zipfile.ZipFile(target, "a") as packed:
        member = zipfile.ZipInfo("artifacts/link")
        member.create_system, member.external_attr = 3, 0o120777 << 16
        packed.writestr(member, "/etc/passwd")
    return target.getvalue()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda capsule: capsule.read_bytes()[:-100], "damaged or not whole"),
        (lambda capsule: b"", "damaged or not whole"),
        (lambda capsule: b"no zip at all", "damaged or not whole"),
        (_rewritten(_replace("run.json", "test", "fake"), digests=False), "not what its digest says"),
        (_rewritten(_add("more.txt"), digests=False), "manifest and its files differ"),
        (_rewritten(_drop("run.json")), "differ"),
        (_rewritten(_drop("capsule.json"), digests=False), "not a capsule of bis"),
        (_rewritten(_add("../out.txt")), "leaves its directory"),
        (_rewritten(_add("artifacts/../../out.txt")), "leaves its directory"),
        (_rewritten(_add("/out.txt")), "leaves its directory"),
        (_rewritten(_add("artifacts/c:\\out.txt")), "leaves its directory"),
        (_rewritten(_add("artifacts/bis/plan.json/x")), "refused"),
        (_with_link, "is a link"),
        (_rewritten(_replace("capsule.json", "bis.capsule/1", "bis.capsule/2")), "newer one"),
        (_rewritten(_replace("run.json", "bis.run/1", "bis.run/2")), "newer format"),
        (_rewritten(_replace("run.json", '"FINISHED"', '"RUNNING"')), "cannot be read"),
        (_rewritten(_replace("run.json", '"kind": "test', '"kind": ["test"], "x": "')), "cannot be read"),
        (_rewritten(_replace("run.json", '"kind": "test', '"kind": "\\ud800')), "cannot be read"),
        (_rewritten(lambda contents: contents.update({"run.json": b"[]"})), "cannot be read"),
        (_rewritten(lambda contents: contents.update({"record.json": b"["})), "its record cannot be read"),
        (_rewritten(lambda contents: contents.update({"source.zip": b"no zip"})), "no snapshot that can be"),
        (_rewritten(_replace("plan.json", "main.py {rate}", "evil.py {rate}")), "do not belong together"),
        (_rewritten(_other_source), "its source is not the one of its plan"),
        (_rewritten(_replace("record.json", '"plan_digest": "', '"plan_digest": "0')), "another plan"),
        (_rewritten(_replace("run.json", '"bis.planDigest": "', '"bis.planDigest": "0')), "its plan is not"),
    ],
)
def test_a_capsule_that_cannot_be_trusted_leaves_no_trace(
    other: Bis, capsule: Path, damage: Callable[[Path], bytes], said: str
) -> None:
    bad = capsule.with_name("bad.zip")
    bad.write_bytes(damage(capsule))
    before = _listing(capsule.parent, other.home)
    result = other("import", bad)
    assert result.status == 2
    assert said in result.err
    assert other("list", "--json").json == []
    assert _listing(capsule.parent, other.home) == before
    assert list((other.home / "artifacts").glob("**/*.*")) == []


def test_an_id_that_climbs_is_refused(other: Bis, run: dict[str, Any], capsule: Path) -> None:
    def change(contents: dict[str, bytes]) -> None:
        for name in ("run.json", "capsule.json"):
            _replace(name, run["run_id"], "../../../../climbed")(contents)

    bad = capsule.with_name("bad.zip")
    bad.write_bytes(_rewritten(change)(capsule))
    result = other("import", bad)
    assert result.status == 2
    assert "its id is none" in result.err


def test_consent_cannot_be_packed(other: Bis, capsule: Path) -> None:
    bad = capsule.with_name("bad.zip")
    bad.write_bytes(
        _rewritten(_replace("run.json", '"bis.exitCode"', '"bis.capsuleTrusted": "true", "bis.exitCode"'))(
            capsule
        )
    )
    assert other("import", bad, "--json").json["must_consent"]


def test_every_byte_of_a_capsule_is_checked(other: Bis, capsule: Path) -> None:
    """A flipped byte is found, or changes nothing that was packed (times and rights of members)."""
    from bis.errors import BisError
    from bis.repeat.capsule.reading import open_capsule

    whole = capsule.read_bytes()
    expected = _contents(capsule)
    bad = capsule.with_name("bad.zip")
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        bad.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            with open_capsule(bad) as opened:
                found = {file.path: opened.read(file.path) for file in opened.manifest.files}
        except BisError:
            continue
        assert found == {name: expected[name] for name in found}


def test_a_run_without_a_plan_can_be_packed_and_read(bis: Bis, other: Bis, tmp_path: Path) -> None:
    from bis.home import Home
    from bis.tracking import Metric, RunStatus, open_store

    store = open_store(Home(bis.home))
    run_id = store.create_run("0", name="plain").info.run_id
    store.log_batch(run_id, [Metric("m", 1.5, 1000)])
    refused = bis("export", run_id, tmp_path / "run.zip")
    assert "has not ended" in refused.err
    store.update_run(run_id, status=RunStatus.FINISHED)
    store.close()
    result = bis("export", run_id, tmp_path / "run.zip")
    assert result.status == 0
    assert "can be read and not executed" in result.err
    imported = other("import", tmp_path / "run.zip")
    assert "cannot be executed again" in imported.out
    assert other("show", run_id, "--json").json["metrics"] == {"m": 1.5}


def test_the_public_validator_has_nothing_to_say(bis: Bis, capsule: Path, tmp_path: Path) -> None:
    steps = write_project(
        tmp_path / "steps",
        "entry_points: {main: {command: python main.py}, child: {command: echo hello}}",
        {"main.py": "import bis; bis.run('.', 'child')"},
    )
    run_id = bis.run_json(steps, "--env-manager", "local")["run_id"]
    assert bis("export", run_id, tmp_path / "steps.zip", "--json").json["inside"] == 1
    python = stack_python("crates")
    script = Path(__file__).parent.parent / "rocrate_validation.py"
    for file in (capsule, tmp_path / "steps.zip"):
        result = subprocess.run([python, script, file], capture_output=True, text=True, check=False)
        assert (result.returncode, result.stdout.strip()) == (0, ""), result.stdout + result.stderr


def test_the_public_library_of_crates_opens_it(bis: Bis, run: dict[str, Any], capsule: Path) -> None:
    code = (
        "import sys, rocrate.rocrate as r; crate = r.ROCrate(sys.argv[1]);"
        "print(crate.dereference('#' + sys.argv[2])['instrument'].id, len(crate.data_entities))"
    )
    words = [stack_python("crates"), "-c", code, str(capsule), run["run_id"]]
    result = subprocess.run(words, capture_output=True, text=True, check=True)
    assert result.stdout.split()[0] == "source.zip"


def test_an_import_that_is_cut_short_is_no_run(
    capsule: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bis.home import Home
    from bis.repeat.capsule import import_capsule
    from bis.tracking import open_store
    from bis.tracking.sql_store import SqlStore

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    home = Home(tmp_path / "third home")
    with monkeypatch.context() as patched:
        patched.setattr(SqlStore, "update_run", interrupt)
        with pytest.raises(KeyboardInterrupt):
            import_capsule(home, capsule)
    store = open_store(home)
    assert store.recent_runs() == []
    store.close()
    assert list(home.running.iterdir()) == []
    imported = import_capsule(home, capsule)  # and again, to its end
    assert imported.run_id == imported.original_run_id


@pytest.mark.slow
def test_the_capsule_of_the_tutorial_is_small(bis: Bis, tmp_path: Path) -> None:
    assert bis("init", "demo").status == 0
    bis.run_json("demo")
    document = bis("export", "latest", tmp_path / "run.zip", "--json").json
    assert document["can_be_executed"]
    assert document["size_bytes"] <= 100_000


@pytest.mark.slow
def test_a_run_on_another_server_is_packed_from_its_artifacts_alone(
    bis: Bis, other: Bis, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "server").mkdir()
    with running_server(LATEST, tmp_path / "server") as address:
        run = bis.run_json(project, "--env-manager", "local", MLFLOW_TRACKING_URI=address)
        shown = bis("show", run["run_id"], "--json", MLFLOW_TRACKING_URI=address).json
        assert {"bis/source.zip", "bis/changes.patch", "bis/plan.json"} <= set(shown["artifacts"])
        shutil.rmtree(bis.home)
        shutil.rmtree(project)
        result = bis("export", run["run_id"], tmp_path / "run.zip", MLFLOW_TRACKING_URI=address)
        assert result.status == 0, result.err
    imported = other("import", tmp_path / "run.zip", "--json").json
    assert imported["tree"] == shown["tags"]["bis.sourceTree"]


def _contents(capsule: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(capsule) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


TRAIN = """\
import mlflow
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

with mlflow.start_run():
    forest = RandomForestClassifier(3).fit(*load_iris(return_X_y=True))
    mlflow.sklearn.log_model(forest, name="forest", serialization_format="cloudpickle")
"""


@contextlib.contextmanager
def _store(bis: Bis) -> Iterator[SqlStore]:
    home = Home(bis.home)
    store = open_sql_store(home.database, home.artifacts)
    try:
        yield store
    finally:
        store.close()


def _log_model(store: SqlStore, run_id: str, files: dict[str, bytes]) -> None:
    model = store.create_logged_model(
        "0",
        name="forest",
        model_type="sklearn",
        source_run_id=run_id,
        params=[Param("depth", "3")],
        tags=[Tag("team", "blue")],
    )
    for path, content in files.items():
        store.served_directory(model.artifact_uri).write(path, content)
    store.finish_logged_model(model.model_id, "LOGGED_MODEL_READY")
    store.log_outputs(run_id, [ModelLink(model.model_id, 2)])
    store.log_batch(run_id, metrics=[Metric("accuracy", 0.75, 1, model_id=model.model_id)])


def _verdict(one: SqlStore, other: SqlStore, run_id: str) -> Verdict:
    with RecordedRun.load(one, run_id) as first, RecordedRun.load(other, run_id) as second:
        return compare_runs(first, second).verdict


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _history(bis: Bis, run_id: str) -> list[list[float]]:
    from bis.home import Home
    from bis.tracking import open_store

    store = open_store(Home(bis.home))
    try:
        return [
            [point.value, point.step, point.timestamp] for point in store.metric_history(run_id, "loss").items
        ]
    finally:
        store.close()


def _listing(root: Path, home: Path) -> list[str]:
    """All that lies below the directory of the test, but for the homes."""
    return sorted(_walk(root, home))


def _walk(root: Path, home: Path) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if Path(directory, name) != home]
        yield from (f"{directory}/{name}" for name in files)
