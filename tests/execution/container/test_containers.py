"""Projects with ``docker_env``, run by ``bis`` in containers of a real podman, and of a real docker."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mlflow_clients import LATEST, client_python

if TYPE_CHECKING:
    from collections.abc import Callable

    from bis_command import Bis
    from containers import Engine, Podman

    Make = Callable[..., Path]

TRAIN = """\
import json, os, random, sys, time, urllib.request
address, token = os.environ["MLFLOW_TRACKING_URI"], os.environ["MLFLOW_TRACKING_TOKEN"]
fields = {"run_id": os.environ["MLFLOW_RUN_ID"], "key": "draw", "value": random.random(), "timestamp": 1, "step": 0}
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
url = address + "/api/2.0/mlflow/runs/log-metric"
urllib.request.urlopen(urllib.request.Request(url, json.dumps(fields).encode(), headers)).read()
open("model.bin", "wb").write(bytes(random.randrange(256) for _ in range(100)))
print("ran with", sys.argv[1:], "in", os.getcwd())
"""


def started(process: subprocess.Popen[str], word: str) -> None:
    """Wait until the script has printed ``word``."""
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return
    pytest.fail(f"it ended without {word!r}: {process.stderr.read() if process.stderr else ''}")


def only_run(bis: Bis) -> dict[str, object]:
    found = bis("show", "latest", "--json").json
    assert isinstance(found, dict)
    return found


def test_the_code_is_there_and_what_it_does_is_tracked(boxed: Bis, project: Make, engine: Engine) -> None:
    directory = project(
        "python train.py {alpha}", parameters="{alpha: {type: float, default: 0.5}}", train__py=TRAIN
    )
    result = boxed("run", directory)
    assert result.status == 0, result.err
    assert "ran with ['0.5'] in /mlflow/projects/code" in result.out
    shown = only_run(boxed)
    assert shown["status"] == "FINISHED"
    assert "draw" in json.dumps(shown["metrics"])
    assert sorted(path.name for path in directory.iterdir()) == ["MLproject", "train.py"]
    assert engine.containers() == []


def test_it_repeats_with_the_same_result(boxed: Bis, project: Make) -> None:
    directory = project("python train.py", train__py=TRAIN)
    assert boxed("run", directory).status == 0
    repeated = boxed("rerun", "latest")
    assert repeated.status == 0, repeated.out + repeated.err
    assert "IDENTICAL" in repeated.out
    assert "model.bin" not in repeated.out.partition("differs")[2]


def test_it_repeats_from_its_capsule_in_another_home(boxed: Bis, project: Make, tmp_path: Path) -> None:
    directory = project("python train.py", train__py=TRAIN)
    assert boxed("run", directory).status == 0
    assert boxed("export", "latest", tmp_path / "run.zip").status == 0
    shutil.rmtree(directory)
    boxed.home = tmp_path / "another"
    repeated = boxed("rerun", tmp_path / "run.zip", "--yes")
    assert repeated.status == 0, repeated.out + repeated.err
    assert "IDENTICAL" in repeated.out


def test_a_file_of_the_project_that_a_volume_shows_is_one_of_the_source(boxed: Bis, project: Make) -> None:
    directory = project(
        "python read.py",
        more='  volumes: ["${PWD}/data:/data"]\n',
        read__py='print(open("/data/in.txt").read(), end="")\n',
    )
    (directory / "data").mkdir()
    (directory / "data" / "in.txt").write_text("of the project\n")
    assert boxed("run", directory).out == "of the project\n"
    (record,) = boxed.home.rglob("bis/record.json")
    places = {file["path"]: file["place"] for file in json.loads(record.read_text())["files"]}
    assert places == {"data/in.txt": "tree", "read.py": "tree"}
    shutil.rmtree(directory)
    repeated = boxed("rerun", "latest", "--json")
    assert (repeated.status, repeated.json["causes"]) == (0, []), repeated.err


def test_check_names_the_image(boxed: Bis, project: Make) -> None:
    assert "environment  container, image tools:1" in boxed("check", project("true", image="tools:1")).out


def test_no_value_is_read_by_a_shell(boxed: Bis, project: Make, tmp_path: Path) -> None:
    nasty = f"a'b\"c; touch {tmp_path}/made $(touch {tmp_path}/made) `id` && x"
    directory = project(
        'python -c "import sys, os; print([sys.argv[1], os.environ[chr(71)]])" {text}',
        parameters="{text: {type: string}}",
        more=f"  environment: [['G', {json.dumps(nasty)}]]\n",
    )
    result = boxed("run", directory, "-P", f"text={nasty}")
    assert result.status == 0, result.err
    assert repr([nasty, nasty]) in result.out
    assert not (tmp_path / "made").exists()


def test_pipes_and_variables_of_the_command_are_the_containers(boxed: Bis, project: Make) -> None:
    directory = project(
        'echo "$WHERE" | tee here.txt && ls', more="  environment: [[WHERE, inside]]\n", image="tools:1"
    )
    result = boxed("run", directory, WHERE="outside")
    assert result.status == 0, result.err
    assert result.out.split() == ["inside", "MLproject", "here.txt"]
    assert not (directory / "here.txt").exists()


def test_variables_are_copied_by_name_and_no_other_of_the_caller_is(boxed: Bis, project: Make) -> None:
    directory = project("env", image="tools:1", more="  environment: [COPIED]\n")
    result = boxed("run", directory, COPIED="from-here", NOT_COPIED="from-here-too")
    assert "COPIED=from-here" in result.out.splitlines()
    assert "NOT_COPIED" not in result.out
    missing = boxed("run", directory)
    assert missing.status == 2
    assert "COPIED" in missing.err


def test_a_secret_is_in_no_process_list_log_or_document(boxed: Bis, project: Make, tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("TOKEN_ONE=first-s3cret\nHOME=/second-s3cret\n")
    named = {"TOKEN_ONE": "first-s3cret", "THREE": "third-s3cret", "HOME": "/second-s3cret"}
    sums = " && ".join(f"{has_sum(name, value)}" for name, value in named.items())
    directory = project(f"{sums} && echo all there && sleep 3", image="tools:1")
    process = boxed.start(
        "run", directory, "--env-file", tmp_path / "secrets.env", "-A", "env=THREE", THREE="third-s3cret"
    )
    started(process, "all there")
    words = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if readable(path)]
    assert not [each for each in words if b"s3cret" in each]
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert "s3cret" not in out + err
    kept = [path for path in boxed.home.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert kept == []


def has_sum(name: str, value: str) -> str:
    """A shell's test of a variable that does not show its value."""
    return f'test "$(printf %s "${name}" | sha256sum | cut -c-64)" = {hashlib.sha256(value.encode()).hexdigest()}'


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_a_value_on_the_command_line_of_bis_goes_no_further(boxed: Bis, project: Make) -> None:
    directory = project(has_sum("KEY", "s3cret"), image="tools:1")
    result = boxed("run", directory, "-A", "env=KEY=s3cret")
    assert result.status == 0, result.err
    assert not [p for p in boxed.home.rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]
    assert "KEY" in boxed("run", directory, "-A", "env=KEY=s3cret", "--dry-run", "--json").out


