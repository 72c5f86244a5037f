from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import SpecError

if TYPE_CHECKING:
    from environments.doubles import Project

PLAIN = """\
[project]
name = "x"
version = "1"
requires-python = ">=3.8,<3.12"
dependencies = ["six>=1", "attrs"]
"""
BUILD = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'


def test_dependencies_of_a_plain_project_are_its_environment(project: Project) -> None:
    project.write("pyproject.toml", PLAIN)
    spec = project.detect()
    assert spec.requirements == ("six>=1", "attrs")
    assert spec.python == ">=3.8,<3.12"
    assert not spec.local


def test_a_packaged_project_is_part_of_its_own_environment(project: Project) -> None:
    project.write("pyproject.toml", PLAIN + BUILD)
    assert [str(each) for each in project.detect().local] == ["-e ."]


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml"])
def test_a_lock_of_the_project_is_respected(project: Project, name: str) -> None:
    project.write("pyproject.toml", PLAIN)
    project.write(name, "")
    spec = project.detect()
    assert spec.lock_file == project.directory / name
    assert spec.notes == (
        "the project declares no environment: pyproject.toml is taken",
        f"the versions of {name} are used",
    )


def test_the_python_of_poetry_is_read(project: Project) -> None:
    project.write(
        "pyproject.toml", '[tool.poetry]\nname = "x"\n[tool.poetry.dependencies]\npython = "^3.8"\n' + BUILD
    )
    assert project.detect().python == ">=3.8,<4"


def test_bad_toml_is_reported_with_its_line(project: Project) -> None:
    project.write("pyproject.toml", "[project]\nname = \n")
    with pytest.raises(SpecError, match="not TOML") as caught:
        project.detect()
    assert caught.value.where
    assert caught.value.where.line == 2


def test_dependencies_of_another_form_are_an_error(project: Project) -> None:
    project.write("pyproject.toml", '[project]\nname = "x"\ndependencies = {six = "1"}\n')
    with pytest.raises(SpecError, match="list of requirements"):
        project.detect()
