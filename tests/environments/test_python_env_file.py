from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import SpecError

if TYPE_CHECKING:
    from environments.doubles import Project

MLFLOW = """\
python: 3.8.18
build_dependencies:
  - setuptools==58.0.4
dependencies:
  - mlflow==2.3.2
  - scikit-learn ; python_version < "4"
"""


def test_the_form_that_mlflow_writes_is_read(project: Project) -> None:
    project.write("python_env.yaml", MLFLOW)
    spec = project.detect()
    assert (spec.kind, spec.manager, spec.python) == ("python_env", "uv", "3.8.18")
    assert spec.requirements == ("setuptools==58.0.4", "mlflow==2.3.2", 'scikit-learn ; python_version < "4"')


def test_an_unquoted_3_10_is_not_3_1(project: Project) -> None:
    project.write("python_env.yaml", "python: 3.10\n")
    assert project.detect().python == "3.10"


def test_an_unknown_key_is_noted_with_its_line_and_the_likely_one(project: Project) -> None:
    project.write("python_env.yaml", "python: 3.8\ndependancies: [six]\n")
    (note,) = project.detect().notes
    assert "python_env.yaml:2" in note
    assert "Did you mean 'dependencies'?" in note


def test_a_conda_file_is_read_as_one(project: Project) -> None:
    project.write("env.yaml", "name: x\nchannels: [defaults]\ndependencies:\n  - pytorch\n")
    spec = project.detect("python_env", "env.yaml")
    assert spec.requirements == ("torch",)
    assert "is a conda file" in spec.notes[0]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("dependencies: six\n", 1, "has to be a list"),
        ("dependencies:\n  - [six]\n", 2, "one word or line"),
        ("dependencies:\n  - -r nowhere.txt\n", 2, "no file"),
        ("dependencies:\n  - six\n  - ./nowhere\n", 3, "nowhere"),
        ("dependencies:\n  - --indexurl=x\n", 2, "unknown option"),
        ("python: [3, 8]\n", 1, "python has to be"),
    ],
)
def test_a_mistake_is_reported_with_its_line(project: Project, text: str, line: int, message: str) -> None:
    project.write("python_env.yaml", text)
    with pytest.raises(SpecError, match=message) as caught:
        project.detect()
    assert caught.value.where
    assert caught.value.where.line == line