def test_volumes_are_the_projects_and_belong_to_the_caller(boxed: Bis, project: Make, tmp_path: Path) -> None:
    directory = project(
        "cat /data/in.txt > /out/copied.txt",
        image="tools:1",
        more='  volumes: ["${PWD}/data:/data:ro", "$OUT:/out"]\n',
    )
    (directory / "data").mkdir()
    (directory / "data" / "in.txt").write_text("of the project\n")
    (tmp_path / "out").mkdir()
    result = boxed("run", directory, OUT=str(tmp_path / "out"))
    assert result.status == 0, result.err
    copied = tmp_path / "out" / "copied.txt"
    assert copied.read_text() == "of the project\n"
    assert copied.stat().st_uid == os.getuid()


@pytest.mark.parametrize(
    ("volume", "words"), [("/no/such/place:/data", "/no/such/place"), ("${NOT_SET}/x:/data", "NOT_SET")]
)
def test_a_volume_that_cannot_be_is_told_before_there_is_a_run(
    boxed: Bis, project: Make, volume: str, words: str
) -> None:
    directory = project("true", image="tools:1", more=f'  volumes: ["{volume}"]\n')
    result = boxed("run", directory)
    assert result.status == 2
    assert words in result.err
    assert boxed("list", "--json").json == []


def test_data_that_git_ignores_is_shown_and_cannot_be_written(boxed: Bis, project: Make) -> None:
    directory = project("cat data/big.csv; touch data/new || echo refused", image="tools:1")
    (directory / "data").mkdir()
    (directory / "data" / "big.csv").write_text("1,2,3\n")
    (directory / ".gitignore").write_text("data/\n")
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words], cwd=directory, check=True
        )
    result = boxed("run", directory)
    assert result.status == 0, result.err
    assert result.out.split() == ["1,2,3", "refused"]


