"""The traits of real MLflow projects, each in a small project that the command runs to its end."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import uv

from bis_command import Bis, git, write_project

if TYPE_CHECKING:
    from pathlib import Path

SHOW = "import json, sys\nprint(json.dumps(sys.argv[1:]))\n"
"""A script that prints its arguments as they arrive."""


def received(bis: Bis, project: Path | str, *words: str) -> list[str]:
    """The arguments that the script of a project was given."""
    result = bis("run", project, "-q", *words)
    assert result.status == 0, result.err
    arguments: list[str] = json.loads(result.out)
    return arguments


def entry_point(parameters: str, command: str) -> str:
    """An MLproject of one entry point."""
    return f"entry_points:\n  main:\n    parameters:\n{_indent(parameters, 6)}    command: {command}\n"


def _indent(text: str, columns: int) -> str:
    return "".join(f"{' ' * columns}{line}\n" for line in text.splitlines())


# --- the file -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlproject", "MLPROJECT", "MLProject", "MlProject"])
def test_the_file_may_be_written_in_any_case(bis: Bis, tmp_path: Path, name: str) -> None:
    project = write_project(tmp_path / "p", "entry_points: {main: {command: echo found}}\n")
    (project / "MLproject").rename(project / name)
    assert bis("run", project, "-q").out == "found\n"


def test_keys_that_nobody_knows_are_taken_with_a_warning(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        "name: odd\nauthor: somebody\nentry_points:\n  main:\n    parameters:\n"
        "      a: {type: tensor, default: 1, unit: m}\n    command: echo {a}\n    outputs: [x]\n",
    )
    result = bis("run", project)
    assert (result.status, result.out) == (0, "1\n")
    checked = bis("check", project)
    for said in ("MLproject:2", "author", "MLproject:6", "tensor", "unit", "outputs"):
        assert said in checked.out + checked.err


def test_an_entry_point_is_chosen_where_there_is_no_main(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        "entry_points:\n  load-data: {command: echo loaded}\n  train.model: {command: echo trained}\n",
    )
    refused = bis("run", project)
    assert refused.status == 2
    assert "load-data" in refused.err
    assert "train.model" in refused.err
    assert bis("run", project, "-q", "-e", "load-data").out == "loaded\n"
    assert bis("run", project, "-q", "-e", "train.model").out == "trained\n"


# --- parameters -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "words", "expected"),
    [
        ("x: {type:float, default: 1}", [], ["1"]),
        ("x: {type:float, default:0.5}", [], ["0.5"]),
        ("x: {type float, default: 2}", [], ["2"]),
        ('x: {type: float, default="3"}', [], ["3"]),
        ("x: {type: int, default: None}", [], ["None"]),
        ('x: {type: int, default: "None"}', [], ["None"]),
        ("x: {type: float, default: 'null'}", [], ["null"]),
        ("x: {type: int, default: 10}", ["-P", "x=-3"], ["-3"]),
        ("x: {default: 5}", [], ["5"]),
        ("x: string", ["-P", "x=a = b"], ["a = b"]),
        ("x: {type: str, default: ''}", [], [""]),
        ("x: {type: bool, default: yes}", [], ["True"]),
        ("x: {type: boolean, default: off}", [], ["False"]),
        ("x: {type: str, default: 1:30}", [], ["90"]),
        ("x: {type: str, default: 010}", [], ["8"]),
        ("x: {type: str, default: 1e-1}", [], ["1e-1"]),
        ("x: {type: str, default: 2024-01-01}", [], ["2024-01-01"]),
        ("x: {type: 'list[int]', default: [1, 2]}", [], ["[1, 2]"]),
        ("x: {default: {a: 1}}", [], ["{'a': 1}"]),
        ("x: {type: str, default: 'a $HOME;b'}", [], ["a $HOME;b"]),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_a_parameter_as_people_write_it(
    bis: Bis, tmp_path: Path, parameters: str, words: list[str], expected: list[str]
) -> None:
    project = write_project(tmp_path / "p", entry_point(parameters, "python main.py {x}"), {"main.py": SHOW})
    assert received(bis, project, *words) == expected


def test_a_default_of_null_makes_the_parameter_required(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point("x: {type: int, default: null}\ny: {type: str, default: ~}", "python main.py {x} {y}"),
        {"main.py": SHOW},
    )
    refused = bis("run", project, "-P", "y=1")
    assert refused.status == 2
    assert "-P x=VALUE" in refused.err
    assert received(bis, project, "-P", "y=1", "-P", "x=0") == ["0", "1"]


def test_names_with_dashes_and_dots(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point(
            "learning-rate: {type: float, default: 0.1}\nmodel.depth: {type: int, default: 3}\n"
            "max_iter: {type: int, default: 5}",
            "python main.py --lr {learning-rate} --depth={model.depth} {max_iter}",
        ),
        {"main.py": SHOW},
    )
    document = bis.run_json(project, "-P", "learning-rate=0.2", "-P", "model.depth=4")
    assert document["command"] == "python main.py --lr 0.2 --depth=4 5"
    assert document["parameters"] == {"learning-rate": "0.2", "model.depth": "4", "max_iter": "5"}


def test_a_declared_parameter_that_the_command_does_not_use_is_recorded(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point("used: {default: 1}\nunused: {type: int, default: 2}", "python main.py {used}"),
        {"main.py": SHOW},
    )
    document = bis.run_json(project, "-P", "unused=7")
    assert document["parameters"] == {"used": "1", "unused": "7"}
    assert document["command"] == "python main.py 1"
    checked = bis("check", project)
    assert "unused" in checked.out + checked.err


def test_a_parameter_that_is_not_declared_is_passed_on(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point("rate: {type: float, default: 1}", "python main.py {rate}"),
        {"main.py": SHOW},
    )
    result = bis("run", project, "-P", "rates=2", "-P", "long name=a b")
    assert json.loads(result.out) == ["1", "--rates", "2", "--long name", "a b"]
    assert "rates" in result.err
    assert "Did you mean 'rate'?" in result.err


METACHARACTERS = (
    "a'b\"c `touch owned` $(touch owned) ${HOME} $HOME; touch owned & | > owned < * ? [a] {b} ~ ! # \\ \t\n%"
)


@pytest.mark.parametrize(
    "value",
    [METACHARACTERS, "", "-rf", "--help", "'", '"', "\\", "ünï çødé 日本", "x" * 100_000, "a\nb", "=", "{x}"],
    ids=lambda value: ascii(value)[:24],
)
@pytest.mark.parametrize(
    "command", ["python main.py {x}", "\"python main.py '{x}'\"", "'python main.py \"{x}\"'"]
)
def test_any_value_arrives_as_it_is(bis: Bis, tmp_path: Path, command: str, value: str) -> None:
    project = write_project(tmp_path / "p", entry_point("x: string", command), {"main.py": SHOW})
    assert received(bis, project, "-P", f"x={value}") == [value]
    assert not (project / "owned").exists()
    assert bis("show", "--json").json["parameters"]["x"] == value


# --- commands -------------------------------------------------------------------------------------------------


def test_a_block_command_takes_extra_parameters(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point("x: {default: 1}", "|\n      echo first\n      python main.py {x}"),
        {"main.py": SHOW},
    )
    assert bis("run", project, "-q", "-P", "extra=a b").out == 'first\n["1", "--extra", "a b"]\n'


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (
            "|\n      python main.py \\\n        --x {x} \\\n        --y {y}",
            '["--x", "1", "--y", "two words"]\n',
        ),
        ('"python main.py \\\n        --x {x} \\\n        --y {y}"', '["--x", "1", "--y", "two words"]\n'),
        (">\n      python main.py\n      --x {x}\n      --y {y}", '["--x", "1", "--y", "two words"]\n'),
        ("python main.py {x}\n      {y}", '["1", "two words"]\n'),
        ("cd sub && python inner.py {y}", "inner two words\n"),
        ("python main.py {x} | tr 1 7", '["7"]\n'),
        ("echo a; echo {x}; echo b", "a\n1\nb\n"),
        ("false || python main.py {y}", '["two words"]\n'),
        ("python main.py $(echo {y})", '["two", "words"]\n'),
        ("\"python main.py '{y}'\"", '["two words"]\n'),
        ("python main.py \\'{y}\\'", "[\"'two words'\"]\n"),
        ("|-\n      echo '{{\"a\": {x}}}'", '{"a": 1}\n'),
        ("echo {{a,b}}{x}", "a1 b1\n"),
        ("X=${{NAME:-none}}; echo $X {x}", "none 1\n"),
        ("python main.py --o={x} pre{x}post", '["--o=1", "pre1post"]\n'),
        ("test -n {y} && for i in 1 2; do echo $i {x}; done", "1 1\n2 1\n"),
        ("python - {x} < main.py", '["1"]\n'),
    ],
)
def test_a_command_as_people_write_it(bis: Bis, tmp_path: Path, command: str, expected: str) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point("x: {type: int, default: 1}\ny: {type: str, default: two words}", command),
        {"main.py": SHOW, "sub/inner.py": "import sys\nprint('inner', *sys.argv[1:])\n"},
    )
    result = bis("run", project, "-q")
    assert result.status == 0, result.err
    assert result.out == expected


# --- scripts --------------------------------------------------------------------------------------------------


def test_scripts_are_entry_points(bis: Bis, tmp_path: Path) -> None:
    project = tmp_path / "scripts"
    (project / "sub dir").mkdir(parents=True)
    (project / "train.py").write_text(SHOW)
    (project / "sub dir" / "say it.sh").write_text('echo "$PWD|$1|$2"\n')
    assert received(bis, project, "-e", "train.py", "-P", "a b=1", "-P", "c=") == ["--a b", "1", "--c", ""]
    result = bis("run", project, "-q", "-e", "sub dir/say it.sh", "-P", "x=2")
    assert result.out == f"{project}|--x|2\n"
    assert bis("run", project).status == 2  # there is no main


needs_r = pytest.mark.skipif(not shutil.which("Rscript"), reason="R is not installed")


@needs_r
def test_r_is_run_and_repeated(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "r",
        "entry_points: {main: {parameters: {alpha: float}, command: 'Rscript train.R --alpha {alpha}'}}",
        {
            "train.R": "cat(commandArgs(trailingOnly = TRUE), coef(lm(dist ~ speed, data = cars)))\n"
            "writeLines('0.5', 'model.txt')\n"
        },
    )
    result = bis("run", project, "-q", "-P", "alpha=0.1")
    assert result.status == 0, result.err
    assert result.out == "--alpha 0.1 -17.57909 3.932409"
    again = bis("rerun", "latest")
    assert (again.status, again.out.splitlines()[0].split()[0]) == (0, "IDENTICAL")
    (project / "train.R").write_text("stop('no data')\n")
    failed = bis("run", project, "-q", "-P", "alpha=0.1")
    assert failed.status == 1
    assert "no data" in failed.err


@needs_r
def test_a_script_of_r_is_an_entry_point(bis: Bis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that only sources the file is in the place of MLflow's package for R, which cannot be had here.

    The command is MLflow's: ``Rscript -e`` adds an ``--args`` of its own before it.
    """
    package = tmp_path / "mlflow"
    package.mkdir()
    (package / "R").mkdir()
    (package / "DESCRIPTION").write_text(
        "Package: mlflow\nVersion: 1.0\nTitle: x\nDescription: x.\nLicense: MIT\n"
    )
    (package / "NAMESPACE").write_text("export(mlflow_source)\n")
    (package / "R" / "source.R").write_text("mlflow_source <- function(uri) source(uri, local = new.env())\n")
    library = tmp_path / "library"
    library.mkdir()
    subprocess.run(["R", "CMD", "INSTALL", "--library", library, package], check=True, capture_output=True)
    monkeypatch.setenv("R_LIBS", str(library))
    project = write_project(
        tmp_path / "r", "name: r\n", {"sub/train.R": "cat(commandArgs(trailingOnly = TRUE), sep = '|')\n"}
    )
    result = bis("run", project, "-q", "-e", "sub/train.R", "-P", "rate=0.1", "-P", "words=two of 'em")
    assert result.status == 0, result.err
    assert result.out == "--args|--rate|0.1|--words|two of 'em"


