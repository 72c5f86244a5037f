from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.environments import conda_names
from bis.errors import SpecError

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


def test_the_tutorial_is_translated_and_says_so_in_one_line(project: Project) -> None:
    project.write("conda.yaml", TUTORIAL)
    spec = project.detect()
    assert spec.python == "3.8"
    assert set(spec.requirements) == {"scikit-learn", "pandas", "pip", "mlflow"}
    assert spec.notes == ("conda.yaml: scikit-learn, pandas from PyPI",)


@pytest.mark.parametrize(
    ("dependency", "requirement"),
    [
        ("pytorch=1.12", "torch==1.12.*"),
        ("pytorch::torchvision", "torchvision"),
        ("opencv==4.5.1", "opencv-python-headless==4.5.1.*"),
        ("matplotlib-base>=3,<4", "matplotlib>=3,<4"),
        ("msgpack-python", "msgpack"),
        ("py-xgboost=1.5.0", "xgboost==1.5.0.*"),
        ("pytables", "tables"),
        ("python-graphviz", "graphviz"),
        ("ruamel_yaml", "ruamel.yaml"),
        ("numpy=1.21.2=py38h20f2e39_0", "numpy==1.21.2"),
        ("librosa", "librosa"),
    ],
)
def test_a_package_is_called_as_on_pypi(project: Project, dependency: str, requirement: str) -> None:
    project.write("conda.yaml", f"dependencies:\n  - {dependency}\n")
    assert project.detect().requirements == (requirement,)


@pytest.mark.parametrize(
    "name", ["_libgcc_mutex", "ca-certificates", "libstdcxx-ng", "mkl", "nomkl", "blas=*=openblas"]
)
def test_what_only_steers_conda_is_left_out_with_a_note(project: Project, name: str) -> None:
    project.write("conda.yaml", f"dependencies:\n  - numpy\n  - {name}\n")
    spec = project.detect()
    assert spec.requirements == ("numpy",)
    assert f"without {name.split('=', maxsplit=1)[0]}" in spec.notes[0]


@pytest.mark.parametrize(
    "name",
    ["openssl", "cudatoolkit=11.3", "r-base", "r-ggplot2", "nodejs", "gcc_linux-64", "libpng", "ffmpeg"],
)
def test_what_only_conda_has_makes_it_an_environment_of_conda(project: Project, name: str) -> None:
    project.write("conda.yaml", f"dependencies:\n  - numpy\n  - {name}\n  - pip: [six]\n")
    spec = project.detect()
    assert spec.manager == "conda"
    assert spec.conda is not None
    assert [text for text, _ in spec.conda.dependencies] == ["numpy", name]
    assert spec.requirements == ("six",)


def test_what_only_conda_has_is_an_error_for_uv_that_names_it_and_its_line(project: Project) -> None:
    project.write("conda.yaml", "dependencies:\n  - numpy\n  - openssl\n")
    with pytest.raises(SpecError, match="openssl") as caught:
        project.detect(manager="uv")
    assert str(caught.value.where).endswith("conda.yaml:3")
    assert "--env-manager" in (caught.value.hint or "")


def test_versions_without_an_equivalent_on_pypi_need_conda(project: Project) -> None:
    project.write("conda.yaml", "dependencies:\n  - numpy=1.2|1.3\n")
    assert project.detect().manager == "conda"


EXPORTED = """\
name: exported
dependencies:
  - _libgcc_mutex=0.1=main
  - freetype=2.12.1=h4a9f257_0
  - numpy=1.24.3=py38h14f4228_0
  - openssl=3.0.8=h7f8727e_0
  - python=3.8.16=h955ad1f_4
  - tk=8.6.12=h1ccaba5_0
"""


def test_libraries_of_an_export_come_with_python_and_the_wheels(project: Project) -> None:
    project.write("conda.yaml", EXPORTED)
    spec = project.detect()
    assert (spec.python, spec.requirements) == ("3.8.16", ("numpy==1.24.3",))
    assert "without _libgcc_mutex, freetype, openssl, tk" in spec.notes[0]


def test_a_program_in_an_export_still_needs_conda(project: Project) -> None:
    project.write(
        "conda.yaml", EXPORTED + "  - ffmpeg=4.3=hf484d3e_0\nprefix: /home/somebody/envs/exported\n"
    )
    spec = project.detect()
    assert spec.manager == "conda"
    assert any("name, prefix: of no effect" in note for note in spec.notes)


