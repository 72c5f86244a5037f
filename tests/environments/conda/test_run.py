"""Projects that are run in conda environments by the command itself, repeated, packed and repeated elsewhere."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from bis_command import Bis, write_project
from environments.conda_channel import (
    PLACEHOLDER,
    VERSIONS,
    Channel,
    python_or_skip,
    python_package,
    pythons,
)

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
import os, random, sys
import six, toolbox
print(sys.version.split()[0], six.__version__, toolbox.__version__, os.environ["TOOLBOX"], os.environ["GREETING"])
with open("model.txt", "w") as file:
    file.write(str(random.random()))
"""

RSCRIPT = f"""\
#!/bin/sh
# A stand-in for R: it says how it was called.
echo "R of {PLACEHOLDER}: $*"
"""


@pytest.fixture
def tools(tmp_path: Path) -> Channel:
    """A package of Python and a stand-in for R."""
    found = Channel(tmp_path / "tools")
    files = python_package("toolbox", "1.0") | {"etc/conda/activate.d/toolbox.sh": "export TOOLBOX=here\n"}
    found.add("toolbox", "1.0", files=files, depends=("python",), noarch="python")
    found.add("r-base", "4.3.1", files={"bin/Rscript": RSCRIPT})
    found.add("samtools", "1.7", files={"bin/count": "#!/bin/sh\nwc -l < $1\n"})
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_a_project_of_conda_packages_and_a_pip_section_repeats_here_and_elsewhere(
    bis: Bis, tmp_path: Path, tools: Channel, version: str
) -> None:
    full = python_or_skip(version)
    conda = (
        f"name: project\nchannels: [{pythons().url}, {tools.url}]\n"
        f"dependencies:\n  - python={version}\n  - toolbox\n  - samtools\n  - pip\n  - pip:\n    - six==1.16.0\n"
        "variables: {GREETING: hello}\n"
    )
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points: {main: {command: python train.py}}\n",
        {"conda.yaml": conda, "train.py": TRAIN},
    )
    ran = bis.run_json(project)
    assert ran["environment"]["manager"] == "conda"
    assert ran["environment"]["python"] == full
    logged = bis("logs", ran["run_id"]).out
    assert f"{full} 1.16.0 1.0 here hello" in logged

    again = bis("rerun", ran["run_id"])
    assert again.out.startswith("IDENTICAL") or "IDENTICAL" in again.out + again.err, again.err
    assert again.status == 0

    capsule = tmp_path / "run.zip"
    assert bis("export", ran["run_id"], capsule).status == 0
    elsewhere = Bis(home=tmp_path / "another home", cwd=tmp_path)
    repeated = elsewhere("rerun", capsule, "--yes")
    assert repeated.status == 0, repeated.err
    assert "IDENTICAL" in repeated.out + repeated.err
    (made,) = elsewhere("env", "list", "--json").json
    assert made["digest"] == ran["environment"]["lock_digest"]


def test_a_script_of_r_runs_in_an_environment_of_r(bis: Bis, tmp_path: Path, tools: Channel) -> None:
    """Rscript is a stand-in of the test channel that prints its arguments, since MLflow's package for R is not here."""
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points:\n  main: {command: 'Rscript train.R --alpha 1'}\n",
        {"conda.yaml": f"channels: [{tools.url}]\ndependencies: [r-base=4.3]\n", "train.R": "cat('hi')\n"},
    )
    declared = bis("run", project)
    assert declared.status == 0, declared.err
    assert "R of " in declared.out
    assert declared.out.endswith(": train.R --alpha 1\n")
    assert "Python" not in declared.err
    script = bis("run", project, "-e", "train.R", "-P", "alpha=2")
    assert script.status == 0, script.err
    assert "mlflow::mlflow_source('train.R') --args --alpha 2" in script.out
    assert bis("rerun", "latest").status == 0


@pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not installed")
def test_r_itself_runs_in_an_environment_of_r(bis: Bis, tmp_path: Path, tools: Channel) -> None:
    """The R of the machine, which a package of the test channel starts."""
    tools.add("r-base", "4.3.2", files={"bin/Rscript": f'#!/bin/sh\nexec {shutil.which("Rscript")} "$@"\n'})
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points:\n  main: {command: 'Rscript train.R --alpha 1'}\n",
        {
            "conda.yaml": f"channels: [{tools.url}]\ndependencies: [r-base=4.3.2]\n",
            "train.R": "cat(commandArgs(trailingOnly = TRUE), coef(lm(dist ~ speed, data = cars)))\n",
        },
    )
    ran = bis("run", project)
    assert ran.status == 0, ran.err
    assert ran.out == "--alpha 1 -17.57909 3.932409"
    again = bis("rerun", "latest")
    assert again.status == 0, again.err
    assert again.out.splitlines()[0].split()[0] == "IDENTICAL"


def test_a_project_with_no_python_at_all(bis: Bis, tmp_path: Path, tools: Channel) -> None:
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points:\n  main: {command: bash count.sh}\n",
        {
            "conda.yaml": f"channels: [{tools.url}]\ndependencies: [samtools]\n",
            "count.sh": "count data.txt > lines.txt; cat lines.txt\n",
            "data.txt": "a\nb\n",
        },
    )
    ran = bis("run", project)
    assert ran.status == 0, ran.err
    assert ran.out == "2\n"
    assert bis.statuses() == ["FINISHED"]
    assert bis("show", "latest").status == 0
    assert bis("rerun", "latest").status == 0
    listed = bis("env", "list", "--json").json
    assert [each["python"] for each in listed] == [""]
    assert bis("env", "list").status == bis("env", "show", listed[0]["digest"][:6]).status == 0
    described = json.loads(bis("check", project, "--json").out)
    assert described["environment"]["manager"] == "conda"


def test_the_lock_of_a_conda_project_can_be_committed(bis: Bis, tmp_path: Path, tools: Channel) -> None:
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points:\n  main: {command: bash -c 'count conda.yaml'}\n",
        {"conda.yaml": f"channels: [{tools.url}]\ndependencies: [samtools]\n"},
    )
    written = bis("lock", project)
    assert written.status == 0, written.err
    document = json.loads((project / "bis.lock").read_text())
    assert 'name: "samtools"' in "\n".join(document["locks"][0]["conda"])
    tools.add("samtools", "1.8")
    assert bis("run", project, "--locked").status == 0
    (made,) = bis("env", "list", "--json").json
    shown = bis("env", "show", made["digest"][:6], "--json").json
    assert 'version: "1.7"' in shown["lock"]["conda"]
    assert "1.8" in bis("lock", project, "--upgrade").out


def test_what_cannot_be_made_leaves_no_run_running(bis: Bis, tmp_path: Path, tools: Channel) -> None:
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points:\n  main: {command: 'true'}\n",
        {"conda.yaml": f"channels: [{tools.url}]\ndependencies: [samtools, nowhere]\n"},
    )
    failed = bis("run", project)
    assert failed.status == 2
    assert "nowhere" in failed.err
    assert len(failed.err.splitlines()) < 12
    assert bis.statuses() == []


def test_a_run_whose_packages_are_gone_cannot_be_repeated(
    bis: Bis, tmp_path: Path, tools: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RATTLER_CACHE_DIR")
    project = write_project(
        tmp_path / "p",
        "conda_env: conda.yaml\nentry_points:\n  main: {command: 'true'}\n",
        {"conda.yaml": f"channels: [{tools.url}]\ndependencies: [samtools]\n"},
    )
    assert bis("run", project).status == 0
    tools.directory.rename(tmp_path / "elsewhere")
    bis("env", "prune", "--older-than", "0")
    assert bis("rerun", "latest").status == 0, "from the cache of the home"
    bis("env", "prune", "--older-than", "0")
    shutil.rmtree(bis.home / "cache")
    failed = bis("rerun", "latest")
    assert failed.status == 3
    assert "samtools-1.7-0.conda" in failed.err
    assert "RUNNING" not in bis.statuses()
