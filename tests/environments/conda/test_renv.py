"""renv.lock: recorded in the lock, restored where there is an R with renv.

``Rscript`` is a stand-in where renv would have to answer, which is not to be had where the tests run.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from bis.environments import Lock
from bis.errors import BuildError, SpecError
from environments.conda_channel import PLACEHOLDER

if TYPE_CHECKING:
    from environments.conda_channel import Channel
    from environments.doubles import Project

RENV = json.dumps({"R": {"Version": "4.3.1"}, "Packages": {"glue": {"Package": "glue", "Version": "1.6.2"}}})
RESTORES = f"""#!/bin/sh
[ "$1" = --vanilla ] && grep -q renv::restore "$2" && cp "$3" "{PLACEHOLDER}/restored.json"
echo "$RENV_CONFIG_AUTOLOADER_ENABLED $R_HOME" > "{PLACEHOLDER}/said.txt"
"""


def lock(project: Project, channel: Channel, rscript: str, renv: str = RENV) -> Lock:
    files = {"bin/Rscript": rscript, "etc/conda/activate.d/r.sh": "export R_HOME=$CONDA_PREFIX/lib/R\n"}
    channel.add("r-base", "4.3.1", files=files)
    project.write("conda.yaml", f"channels: [{channel.url}]\ndependencies: [r-base]\n")
    project.write("renv.lock", renv)
    return project.lock()


def test_its_packages_are_in_the_lock_and_restored_into_the_environment(
    project: Project, channel: Channel
) -> None:
    found = lock(project, channel, RESTORES)
    assert found.renv == RENV
    assert Lock.from_dict(found.to_dict()) == found
    assert any("1 package of R" in note for note in found.notes)
    environment = project.realize(found)
    assert environment.prefix is not None
    assert (environment.prefix / "restored.json").read_text() == RENV
    assert (environment.prefix / "said.txt").read_text() == f"FALSE {environment.prefix}/lib/R\n"
    assert environment.variables({})["RENV_CONFIG_AUTOLOADER_ENABLED"] == "FALSE"


def test_another_renv_lock_is_another_environment(project: Project, channel: Channel) -> None:
    first = lock(project, channel, RESTORES)
    assert lock(project, channel, RESTORES, RENV.replace("1.6.2", "1.7.0")).digest != first.digest


def test_an_r_without_renv_is_said(project: Project, channel: Channel) -> None:
    r = shutil.which("Rscript")  # that of the machine has no renv
    program = f'exec {r} "$@"' if r else "exit 90"
    project.realize(lock(project, channel, f"#!/bin/sh\nunset R_HOME\n{program}\n"))
    assert any("add r-renv" in note for note in project.notes)


def test_what_renv_cannot_restore_is_an_error_and_leaves_nothing(project: Project, channel: Channel) -> None:
    found = lock(project, channel, "#!/bin/sh\necho glue is not available >&2; exit 1\n")
    with pytest.raises(BuildError, match="glue is not available"):
        project.realize(found)
    assert not any(path.is_dir() for path in project.home.environments.iterdir())


def test_without_an_r_it_has_no_effect_and_that_is_said(project: Project, channel: Channel) -> None:
    channel.add("samtools", "1.0")
    project.write("conda.yaml", f"channels: [{channel.url}]\ndependencies: [samtools]\n")
    project.write("renv.lock", RENV)
    found = project.lock()
    assert found.renv == ""
    assert any("no R (r-base)" in note for note in found.notes)


@pytest.mark.parametrize("text", ["{", "[]", '{"Packages": 1}', "{}"])
def test_one_that_cannot_be_read_is_named(project: Project, channel: Channel, text: str) -> None:
    with pytest.raises(SpecError) as caught:
        lock(project, channel, RESTORES, text)
    assert "renv.lock:1" in str(caught.value.where)


def test_beside_a_python_project_it_is_said_to_have_no_effect(project: Project) -> None:
    project.write("python_env.yaml", "dependencies: [six]\n")
    project.write("renv.lock", RENV)
    assert any("renv.lock has no effect" in note for note in project.detect().notes)