# --- environments ---------------------------------------------------------------------------------------------

VERSION = "python -c 'import six; print(six.__version__)'"
IMPORTS = f'entry_points: {{main: {{command: "{VERSION}"}}}}\n'

EXPORTED = """\
name: exported
channels:
  - conda-forge
  - defaults
dependencies:
  - _libgcc_mutex=0.1=main
  - ca-certificates=2023.01.10=h06a4308_0
  - ld_impl_linux-64=2.38=h1181459_1
  - libffi=3.4.2=h6a678d5_6
  - libgcc-ng=11.2.0=h1234567_1
  - ncurses=6.4=h6a678d5_0
  - openssl=1.1.1t=h7f8727e_0
  - pip=23.0.1=py311h06a4308_0
  - python={python}=h7a1cb2a_2
  - readline=8.2=h5eee18b_0
  - setuptools=65.6.3=py311h06a4308_0
  - six=1.16.0=pyhd3eb1b0_1
  - sqlite=3.41.1=h5eee18b_0
  - tk=8.6.12=h1ccaba5_0
  - wheel=0.38.4=py311h06a4308_0
  - xz=5.2.10=h5eee18b_1
  - zlib=1.2.13=h5eee18b_0
  - pip:
      - iniconfig==2.0.0
prefix: /home/somebody/miniconda3/envs/exported
"""


