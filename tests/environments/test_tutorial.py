"""The tutorial's environment, from the real package index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.environments import AsOf
from environments.doubles import python_or_skip, run_in

if TYPE_CHECKING:
    from environments.doubles import Project

TUTORIAL = """\
name: tutorial
channels:
  - defaults
dependencies:
  - python=3.8
  - scikit-learn
  - pandas
  - pip
  - pip:
    - mlflow
"""


def test_small_packages_come_from_the_index_as_of_a_date(project: Project) -> None:
    project.write("requirements.txt", "six\nidna\n")
    lock = project.lock(AsOf.option("2023-06-01"))
    assert (lock.packages["six"], lock.packages["idna"]) == ("1.16.0", "3.4")
    made = project.realize(lock)
    assert run_in(
        made, "python -c 'import six, idna; print(six.__version__)' && pip --version", project.directory
    )


def test_a_uv_lock_of_the_project_is_installed(project: Project) -> None:
    project.write(
        "pyproject.toml",
        '[project]\nname = "x"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["six"]\n',
    )
    project.write("uv.lock", UV_LOCK.replace("HASH", SIX_1_16))
    before = sorted(project.directory.rglob("*"))
    lock = project.lock()
    assert lock.packages == {"six": "1.16.0"}
    assert sorted(project.directory.rglob("*")) == before
    assert (
        run_in(project.realize(lock), "python -c 'import six; print(six.__version__)'", project.directory)
        == "1.16.0"
    )


SIX_1_16 = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"
UV_LOCK = """\
version = 1
requires-python = ">=3.9"

[[package]]
name = "six"
version = "1.16.0"
source = { registry = "https://index.example/simple" }
wheels = [
    { url = "https://h/six-1.16.0-py2.py3-none-any.whl", hash = "sha256:HASH", size = 11053 },
]

[[package]]
name = "x"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "six" }]

[package.metadata]
requires-dist = [{ name = "six" }]
"""


@pytest.mark.slow
def test_the_tutorial_of_2023_gets_the_packages_of_2023(project: Project) -> None:
    python_or_skip("3.8", project.home)
    project.write("conda.yaml", TUTORIAL)
    made = project.realize(project.lock(AsOf.option("2023-06-01")))
    code = "import sklearn, pandas, mlflow, pkg_resources; print(sklearn.__version__, mlflow.__version__)"
    assert run_in(made, f"python -W ignore -c '{code}'", project.directory) == "1.2.2 2.3.2"
    assert run_in(made, "mlflow --version", project.directory) == "mlflow, version 2.3.2"
    assert "mlflow" in run_in(made, "pip list", project.directory)