def test_path_parameters_are_where_the_command_looks(boxed: Bis, project: Make, tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("outside\n")
    directory = project(
        "cat {far} {near}",
        image="tools:1",
        parameters="{far: {type: path}, near: {type: path}}",
        near__txt="near\n",
    )
    result = boxed("run", directory, "-P", f"far={tmp_path}/outside.txt", "-P", f"near={directory}/near.txt")
    assert result.status == 0, result.err
    assert result.out.split() == ["outside", "near"]


MAKE = """\
import os, sys, urllib.request
place = "{MLFLOW_EXPERIMENT_ID}/{MLFLOW_RUN_ID}/artifacts/made.txt".format(**os.environ)
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow-artifacts/artifacts/" + place
headers = {"Authorization": "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"]}
urllib.request.urlopen(urllib.request.Request(url, sys.argv[1].encode(), headers, method="PUT"))
"""


def test_a_step_reads_what_the_step_before_it_made(boxed: Bis, project: Make) -> None:
    directory = project("python make.py made", make__py=MAKE)
    place = "{steps.main.artifact_uri}"
    with (directory / "MLproject").open("a") as file:
        file.write(
            f'  last:\n    after: [main]\n    command: "cat {place}/made.txt; echo; touch {place}/x || echo refused"\n'
        )
    result = boxed("run", directory, "-e", "last")
    assert result.status == 0, result.err
    assert "[last] made" in result.out
    assert "[last] refused" in result.out
    repeated = boxed("rerun")
    assert repeated.status == 0, repeated.out + repeated.err
    assert "2 inner runs" in repeated.out


def test_a_finished_run_in_a_container_is_taken_when_all_that_it_read_is_known(
    boxed: Bis, project: Make
) -> None:
    directory = project("python make.py made", make__py=MAKE)
    first, again = (boxed("run", directory, "--reuse", "--json").json for _ in range(2))
    assert again["reused"]
    assert again["run_id"] == first["run_id"]
    other = project("cat MLproject", image="tools:1")
    for _ in range(2):
        assert not boxed("run", other, "--reuse", "--json").json["reused"]
    explained = boxed("run", other, "--explain").out
    assert "is not known: of a container, its Python alone is observed" in explained


def test_an_environment_manager_has_no_effect_and_that_is_said(boxed: Bis, project: Make) -> None:
    result = boxed("run", project("echo hello", image="tools:1"), "--env-manager", "local")
    assert result.out == "hello\n"
    assert "--env-manager local has no effect" in result.err


def test_an_image_is_built_from_the_dockerfile_once(boxed: Bis, project: Make) -> None:
    dockerfile = "FROM tools:1\nRUN echo first > /made\n"
    directory = project("cat /made", image="no-such-image", Dockerfile=dockerfile)
    first = boxed("run", directory)
    assert first.status == 0, first.err
    assert "building it from Dockerfile" in first.err
    assert first.out.split() == ["first"]
    assert "building" not in boxed("run", directory).err
    (directory / "Dockerfile").write_text(dockerfile.replace("first", "second"))
    assert boxed("run", directory).out.split() == ["second"]


def test_build_image_honours_dockerignore(boxed: Bis, project: Make) -> None:
    directory = project("ls", image="tools:1", secret__pem="never", used__txt="x")
    (directory / ".dockerignore").write_text("*.pem\n")
    result = boxed("run", directory, "--build-image")
    assert result.status == 0, result.err
    assert result.out.split() == ["MLproject", "used.txt"]


def test_a_tag_that_moves_changes_nothing_until_upgrade(boxed: Bis, project: Make, engine: Engine) -> None:
    engine("tag", "tools:1", "moving:1")
    directory = project("command -v python || echo none", image="moving:1")
    assert boxed("run", directory).out.split() == ["none"]
    engine("tag", "python:1", "moving:1")
    assert boxed("run", directory).out.split() == ["none"]
    assert boxed("run", directory, "--upgrade").out.split() == ["/bin/python"]


def test_options_of_the_engine_are_passed_on(boxed: Bis, project: Make) -> None:
    directory = project(
        "hostname; df -k /dev/shm; touch /etc/mine 2>/dev/null || echo refused", image="tools:1"
    )
    result = boxed("run", directory, "-A", "hostname=inside", "-A", "shm-size=3m", "-A", "read-only")
    assert result.status == 0, result.err
    assert result.out.startswith("inside\n")
    assert " 3072 " in result.out
    assert result.out.endswith("refused\n")
    refused = boxed("run", directory, "-A", "name=mine")
    assert refused.status == 2
    assert "-A name" in refused.err


def test_graphics_cards_are_asked_for_as_the_engine_has_it(boxed: Bis, project: Make) -> None:
    """No card is here: podman says which device it looks for, and docker what it has no driver for."""
    result = boxed("run", project("true", image="tools:1"), "-A", "gpus=all")
    assert result.status == 1
    said = result.out + result.err + boxed("logs").out
    assert "nvidia.com/gpu=all" in said or "capabilities: [[gpu]]" in said


def test_the_end_is_kind_first(boxed: Bis, project: Make, engine: Engine) -> None:
    code = (
        "import signal, sys, time\n"
        "def end(*_):\n    print('ended kindly', flush=True); sys.exit(3)\n"
        "signal.signal(signal.SIGTERM, end)\nprint('ready', flush=True)\ntime.sleep(60)\n"
    )
    process = boxed.start("run", project("python wait.py", wait__py=code))
    started(process, "ready")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "ended kindly" in out
    assert engine.containers() == []
    assert only_run(boxed)["status"] == "KILLED"


def test_a_container_that_ignores_the_end_is_removed(boxed: Bis, project: Make, engine: Engine) -> None:
    command = "trap '' TERM INT; echo ready; while :; do sleep 1; done"
    process = boxed.start("run", project(command, image="tools:1"), "--timeout", "2")
    started(process, "ready")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert engine.containers() == []
    assert only_run(boxed)["status"] == "FAILED"


def test_no_container_is_left_when_bis_is_killed(boxed: Bis, project: Make, engine: Engine) -> None:
    process = boxed.start("run", project("trap '' TERM; echo ready; sleep 60", image="tools:1"))
    started(process, "ready")
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 30
    while engine.containers() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert engine.containers() == []
    assert only_run(boxed)["status"] == "FAILED"


def test_an_image_that_does_not_exist_is_told_and_leaves_no_run(boxed: Bis, project: Make) -> None:
    result = boxed("run", project("true", image="localhost:1/no/such:image"))
    assert result.status == 2
    assert "localhost:1/no/such:image" in result.err
    assert boxed("list", "--json").json == []


def test_a_dockerfile_that_fails_is_told_with_its_last_words(boxed: Bis, project: Make) -> None:
    directory = project(
        "true", image="none", Dockerfile="FROM tools:1\nRUN echo because of this >&2; exit 7\n"
    )
    result = boxed("run", directory)
    assert result.status == 2
    assert "Dockerfile cannot be built" in result.err
    (directory / "Dockerfile").write_text("FROM localhost/no-such-base:1\n")
    refused = boxed("run", directory)
    assert refused.status == 2
    assert "localhost" in refused.err
    assert boxed("list", "--json").json == []


def test_an_engine_that_does_not_run_is_told(bis: Bis, podman: Podman, project: Make, tmp_path: Path) -> None:
    bis.variables.update(podman.environ)
    fake = tmp_path / "bin" / "docker"
    fake.parent.mkdir()
    fake.write_text(
        "#!/bin/sh\necho 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2\nexit 1\n"
    )
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    named = bis("run", project("true", image="tools:1"), "--container-engine", "docker", PATH=path)
    assert named.status == 2
    assert "not running" in named.err
    assert "--container-engine podman" in named.err
    del bis.variables["BIS_CONTAINER_ENGINE"]
    assert bis("run", project("true", image="tools:1"), PATH=path).status == 0


def test_an_engine_that_there_is_not_is_wrong_use(boxed: Bis, project: Make) -> None:
    result = boxed("run", project("true", image="tools:1"), "--container-engine", "dokcer")
    assert result.status == 2
    assert "Did you mean 'docker'" in result.err


@pytest.mark.slow
def test_mlflows_own_client_tracks_from_a_container(boxed: Bis, project: Make) -> None:
    python = client_python(LATEST)
    (packages,) = (python.parent.parent / "lib").glob("python*/site-packages")
    logs = "mlflow.log_metric('m', 0.5); mlflow.log_text('hello', 'a.txt')"
    script = f"import mlflow\nwith mlflow.start_run():\n    {logs}\n"
    directory = project(
        "python train.py",
        more=f'  volumes: ["{packages}:/packages:ro"]\n  environment: [[PYTHONPATH, /packages]]\n',
        train__py=script,
    )
    result = boxed("run", directory)
    assert result.status == 0, result.out + result.err
    shown = only_run(boxed)
    assert "m" in json.dumps(shown["metrics"])
    assert "a.txt" in json.dumps(shown)


def test_the_client_of_bis_is_there_to_import(boxed: Bis, project: Make) -> None:
    script = "import bis\nbis.log_metric('m', 0.5)\nbis.log_text('hello', 'a.txt')\n"
    result = boxed("run", project("python train.py", train__py=script))
    assert result.status == 0, result.out + result.err
    shown = only_run(boxed)
    assert shown["metrics"] == {"m": 0.5}
    assert "a.txt" in json.dumps(shown)


def test_the_record_says_what_was_read_and_written(boxed: Bis, project: Make) -> None:
    assert boxed("run", project("python train.py", train__py=TRAIN)).status == 0
    (record,) = boxed.home.rglob("bis/record.json")
    files = {each["path"]: each for each in json.loads(record.read_text())["files"]}
    assert files["train.py"]["place"] == "tree"
    assert files["model.bin"]["access"] == "written"
    assert not [path for path in files if path.startswith(("/usr", "/bis", "/mlflow"))]
