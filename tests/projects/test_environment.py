"""The environment that a project declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.errors import ProjectError
from bis.projects import DockerEnvironment, load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.projects import Project

    Write = Callable[..., Project]


@pytest.mark.parametrize("kind", ["python_env", "conda_env"])
def test_a_file_is_found_beside_the_project(project: Write, tmp_path: Path, kind: str) -> None:
    declared = project(f"name: p\n{kind}: env.yaml\n", env__yaml="").environment
    assert declared is not None
    assert (declared.kind, declared.file, declared.docker) == (kind, tmp_path / "env.yaml", None)
    assert declared.position.line == 2


@pytest.mark.parametrize("text", ["name: p\n", "conda_env:\n", "python_env: ''\n", "docker_env: {}\n"])
def test_nothing_is_declared(project: Write, text: str) -> None:
    assert project(text, conda__yaml="", python_env__yaml="").environment is None


@pytest.mark.parametrize("other", ["env.yaml", ""])
def test_two_environments_are_an_error(project: Write, other: str) -> None:
    with pytest.raises(
        ProjectError, match=r"MLproject:2: only one environment .* not python_env and conda_env"
    ):
        project(f"conda_env: env.yaml\npython_env: {other}\n", env__yaml="")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("missing.yaml", "the conda_env file missing.yaml does not exist"),
        (".", "the conda_env file . is not a file"),
        ("../out.yaml", "the conda_env file ../out.yaml lies outside of the project"),
        ("/etc/passwd", "the conda_env file /etc/passwd lies outside of the project"),
        ("link.yaml", "the conda_env file link.yaml lies outside of the project"),
        ("[env.yaml]", "'conda_env' must be the path of a file"),
        ("{name: x}", "'conda_env' must be the path of a file"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(tmp_path: Path, value: str, message: str) -> None:
    directory = tmp_path / "project"
    directory.mkdir()
    (tmp_path / "out.yaml").touch()
    (directory / "link.yaml").symlink_to(tmp_path / "out.yaml")
    (directory / "MLproject").write_text(f"name: p\nconda_env: {value}\n")
    with pytest.raises(ProjectError) as error:
        load(directory)
    assert error.value.message == message
    assert error.value.where is not None
    assert error.value.where.line == 2


def test_a_misspelt_file_is_guessed(project: Write) -> None:
    with pytest.raises(ProjectError, match=r"Did you mean 'conda\.yml'\?"):
        project("conda_env: conda.yaml\n", conda__yml="")


def test_a_project_in_a_subdirectory_may_share_the_file_above(tmp_path: Path) -> None:
    directory = tmp_path / "sub"
    directory.mkdir()
    (tmp_path / "conda.yaml").touch()
    (directory / "MLproject").write_text("conda_env: ../conda.yaml\n")
    declared = load(directory, root=tmp_path).environment
    assert declared is not None
    assert declared.file is not None
    assert declared.file.samefile(tmp_path / "conda.yaml")


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("python_env", "channels: [a]\n", "which is a conda file; write conda_env"),
        ("conda_env", "python: '3.8'\n", "which is a python_env file; write python_env"),
    ],
)
def test_a_file_of_the_other_kind_is_odd(project: Write, kind: str, text: str, message: str) -> None:
    (warning,) = project(f"{kind}: env.yaml\n", env__yaml=text).warnings
    assert message in warning.message


def test_a_docker_environment_is_read(project: Write) -> None:
    declared = project(
        'docker_env:\n  image: a/b:1\n  volumes: ["/a:/a"]\n  environment: [["A", "b"], "C", [D, 1]]\n'
    ).environment
    assert declared is not None
    assert declared.kind == "docker_env"
    assert declared.docker == DockerEnvironment("a/b:1", ("/a:/a",), (("A", "b"), "C", ("D", "1")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("docker_env: image\n", "'docker_env' must hold an image"),
        ("docker_env:\n  volumes: []\n", "'docker_env' names no image"),
        ("docker_env:\n  image:\n  x: 1\n", "'docker_env' names no image"),
        ("docker_env:\n  image: a\n  volumes: /a\n", "'volumes' must be a list of strings"),
        ("docker_env:\n  image: a\n  volumes: [[a]]\n", "'volumes' must be a list of strings"),
        ("docker_env:\n  image: a\n  environment: A\n", "'environment' must be a list"),
        ("docker_env:\n  image: a\n  environment: [[A]]\n", "'environment' must be a list"),
        ("docker_env:\n  image: a\n  environment: [{A: b}]\n", "'environment' must be a list"),
    ],
)
def test_a_bad_docker_environment_is_an_error(project: Write, text: str, message: str) -> None:
    with pytest.raises(ProjectError, match=message):
        project(text)


def test_an_unknown_key_of_a_docker_environment_is_odd(project: Write) -> None:
    (warning,) = project("docker_env:\n  image: a\n  volume: []\n").warnings
    assert str(warning).endswith("unknown key 'volume' of docker_env is ignored. Did you mean 'volumes'?")
