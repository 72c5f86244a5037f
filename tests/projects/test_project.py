"""Loading a directory: the MLproject file, what is odd in it, and every mistake with its file and line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from bis.errors import Position, ProjectError
from bis.projects import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.projects import Project

    Write = Callable[..., Project]

MAIN = "entry_points:\n  main:\n    command: python a.py\n"


def warnings_of(project: Project) -> list[str]:
    return [f"{warning.where.line}: {warning.message}" for warning in project.warnings]


# Finding the file


@pytest.mark.parametrize("name", ["MLproject", "mlproject", "MLPROJECT", "MLProject"])
def test_the_file_is_found_in_any_case(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(MAIN)
    assert load(tmp_path).file == tmp_path / name


def test_the_exact_name_is_taken_before_others(tmp_path: Path) -> None:
    (tmp_path / "MLPROJECT").write_text("name: other\n")
    (tmp_path / "MLproject").write_text("name: this\n")
    project = load(tmp_path)
    assert project.name == "this"
    assert warnings_of(project) == ["1: there are MLproject, MLPROJECT; MLproject is used"]


def test_a_directory_of_that_name_is_not_the_file(tmp_path: Path) -> None:
    (tmp_path / "mlProject").mkdir()
    assert load(tmp_path).file is None


def test_a_directory_without_the_file_has_its_scripts(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    project = load(tmp_path)
    assert (project.file, project.name, project.environment, project.entry_points) == (None, None, None, {})
    assert project.entry_point("train.py").command == "python train.py"
    with pytest.raises(ProjectError, match=r"has no MLproject file, and 'main' is not a script") as error:
        project.entry_point("main")
    assert error.value.hint == "Scripts that -e can name: train.py."


def test_a_yaml_extension_is_named_as_the_cause(tmp_path: Path) -> None:
    (tmp_path / "MLproject.yaml").write_text(MAIN)
    with pytest.raises(ProjectError, match="rename it to MLproject"):
        load(tmp_path).entry_point("main")


def test_a_directory_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match="cannot read the project"):
        load(tmp_path / "missing")


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "MLproject").write_text(MAIN)
    (tmp_path / "MLproject").chmod(0)
    if os.access(tmp_path / "MLproject", os.R_OK):
        pytest.skip("this user reads every file")
    with pytest.raises(ProjectError, match=r"cannot read .*Permission denied"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["with space", "qu'ot\"es", "new\nline", "naïve", "$(touch x)"])
def test_a_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "MLproject").write_text(MAIN)
    assert load(tmp_path / name).entry_point("main").command == "python a.py"


# Reading it


def test_what_is_read_keeps_its_position(project: Write, tmp_path: Path) -> None:
    loaded = project(
        "name: p\nentry_points:\n  main:\n    description: trains\n    parameters:\n      x: {type: int}\n"
        "    command: >-\n      python a.py\n      {x}\n"
    )
    entry = loaded.entry_point("main")
    file = tmp_path / "MLproject"
    assert (loaded.name, entry.description) == ("p", "trains")
    assert entry.position == Position(file, 3, 3)
    assert entry.parameters[0].position == Position(file, 6, 7)
    assert entry.locate("{x}") == Position(file, 9, 7)
    assert loaded.warnings == ()


@pytest.mark.parametrize("text", ["", "# nothing\n", "null\n", "---\n"])
def test_an_empty_file_is_an_empty_project(project: Write, text: str) -> None:
    loaded = project(text)
    assert loaded.entry_points == {}
    assert warnings_of(loaded) == ["1: the file is empty"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_read(project: Write, encoding: str) -> None:
    mark = {"utf-16": b"", "utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}[encoding]
    loaded = project(mark + "name: né\n".encode(encoding))
    assert loaded.name == "né"
    assert "UTF-16" in loaded.warnings[0].message


def test_a_byte_order_mark_and_windows_lines_are_read(project: Write) -> None:
    loaded = project(b"\xef\xbb\xbf" + MAIN.replace("\n", "\r\n").encode())
    assert loaded.entry_point("main").command == "python a.py"
    assert loaded.warnings == ()


# (text, line, part of the message)
MISTAKES = {
    "not yaml": ("name: p\nentry_points:\n  main: [\n", 4, "not valid YAML"),
    "tab": ("name: p\nentry_points:\n\tmain: 1\n", 3, "not valid YAML"),
    "colon in a value": ("name: a: b\n", 1, "not valid YAML"),
    "latin-1": (b"# ok\nname: caf\xe9\n", 2, "not written in UTF-8"),
    "control character": ("name: ok\nx: \x07\n", 2, "not valid YAML"),
    "two documents": ("name: a\n---\nname: b\n", 2, "not valid YAML"),
    "merge conflict": ("name: p\n<<<<<<< HEAD\nx: 1\n=======\nx: 2\n>>>>>>> b\n", 2, "merge conflict"),
    "list at the top": ("- a\n", 1, "must be a mapping"),
    "text at the top": ("python a.py\n", 1, "must be a mapping"),
    "name is a list": ("name: [a]\n", 1, "'name' must be a word"),
    "entry points are a list": ("entry_points:\n  - main\n", 2, "'entry_points' must be a mapping"),
    "entry point is a string": ("entry_points:\n  main: python a.py\n", 2, "'main' must be a mapping"),
    "command is a list": ("entry_points:\n  main:\n    command:\n      - python\n", 4, "must be a string"),
    "command is a mapping": ("entry_points:\n  main:\n    command: {a}\n", 3, "must be a string"),
    "parameters are a list": (
        "entry_points:\n  main:\n    parameters:\n      - x\n    command: a\n",
        4,
        "'parameters' must be a mapping",
    ),
    "parameter is a number": (
        "entry_points:\n  main:\n    parameters:\n      x: 5\n    command: a\n",
        4,
        "'x' needs a type",
    ),
    "parameter is a list": (
        "entry_points:\n  main:\n    parameters:\n      x: [float]\n    command: a\n",
        4,
        "'x' needs a type",
    ),
    "key is a mapping": ("{a: 1}: b\n", 1, "a key must be a word"),
    "choices are no list": (
        "entry_points:\n  main:\n    parameters:\n      x: {choices: a}\n    command: a\n",
        4,
        "'choices' must be a list",
    ),
    "limit is no number": (
        "entry_points:\n  main:\n    parameters:\n      x: {min: a}\n    command: a\n",
        4,
        "'min' must be a number",
    ),
    "no such date": (
        "entry_points:\n  main:\n    parameters:\n      x: {default: 2024-13-45}\n    command: a\n",
        4,
        "this value cannot be read",
    ),
    "python object": (
        "entry_points:\n  main:\n    parameters:\n      x: {default: !!python/name:os.system }\n    command: a\n",
        4,
        "this value cannot be read",
    ),
    "deep default": (
        "entry_points:\n  main:\n    parameters:\n      x: {default: " + "[" * 900 + "]" * 900 + "}\n",
        4,
        "this value cannot be read",
    ),
    "bad merge": ("<<: 1\nname: a\n", 1, "not valid YAML"),
    "deep": ("a: " + "[" * 5_000, 1, "nest"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_names_file_and_line(project: Write, tmp_path: Path, mistake: str) -> None:
    text, line, message = MISTAKES[mistake]
    with pytest.raises(ProjectError, match=message) as error:
        project(text)
    assert error.value.where is not None
    assert (error.value.where.file, error.value.where.line) == (tmp_path / "MLproject", line)
    assert str(error.value).startswith(f"{tmp_path}/MLproject:{line}: ")


# What is odd


def parameters(text: str) -> str:
    """An MLproject file whose fourth line is ``text``."""
    return f"entry_points:\n  main:\n    parameters:\n      {text}\n    command: echo {{x}}\n"


ODD = {
    "unknown key": ("entry_pointz:\n  main: {}\n", "1: unknown key 'entry_pointz' is ignored. Did you mean"),
    "far from any key": ("zzz: 1\n", "1: unknown key 'zzz' is ignored."),
    "dialect": ("uv_env: a\n", "1: 'uv_env' is a dialect"),
    "empty entry points": ("entry_points:\n", "1: 'entry_points' is empty"),
    "empty entry point": ("entry_points:\n  main:\n", "2: entry point 'main' is empty"),
    "no command": ("entry_points:\n  main: {parameters: {}}\n", "2: entry point 'main' has no command"),
    "unknown key of an entry point": (
        MAIN + "    comand: x\n",
        "4: unknown key 'comand' of entry point 'main' is ignored. Did you mean 'command'?",
    ),
    "repeated key": ("name: a\nname: b\n", "2: 'name' is written twice; the last one counts"),
    "boolean name": ("name: no\n", "1: YAML reads the name 'no' as a value"),
    "mark of a merge conflict": ('name: "a\n<<<<<<< HEAD\n  b"\n', "2: a mark of a Git merge conflict"),
    "unknown type": (
        parameters("x: {type: flaot}"),
        "4: unknown type 'flaot' of parameter 'x' is read as string.",
    ),
    "type in the wrong case": (parameters("x: {type: Float}"), "4: unknown type 'Float' of parameter 'x'"),
    "no type": (parameters("x:"), "4: parameter 'x' has no type"),
    "unknown key of a parameter": (
        parameters("x: {type: int, defualt: 1}"),
        "4: unknown key 'defualt' of parameter 'x' is ignored. Did you mean 'default'?",
    ),
    "no space in the type": (
        parameters("x: {type:float, default: 1}"),
        "4: 'type:float' is read as 'type: float'",
    ),
    "no colon": (parameters("x: {type float, default: 1}"), "4: 'type float' is read as 'type: float'"),
    "equals sign": (parameters('x: {type: str, default="a"}'), "4: 'default=\"a\"' is read as"),
    "ill-typed default": (
        parameters("x: {type: int, default: 1.5}"),
        "4: the default '1.5' of parameter 'x'",
    ),
    "default out of the choices": (parameters("x: {choices: [a], default: b}"), "4: the default 'b'"),
    "name that is a boolean": (
        parameters("off: {type: int, default: 1}").replace("{x}", "{off}"),
        "4: YAML reads the parameter name 'off' as a value",
    ),
    "unused parameter": (
        parameters("y: int").replace("{x}", ""),
        "4: parameter 'y' is declared, and the command does not use it",
    ),
    "undeclared placeholder": (
        parameters("x: int").replace("{x}", "{x} {xs}"),
        "5: {xs} in the command is not declared under 'parameters'. Did you mean 'x'?",
    ),
    "shell variable": (parameters("x: int").replace("{x}", "{x} ${HOME}"), "5: ${HOME} is left to the shell"),
    "dollar before a placeholder": (
        parameters("x: int").replace("{x}", "${x}"),
        "5: ${x} is read as the value",
    ),
    "databricks": ("databricks_spark_job: {python_file: a}\n", "1: databricks_spark_job is not supported"),
    "single brace": (parameters("x: int").replace("{x}", "{x} }"), "5: a single '}' in the command"),
}


@pytest.mark.parametrize("oddity", ODD)
def test_what_is_odd_is_said_with_its_line(project: Write, oddity: str) -> None:
    text, message = ODD[oddity]
    assert any(warning.startswith(message) for warning in warnings_of(project(text))), warnings_of(
        project(text)
    )


def test_an_undeclared_placeholder_is_found_on_its_own_line(project: Write) -> None:
    loaded = project("entry_points:\n  main:\n    command: |\n      cd x\n      python a.py {lr}\n")
    assert warnings_of(loaded)[0].startswith("5: {lr} in the command is not declared")


@pytest.mark.parametrize("default", ["''", "None", "'null'"])
def test_defaults_that_stand_for_nothing_are_not_odd(project: Write, default: str) -> None:
    assert project(parameters(f"x: {{type: int, default: {default}}}")).warnings == ()


@pytest.mark.parametrize(
    "parameter",
    ["x: {type: 'list[int]', default: [1]}", "x: path", "x: {type: bool, default: yes, description: b}"],
)
def test_what_is_usual_is_not_odd(project: Write, parameter: str) -> None:
    assert project(parameters(parameter)).warnings == ()


# Entry points


def test_a_missing_entry_point_names_what_is_there(project: Write) -> None:
    loaded = project("entry_points:\n  main: {command: a}\n  train: {command: a}\n", evaluate__py="")
    with pytest.raises(ProjectError, match="there is no entry point 'trian'") as error:
        loaded.entry_point("trian")
    assert error.value.hint == (
        "Did you mean 'train'? Entry points: main, train. Scripts that -e can name: evaluate.py."
    )


def test_a_databricks_job_is_refused_when_it_is_run(project: Write) -> None:
    loaded = project(MAIN + "databricks_spark_job:\n  python_file: a.py\n")
    with pytest.raises(ProjectError, match="databricks_spark_job is not supported") as error:
        loaded.entry_point("main")
    assert error.value.where is not None
    assert error.value.where.line == 4