def this_python() -> str:
    """The minor version of the Python that runs the tests: it is there."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_a_full_export_of_a_conda_environment(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        "name: exported\nconda_env: environment.yml\nentry_points: {main: {command: "
        "\"python -c 'import six, iniconfig, sys; print(six.__version__, sys.version_info[1])'\"}}\n",
        {"environment.yml": EXPORTED.replace("{python}", f"{this_python()}.99")},
    )
    result = bis("run", project)
    assert result.status == 0, result.err
    assert result.out == f"1.16.0 {sys.version_info[1]}\n"
    for said in ("openssl", "build", f"{this_python()}.99"):
        assert said in result.err


def test_a_python_env_without_python(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        f"python_env: python_env.yaml\n{IMPORTS}",
        {"python_env.yaml": "dependencies: [six==1.16.0]\n"},
    )
    assert bis("run", project, "-q").out == "1.16.0\n"


def test_a_python_env_of_mlflow_with_files_of_requirements(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        f"python_env: envs/python_env.yaml\n{IMPORTS}",
        {
            "envs/python_env.yaml": f"python: {this_python()}\nbuild_dependencies: [pip, setuptools, wheel]\n"
            "dependencies:\n  - -r requirements.txt\n",
            "envs/requirements.txt": "# what is needed\n-c constraints.txt\nsix\n",
            "envs/constraints.txt": "six==1.15.0\n",
        },
    )
    assert bis("run", project, "-q").out == "1.15.0\n"


def test_a_python_env_that_is_a_conda_file(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        f"python_env: conda.yaml\n{IMPORTS}",
        {
            "conda.yaml": f"channels: [defaults]\ndependencies: [python={this_python()}, pip, pip: [six==1.16.0]]\n"
        },
    )
    result = bis("run", project)
    assert (result.status, result.out) == (0, "1.16.0\n"), result.err
    assert "conda" in result.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("environment.yml", "dependencies: [pip, {pip: [six==1.16.0]}]\n"),
        ("requirements.txt", "six==1.16.0\n"),
        ("conda.yaml", "dependencies: [pip, {pip: [six==1.16.0]}]\n"),
        ("python_env.yaml", "dependencies: [six==1.16.0]\n"),
        ("pyproject.toml", '[project]\nname = "p"\nversion = "1"\ndependencies = ["six==1.16.0"]\n'),
    ],
)
def test_an_environment_that_only_lies_there(bis: Bis, tmp_path: Path, name: str, text: str) -> None:
    project = write_project(tmp_path / "p", IMPORTS, {name: text})
    result = bis("run", project)
    assert (result.status, result.out) == (0, "1.16.0\n"), result.err
    assert (f"declares no environment: {name} is taken" in result.err) == (
        name not in {"conda.yaml", "python_env.yaml"}
    )


def test_a_lock_of_uv_decides(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        IMPORTS,
        {
            "pyproject.toml": '[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.10"\n'
            'dependencies = ["six<1.16"]\n'
        },
    )
    subprocess.run(
        [uv.find_uv_bin(), "lock", "--python", sys.executable], cwd=project, check=True, capture_output=True
    )
    manifest = project / "pyproject.toml"
    first = bis("run", project)
    assert (first.status, first.out) == (0, "1.15.0\n"), first.err
    assert "uv.lock" in first.err
    manifest.write_text(manifest.read_text().replace("six<1.16", "six>=1.16"))
    assert bis("run", project, "-q").out == "1.15.0\n"


def test_no_environment_is_an_empty_one(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        'entry_points: {main: {command: "python -c \'import importlib.util as u; print(u.find_spec(\\"yaml\\"))\'"}}\n',
    )
    assert bis("run", project, "-q").out == "None\n"


# --- places ---------------------------------------------------------------------------------------------------


def test_a_project_in_a_subdirectory_uses_files_above(bis: Bis, tmp_path: Path) -> None:
    root = tmp_path / "repository"
    write_project(
        root,
        "name: root\n",
        {"shared/data.csv": "7\n", "environment/conda.yaml": "dependencies: [six=1.16.0]\n"},
    )
    write_project(
        root / "steps" / "train",
        "conda_env: ../../environment/conda.yaml\n"
        + entry_point(
            "data: {type: path, default: ../../shared/data.csv}", "cat {data} && cat ../../shared/data.csv"
        ),
    )
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "start")
    for uri in (f"{root}#steps/train", str(root / "steps" / "train")):
        result = bis("run", uri, "-q")
        assert (result.status, result.out) == (0, "7\n7\n"), result.err
    for uri in (f"{root}#steps/train", f"file://{root}#steps/train"):
        result = bis("run", uri, "-q", "-v", "main")
        assert (result.status, result.out) == (0, "7\n7\n"), result.err


def test_a_relative_default_path_is_found_from_anywhere(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        entry_point("data: {type: path, default: data/x.csv}", "cat {data}"),
        {"data/x.csv": "1\n"},
    )
    assert bis("run", project, "-q").out == "1\n"
    (tmp_path / "mine.csv").write_text("2\n")
    assert bis("run", project, "-q", "-P", "data=mine.csv").out == "2\n"
    assert bis("show", "--json").json["parameters"] == {"data": "mine.csv"}


def test_a_run_that_writes_into_its_directory_is_run_again(bis: Bis, tmp_path: Path) -> None:
    project = write_project(
        tmp_path / "p",
        "entry_points: {main: {command: 'mkdir -p out && date +%N >> out/model.txt && cat .state'}}\n",
        {".state": "x\n"},
    )
    first, second = bis.run_json(project), bis.run_json(project)
    assert (first["status"], second["status"]) == ("FINISHED", "FINISHED")
    assert len((project / "out" / "model.txt").read_text().splitlines()) == 2
    # What the first run wrote is in the tree of the second: the script may have read it.
    assert first["source"]["tree"] != second["source"]["tree"]
