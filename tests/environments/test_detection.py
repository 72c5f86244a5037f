from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.environments import ContainerDeclaration, detect
from bis.errors import SpecError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from environments.doubles import Project

FILES = {
    "python_env.yaml": "dependencies: [six]\n",
    "conda.yaml": "dependencies: [six]\n",
    "environment.yml": "dependencies: [six]\n",
    "environment.yaml": "dependencies: [six]\n",
    "requirements.txt": "six\n",
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["six"]\n',
}


@pytest.mark.parametrize("first", range(len(FILES)))
def test_without_a_declaration_the_first_file_of_the_order_counts(project: Project, first: int) -> None:
    present = list(FILES.items())[first:]
    for name, text in present:
        project.write(name, text)
    spec = project.detect()
    assert spec.file
    assert spec.file.name == present[0][0]
    assert spec.requirements == ("six",)
    said = "the project declares no environment" in " ".join(spec.notes)
    assert said == (first >= 2)  # the first two are what MLflow takes as well


def test_a_declaration_goes_before_the_conventions(project: Project) -> None:
    project.write("python_env.yaml", "dependencies: [attrs]\n")
    project.write("env/conda.yaml", "dependencies: [six]\n")
    assert project.detect("conda_env", "env/conda.yaml").requirements == ("six",)


def test_nothing_declared_is_an_empty_environment_with_a_note(project: Project) -> None:
    spec = project.detect()
    assert spec.empty
    assert spec.kind == "none"
    assert "declares no environment" in spec.notes[0]


def test_a_pyproject_that_only_configures_tools_declares_nothing(project: Project) -> None:
    project.write("pyproject.toml", "[tool.ruff]\nline-length = 100\n")
    assert project.detect().kind == "none"


@pytest.mark.parametrize(
    ("manager", "provider"), [(None, "uv"), ("uv", "uv"), ("virtualenv", "uv"), ("local", "local")]
)
def test_each_manager_of_mlflow_has_its_provider(
    project: Project, manager: str | None, provider: str
) -> None:
    project.write("requirements.txt", "six\n")
    assert project.detect(manager=manager).manager == provider


def test_a_misspelt_manager_gets_did_you_mean(project: Project) -> None:
    with pytest.raises(UsageError, match="'virtualevn'") as caught:
        project.detect(manager="virtualevn")
    assert caught.value.hint == "Did you mean 'virtualenv'?"


def test_conda_by_name_makes_an_environment_of_conda_from_any_declaration(project: Project) -> None:
    project.write("python_env.yaml", "python: 3.8\ndependencies: [six]\n")
    spec = project.detect(manager="conda")
    assert (spec.manager, spec.requirements) == ("conda", ("six",))
    assert spec.conda is not None
    assert [text for text, _ in spec.conda.dependencies] == ["python 3.8.*"]


def test_conda_cannot_take_the_lock_of_another_tool(project: Project) -> None:
    project.write("pyproject.toml", '[project]\nname = "a"\nversion = "1"\n')
    project.write("uv.lock", "")
    with pytest.raises(SpecError, match=r"uv\.lock"):
        project.detect(manager="conda")


def test_a_container_goes_before_the_manager(tmp_path: Path) -> None:
    declared = ContainerDeclaration("image:1")
    spec = detect(tmp_path, kind="docker_env", file=None, manager="conda", container=declared)
    assert (spec.manager, spec.container) == ("container", declared)


@pytest.mark.parametrize(
    ("text", "python"), [("3.8.10\n", "3.8.10"), ("3.9\n", "3.9"), ("my-env\n", None), ("", None)]
)
def test_a_python_version_file_counts_where_nothing_else_pins(
    project: Project, text: str, python: str | None
) -> None:
    project.write("requirements.txt", "six\n")
    project.write(".python-version", text)
    assert project.detect().python == python


def test_a_declared_python_goes_before_the_python_version_file(project: Project) -> None:
    project.write("python_env.yaml", "python: '3.8'\n")
    project.write(".python-version", "3.9\n")
    assert project.detect().python == "3.8"


def test_the_declaration_has_the_same_digest_wherever_the_project_lies(project: Project) -> None:
    (project.directory / "pkg").mkdir()
    project.write("requirements.txt", "six\n-e pkg\n")
    before = project.detect().declared_digest()
    moved = project.directory.rename(project.directory.with_name("elsewhere"))
    project.directory = moved
    assert project.detect().declared_digest() == before
