"""Binding values to an entry point: everything wrong with them is said before anything is built."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

from bis.errors import BisError, ParameterError, ProjectError
from bis.projects import MAX_COMMAND_BYTES, build_command

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bis.projects import Binding, EntryPoint, Project

    Write = Callable[..., Project]
    Entry = Callable[..., EntryPoint]


@pytest.fixture
def entry(project: Write) -> Entry:
    def write(parameters: str, command: str = "python a.py", **files: str) -> EntryPoint:
        text = f"entry_points:\n  main:\n    parameters: {parameters}\n    command: {command}\n"
        return project(text, **files).entry_point("main")

    return write


def command_of(binding: Binding) -> str:
    return build_command(binding.template, binding.parameters, binding.extra, binding.local)


def test_parameters_are_in_the_order_of_the_file_and_as_the_user_wrote_them(
    entry: Entry, tmp_path: Path
) -> None:
    point = entry("{b: {type: float, default: 1}, a: string}", "echo {a} {b}")
    binding = point.bind({"z": "1", "a": "x y", "b": "0.10"}, cwd=tmp_path)
    assert list(binding.parameters.items()) == [("b", "0.10"), ("a", "x y"), ("z", "1")]
    assert (binding.entry_point, binding.extra, binding.warnings) == ("main", ("z",), ())
    assert command_of(binding) == "echo 'x y' 0.10 --z 1"


def test_a_missing_value_is_an_error(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="'main' needs a value for 'a', 'b'") as error:
        entry("{a: int, b: int}").bind({}, cwd=tmp_path)
    assert error.value.hint == "Pass -P a=VALUE -P b=VALUE"
    assert error.value.where is not None
    assert error.value.where.line == 3


def test_a_misspelt_name_is_guessed(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as error:
        entry("{learning_rate: float}").bind({"learning_rat": "1"}, cwd=tmp_path)
    assert error.value.hint == "Did you mean 'learning_rat'? Pass -P learning_rate=VALUE"
    binding = entry("{learning_rate: {default: 1}}").bind({"learning_rat": "1", "other": "2"}, cwd=tmp_path)
    assert binding.warnings == (
        "parameter 'learning_rat' is not declared and is passed on as --learning_rat. "
        "Did you mean 'learning_rate'?",
    )
    assert binding.extra == ("learning_rat", "other")


def test_an_ill_typed_value_names_the_declaration(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"MLproject:3: 'abc' for parameter 'x': expected a number"):
        entry("{x: float}").bind({"x": "abc"}, cwd=tmp_path)


def test_an_ill_typed_default_is_passed(entry: Entry, tmp_path: Path) -> None:
    binding = entry("{x: {type: int, default: None}}", "echo {x}").bind({}, cwd=tmp_path)
    assert command_of(binding) == "echo None"


def test_an_entry_point_without_a_command_is_an_error(project: Write, tmp_path: Path) -> None:
    point = project("entry_points:\n  main:\n    parameters: {}\n").entry_point("main")
    for call in (lambda: point.bind({}, cwd=tmp_path), point.preview):
        with pytest.raises(ProjectError, match=r"MLproject:2: entry point 'main' has no command"):
            call()


def test_an_undeclared_placeholder_is_an_error_with_its_line(project: Write, tmp_path: Path) -> None:
    text = "entry_points:\n  main:\n    command: |\n      cd a\n      python b.py {lr}\n"
    point = project(text).entry_point("main")
    with pytest.raises(ProjectError, match=r"MLproject:5: \{lr\} in the command is not declared") as error:
        point.bind({}, cwd=tmp_path)
    assert error.value.hint is not None
    assert "-P lr=VALUE" in error.value.hint
    binding = point.bind({"lr": "0.1"}, cwd=tmp_path)
    assert command_of(binding) == "cd a\npython b.py 0.1\n"
    assert binding.extra == ()


def test_a_line_is_still_named_when_the_file_has_gone(entry: Entry, tmp_path: Path) -> None:
    point = entry("{}", "echo {x}")
    (tmp_path / "MLproject").unlink()
    with pytest.raises(ProjectError, match="MLproject:4: "):
        point.bind({}, cwd=tmp_path)


def test_a_preview_shows_what_is_missing(entry: Entry) -> None:
    point = entry("{a: int, b: {default: x y}}", "echo $(( {a} )) '{a}' {b}")
    assert point.preview() == "echo $(( <a> )) '<a>' 'x y'"


# Values that no command line carries


@pytest.mark.parametrize("name", ["x", "extra"])
def test_a_nul_is_refused(entry: Entry, tmp_path: Path, name: str) -> None:
    with pytest.raises(ParameterError, match=f"parameter '{name}' holds a NUL"):
        entry("{x: {default: a}}").bind({name: "a\0b"}, cwd=tmp_path)


def test_a_nul_in_a_name_is_refused(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="holds a NUL"):
        entry("{}").bind({"a\0b": "x"}, cwd=tmp_path)


def test_a_value_of_a_megabyte_is_refused_with_its_size(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"the value of 'x' is 1,000,001 bytes long") as error:
        entry("{x: string}", "echo {x}").bind({"x": "a" * 1_000_000}, cwd=tmp_path)
    assert error.value.hint == "Write the value to a file and pass the file's path."
    assert len(str(error.value)) < 400


def test_many_long_values_are_refused_together(entry: Entry, tmp_path: Path) -> None:
    half = "é" * (MAX_COMMAND_BYTES // 4)
    with pytest.raises(ParameterError, match="the command with its values is"):
        entry("{}").bind({"a": half, "b": half, "c": half}, cwd=tmp_path)


def test_the_longest_command_runs() -> None:
    import subprocess

    length = MAX_COMMAND_BYTES - len("printf %s  | wc -c")
    command = build_command("printf %s {x} | wc -c", {"x": "a" * length}, (), {})
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == str(length)


def test_half_of_a_surrogate_pair_is_refused(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="cannot be encoded"):
        entry("{}").bind({"x": "\ud800"}, cwd=tmp_path)


def test_bytes_that_are_not_utf_8_are_carried(entry: Entry, tmp_path: Path) -> None:
    assert command_of(entry("{}").bind({"x": os.fsdecode(b"\xff")}, cwd=tmp_path)).endswith("--x '\udcff'")


def test_a_value_that_cannot_be_quoted_names_the_command(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=r"MLproject:4: the value of 'x' has characters"):
        entry("{x: string}", "echo $(({x}))").bind({"x": "a b"}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("'python a.py # it'", "a comment"),
        ('"cat <<E\\nx\\nE\\n"', "a here-document"),
        ('"cat <<E"', "inside quotes or brackets"),
        ('"echo \'a"', "inside quotes or brackets"),
    ],
)
def test_nothing_is_appended_where_it_would_be_lost(
    entry: Entry, tmp_path: Path, command: str, reason: str
) -> None:
    assert entry("{}", command).bind({}, cwd=tmp_path)
    with pytest.raises(ParameterError, match=f"'x' is not declared and cannot be appended.*{reason}"):
        entry("{}", command).bind({"x": "1"}, cwd=tmp_path)


# Paths


def test_a_path_of_the_user_starts_at_the_working_directory(entry: Entry, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (here / "a b.csv").touch()
    binding = entry("{data: path}", "python a.py {data}").bind({"data": "../here/a b.csv"}, cwd=here)
    assert binding.local == {"data": str(here / "a b.csv")}
    assert binding.parameters == {"data": "../here/a b.csv"}
    assert command_of(binding) == f"python a.py '{here}/a b.csv'"


def test_a_default_path_starts_at_the_project_when_it_is_not_here(entry: Entry, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    (tmp_path / "data.csv").touch()
    point = entry("{data: {type: path, default: data.csv}}", "cat {data}")
    assert point.bind({}, cwd=here).local == {"data": str(tmp_path / "data.csv")}
    (here / "data.csv").touch()
    assert point.bind({}, cwd=here).local == {"data": str(here / "data.csv")}
    (here / "data.csv").unlink()
    with pytest.raises(ParameterError, match="no file or directory 'data.csv'".replace(".", r"\.")):
        point.bind({"data": "data.csv"}, cwd=here)


def test_a_file_uri_is_a_local_path(entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "a b.csv").touch()
    point = entry("{data: path}", "cat {data}")
    for uri in (f"file://{tmp_path}/a%20b.csv", f"file://localhost{tmp_path}/a%20b.csv"):
        assert point.bind({"data": uri}, cwd=tmp_path).local == {"data": str(tmp_path / "a b.csv")}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("missing.csv", "there is no file or directory 'missing"),
        ("", "there is no file or directory ''"),
        ("file:///missing", "there is no file or directory 'file:///missing'"),
        ("file://host/data", "names another host"),
        ("file://[/data", "names another host"),
        ("hdfs://host/data", "hdfs: files cannot be downloaded"),
    ],
)
def test_a_path_that_is_nowhere_is_an_error(entry: Entry, tmp_path: Path, value: str, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        entry("{data: path}", "cat {data}").bind({"data": value}, cwd=tmp_path)


def test_an_empty_default_path_is_passed(entry: Entry, tmp_path: Path) -> None:
    binding = entry("{data: {type: path, default: ''}}", "cat {data}").bind({}, cwd=tmp_path)
    assert (binding.local, command_of(binding)) == ({}, "cat ''")


def test_a_local_name_with_a_colon_is_local(entry: Entry, tmp_path: Path) -> None:
    (tmp_path / "a:b").touch()
    assert entry("{data: path}", "cat {data}").bind({"data": "a:b"}, cwd=tmp_path).downloads == {}


@pytest.mark.parametrize(
    "uri", ["https://host/a.csv", "S3://bucket/a", "gs://b/a", "az://c/a", "runs:/1/model", "models:/m/1"]
)
def test_a_remote_path_is_to_be_downloaded(entry: Entry, tmp_path: Path, uri: str) -> None:
    pytest.importorskip("obstore")
    binding = entry("{data: path}", "cat {data}").bind({"data": uri}, cwd=tmp_path)
    assert (binding.downloads, binding.local) == ({"data": uri}, {})


def test_an_object_store_without_its_client_is_an_error_with_a_way_out(
    entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"pip install 'bis\[cloud\]'"):
        entry("{data: path}", "cat {data}").bind({"data": "s3://b/k"}, cwd=tmp_path)


def test_a_password_in_a_uri_is_not_in_the_representation(entry: Entry, tmp_path: Path) -> None:
    binding = entry("{data: path}", "cat {data}").bind({"data": "https://u:secret@h/a"}, cwd=tmp_path)
    assert "downloads" not in repr(binding)


def test_a_uri_needs_a_scheme(entry: Entry, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="expected a URI"):
        entry("{data: uri}", "cat {data}").bind({"data": "a.csv"}, cwd=tmp_path)


# Scripts


def test_values_for_a_script_are_appended(project: Write, tmp_path: Path) -> None:
    point = project(None, train__py="").entry_point("train.py")
    binding = point.bind({"lr": "0.1", "name": "a b"}, cwd=tmp_path)
    assert command_of(binding) == "python train.py --lr 0.1 --name 'a b'"
    assert binding.warnings == ()


@pytest.mark.parametrize("name", ["missing.py", "train.PY", "a/b.sh"])
def test_a_script_that_is_not_there_is_an_error(project: Write, name: str) -> None:
    with pytest.raises(BisError, match=name.replace(".", r"\.")):
        project(None, train__py="").entry_point(name)


def test_a_misspelt_script_is_guessed(project: Write) -> None:
    with pytest.raises(ProjectError, match=r"Did you mean 'train\.py'\?"):
        project(None, train__py="").entry_point("trian.py")


def test_a_script_stays_in_the_project(project: Write, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "out.py").touch()
    (inner / "link.py").symlink_to(tmp_path / "out.py")
    from bis.projects import load

    for name in ("../out.py", str(tmp_path / "out.py"), "link.py"):
        with pytest.raises(ProjectError, match="lies outside of the project directory"):
            load(inner).entry_point(name)


def test_a_script_of_r_may_have_any_name(project: Write, tmp_path: Path) -> None:
    name = 'it\'s "$HOME" `\\.R'
    (tmp_path / name).touch()
    import subprocess

    command = project().entry_point(name).preview()
    done = subprocess.run(
        ["bash", "-c", "Rscript() { printf '%s\\n' \"$@\"; }; " + command],
        capture_output=True,
        check=True,
        text=True,
    )
    assert done.stdout.splitlines()[1] == "mlflow::mlflow_source('it\\'s \"$HOME\" `\\\\.R')"