def test_cuda_is_left_out_beside_torch_which_brings_its_own(project: Project) -> None:
    project.write("conda.yaml", "dependencies:\n  - pytorch\n  - cudatoolkit=11.3\n")
    assert project.detect().requirements == ("torch",)


def test_the_local_manager_reads_a_file_that_needs_conda(project: Project) -> None:
    project.write("conda.yaml", "dependencies:\n  - openssl\n  - numpy\n")
    spec = project.detect(manager="local")
    assert [name for name, _ in spec.conda_only] == ["openssl"]


def test_the_pip_section_is_read_as_pip_reads_it(project: Project) -> None:
    project.write("more.txt", "six\n")
    (project.directory / "pkg").mkdir()
    project.write(
        "conda.yaml",
        "dependencies:\n  - pip:\n    - -r more.txt\n    - -e pkg\n    - git+https://example.com/x.git@v1#egg=x\n",
    )
    spec = project.detect()
    assert spec.requirements == ("six", "git+https://example.com/x.git@v1#egg=x")
    assert [str(each) for each in spec.local] == ["-e pkg"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("dependencies:\n  - numpy [\n", 2, "cannot read the conda dependency"),
        ("dependencies: numpy\n", 1, "has to be a list"),
        ("dependencies:\n  - numpy: 1.2\n", 2, "only `pip:`"),
        ("dependencies:\n  - pip: mlflow\n", 2, "pip has to be a list"),
        ("- a\n- b\n", 1, "key: value"),
        ("dependencies:\n  - a\n b: [\n", 3, "not YAML"),
        ("<<<<<<< HEAD\nname: a\n=======\nname: b\n>>>>>>> b\n", 1, "merge conflict"),
    ],
)
def test_a_mistake_is_reported_with_its_line(project: Project, text: str, line: int, message: str) -> None:
    project.write("conda.yaml", text)
    with pytest.raises(SpecError, match=message) as caught:
        project.detect()
    assert caught.value.where
    assert caught.value.where.line == line


def test_utf_16_is_named(project: Project) -> None:
    (project.directory / "conda.yaml").write_bytes(TUTORIAL.encode("utf-16"))
    with pytest.raises(SpecError, match="UTF-16"):
        project.detect()


def test_an_empty_file_declares_nothing_and_says_so(project: Project) -> None:
    project.write("conda.yaml", "")
    spec = project.detect()
    assert spec.empty
    assert "empty" in spec.notes[0]


def test_variables_of_the_file_are_kept(project: Project) -> None:
    project.write("conda.yaml", "dependencies: [six]\nvariables:\n  LEVEL: 3\n")
    assert project.detect().variables == (("LEVEL", "3"),)


@pytest.mark.parametrize("name", sorted(conda_names.RENAMED))
def test_no_renamed_package_is_also_refused(name: str) -> None:
    assert conda_names.normalized(name) == name
    assert not conda_names.has_no_effect(name)
    assert name == "graphviz" or not conda_names.needs_conda(name)


def test_for_conda_the_notes_of_the_translation_are_left_out_and_the_others_stay(project: Project) -> None:
    project.write("environment.yml", "name: x\ndependencies:\n  - numpy\n  - samtools\n")
    notes = project.detect().notes
    assert [note for note in notes if "PyPI" in note] == []
    assert any("declares no environment: environment.yml is taken" in note for note in notes)
    assert any(note.endswith("name: of no effect here") for note in notes)


def test_a_channel_of_its_own_makes_it_an_environment_of_conda(project: Project) -> None:
    project.write("conda.yaml", "channels: [conda-forge, 'file:///srv/team']\ndependencies: [numpy]\n")
    assert project.detect().manager == "conda"
    assert project.detect(manager="uv").requirements == ("numpy",)


@pytest.mark.parametrize(
    "channel",
    [
        "conda-forge",
        "https://conda.anaconda.org/conda-forge",
        "https://m.example/anaconda/pkgs/main/",
        "bioconda",
    ],
)
def test_a_public_channel_leaves_it_to_pypi(project: Project, channel: str) -> None:
    project.write("conda.yaml", f"channels: ['{channel}']\ndependencies: [numpy]\n")
    assert project.detect().manager == "uv"
