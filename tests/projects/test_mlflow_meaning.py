"""What MLflow reads in an MLproject file, bis reads too: the same command, letter for letter.

The expectations were checked against MLflow 3.17.2 (``_project_spec.load_project(...).get_entry_point(...)
.compute_command(...)``). ``MENDED`` has the cases in which bis differs, each because MLflow has a defect there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.projects import build_command, load

if TYPE_CHECKING:
    from pathlib import Path


def entry(parameters: str, command: str) -> str:
    """An MLproject file with one entry point."""
    return f"entry_points:\n  main:\n    parameters: {parameters}\n    command: {command}\n"


# name: (MLproject, entry point, parameters, command)
SAME: dict[str, tuple[str, str, dict[str, str], str]] = {
    "tutorial": (
        "name: MyMLProject\nentry_points:\n  main:\n    parameters:\n"
        "      learning_rate: {type: float, default: 0.01}\n      num_epochs: {type: int, default: 10}\n"
        '    command: "python train.py --learning_rate {learning_rate} --num_epochs {num_epochs}"\n',
        "main",
        {"learning_rate": "0.05"},
        "python train.py --learning_rate 0.05 --num_epochs 10",
    ),
    "type alone": (entry("{x: float}", "python a.py {x}"), "main", {"x": "1e-3"}, "python a.py 1e-3"),
    "true": (entry("{x: {default: true}}", "echo {x}"), "main", {}, "echo True"),
    "no": (entry("{x: {type: boolean, default: no}}", "echo {x}"), "main", {}, "echo False"),
    "leading dot": (entry("{x: {default: .0}}", "echo {x}"), "main", {}, "echo 0.0"),
    "trailing zero": (entry("{x: {default: 1.50}}", "echo {x}"), "main", {}, "echo 1.5"),
    "exponent without dot": (entry("{x: {default: 1e-1}}", "echo {x}"), "main", {}, "echo 1e-1"),
    "exponent with dot": (entry("{x: {default: 1.0e-5}}", "echo {x}"), "main", {}, "echo 1e-05"),
    "octal": (entry("{x: {default: 010}}", "echo {x}"), "main", {}, "echo 8"),
    "hexadecimal": (entry("{x: {default: 0x1F}}", "echo {x}"), "main", {}, "echo 31"),
    "sexagesimal": (entry("{x: {default: 1:30}}", "echo {x}"), "main", {}, "echo 90"),
    "underscores": (entry("{x: {default: 1_000}}", "echo {x}"), "main", {}, "echo 1000"),
    "infinity": (entry("{x: {default: .inf}}", "echo {x}"), "main", {}, "echo inf"),
    "date": (entry("{x: {default: 2024-01-01}}", "echo {x}"), "main", {}, "echo 2024-01-01"),
    "time": (
        entry("{x: {default: 2024-01-01 10:00:00}}", "echo {x}"),
        "main",
        {},
        "echo '2024-01-01 10:00:00'",
    ),
    "list": (entry("{x: {type: 'list[int]', default: [1, 2]}}", "echo {x}"), "main", {}, "echo '[1, 2]'"),
    "mapping": (entry("{x: {default: {a: 1}}}", "echo {x}"), "main", {}, "echo '{'\"'\"'a'\"'\"': 1}'"),
    "empty default": (entry('{x: {default: ""}}', "echo {x}"), "main", {}, "echo ''"),
    "zero default": (entry("{x: {default: 0}}", "echo {x}"), "main", {}, "echo 0"),
    "None default of an int": (entry("{x: {type: int, default: None}}", "echo {x}"), "main", {}, "echo None"),
    "ill-typed default": (entry("{x: {type: float, default: abc}}", "echo {x}"), "main", {}, "echo abc"),
    "spaces": (entry("{x: string}", "echo {x}"), "main", {"x": "hello world"}, "echo 'hello world'"),
    "quote": (entry("{x: string}", "echo {x}"), "main", {"x": "it's"}, "echo 'it'\"'\"'s'"),
    "shell characters": (entry("{x: string}", "echo {x}"), "main", {"x": "$(id);`id`"}, "echo '$(id);`id`'"),
    "empty value": (entry("{x: string}", "echo {x}"), "main", {"x": ""}, "echo ''"),
    "dash": (entry("{my-x: {default: 1}}", "echo --my-x={my-x}"), "main", {}, "echo --my-x=1"),
    "twice": (entry("{x: string}", "echo {x}{x}"), "main", {"x": "a b"}, "echo 'a b''a b'"),
    "doubled braces": (entry("{x: string}", "echo {{x}} ${{HOME}}"), "main", {"x": "1"}, "echo {x} ${HOME}"),
    "braces around": (entry("{x: string}", "echo a{{{x}}}"), "main", {"x": "1"}, "echo a{1}"),
    "conversion to string": (entry("{x: string}", "echo {x!s}"), "main", {"x": "a b"}, "echo 'a b'"),
    "string format": (entry("{x: string}", "echo '' {x:s}{x:}"), "main", {"x": "1"}, "echo '' 11"),
    "extra": (
        entry("{x: string}", "python a.py {x}"),
        "main",
        {"z": "a b", "x": "1", "y": ""},
        "python a.py 1 --z 'a b' --y ''",
    ),
    "extra with an odd name": (
        entry("{}", "python a.py"),
        "main",
        {"a;id": "1"},
        "python a.py --'a;id' 1",
    ),
    "hydra": (
        entry("{hydra_options: {default: ''}}", "python a.py $(echo {hydra_options})"),
        "main",
        {"hydra_options": "a=1 b=2"},
        "python a.py $(echo 'a=1 b=2')",
    ),
    "hydra without options": (
        entry("{hydra_options: {default: ''}}", "python a.py $(echo {hydra_options})"),
        "main",
        {},
        "python a.py $(echo '')",
    ),
    "escaped quotes": (
        entry("{x: string}", r"python a.py \'{x}\'"),
        "main",
        {"x": "a"},
        r"python a.py \'a\'",
    ),
    "escaped quotes with a space": (
        entry("{x: string}", r"python a.py \'{x}\'"),
        "main",
        {"x": "a b"},
        r"python a.py \''a b'\'",
    ),
    "plain in quotes": (entry("{x: string}", '>-\n      echo "{x}"'), "main", {"x": "a.csv"}, 'echo "a.csv"'),
    "plain in single quotes": (entry("{x: string}", ">-\n      echo '{x}'"), "main", {"x": "5"}, "echo '5'"),
    "folded": (
        entry("{x: string}", ">\n      python a.py\n      --x {x}"),
        "main",
        {"x": "5"},
        "python a.py --x 5\n",
    ),
    "block with continuation": (
        entry("{x: string}", "|\n      python a.py \\\n        --x {x}"),
        "main",
        {"x": "5"},
        "python a.py \\\n  --x 5\n",
    ),
    "several lines": (
        entry("{x: string}", "|\n      cd sub\n      python a.py {x} && echo done; ls | wc\n"),
        "main",
        {"x": "a b"},
        "cd sub\npython a.py 'a b' && echo done; ls | wc\n",
    ),
    "continuation before an extra": (
        entry("{}", "|\n      python a.py \\\n"),
        "main",
        {"x": "5"},
        "python a.py \\\n --x 5",
    ),
    "extra after a stripped block": (
        entry("{}", "|-\n      python a.py"),
        "main",
        {"x": "5"},
        "python a.py --x 5",
    ),
    "no parameters": ("entry_points:\n  main:\n    command: python a.py\n", "main", {}, "python a.py"),
    "order of the file": (
        entry("{b: {default: 1}, a: {default: 2}}", "echo {a} {b}"),
        "main",
        {"a": "3"},
        "echo 3 1",
    ),
    "uri": (
        entry("{x: uri}", "echo {x}"),
        "main",
        {"x": "s3://bucket/a b"},
        "echo 's3://bucket/a b'",
    ),
    "unknown type": (entry("{x: {type: enum, default: a}}", "echo {x}"), "main", {}, "echo a"),
    "anchors and merges": (
        "base: &base {type: float, default: 0.5}\nentry_points:\n  main:\n    parameters:\n"
        "      x: *base\n      y: {<<: *base, default: 2}\n    command: echo {x} {y}\n",
        "main",
        {},
        "echo 0.5 2",
    ),
    "repeated key": (
        "entry_points:\n  main:\n    parameters: {x: {default: 1}, x: {default: 2}}\n    command: echo {x}\n",
        "main",
        {},
        "echo 2",
    ),
    "name of an entry point": ("entry_points:\n  my-step: {command: echo 1}\n", "my-step", {}, "echo 1"),
    "python script": ("", "train.py", {"x": "a b"}, "python train.py --x 'a b'"),
    "python script in a directory": ("name: x\n", "my dir/a.py", {}, "python 'my dir/a.py'"),
    "shell script": ("name: x\n", "run.sh", {"x": "1"}, "bash run.sh --x 1"),
    "R script": ("name: x\n", "a.R", {"x": "1"}, "Rscript -e \"mlflow::mlflow_source('a.R')\" --args --x 1"),
    "entry point with a script's name": (
        "entry_points:\n  train.py: {command: echo declared}\n",
        "train.py",
        {},
        "echo declared",
    ),
}

MENDED: dict[str, tuple[str, str, dict[str, str], str]] = {
    "extra after a block": (entry("{}", "|\n      python a.py"), "main", {"x": "5"}, "python a.py --x 5"),
    "value in single quotes": (
        entry("{x: string}", ">-\n      echo '{x}'"),
        "main",
        {"x": "it's a"},
        "echo 'it'\\''s a'",
    ),
    "value in double quotes": (
        entry("{x: string}", '>-\n      echo "{x}"'),
        "main",
        {"x": 'a "$b"'},
        'echo "a \\"\\$b\\""',
    ),
    "empty value in quotes": (entry("{x: string}", ">-\n      echo '{x}'"), "main", {"x": ""}, "echo ''"),
    "dot in a name": (entry("{model.depth: {default: 3}}", "echo {model.depth}"), "main", {}, "echo 3"),
    "bracket in a name": (entry("{'a[0]': {default: 3}}", "echo {a[0]}"), "main", {}, "echo 3"),
    "name that YAML reads as a boolean": (
        entry("{off: {default: 1}, y: int, no: int}", "echo {off} {y} {no}"),
        "main",
        {"no": "2", "y": "3"},
        "echo 1 3 2",
    ),
    "name that is a number": (entry("{0: {default: 1}}", "echo {0}"), "main", {}, "echo 1"),
    "shell variable": (
        entry("{x: int}", "echo ${HOME} ${A:-b} {x}"),
        "main",
        {"x": "1"},
        "echo ${HOME} ${A:-b} 1",
    ),
    "dollar before a placeholder": (entry("{x: int}", "echo ${x}"), "main", {"x": "1"}, "echo 1"),
    "after a shell variable": (entry("{x: string}", "echo $DIR{x}"), "main", {"x": "a"}, "echo ${DIR}a"),
    "placeholder of a value that is passed": (entry("{}", "echo {x}"), "main", {"x": "1"}, "echo 1"),
    "null parameters": (entry("", "echo 1"), "main", {}, "echo 1"),
    "null parameter": (entry("{x: }", "echo {x}"), "main", {"x": "1"}, "echo 1"),
    "no space after the colon": (
        entry("{x: {type:float, default:0.5}}", "echo {x}"),
        "main",
        {},
        "echo 0.5",
    ),
    "equals sign": (entry('{x: {type str, default="a"}}', "echo {x}"), "main", {}, "echo a"),
    "braces in a script's name": ("name: x\n", "{a}.py", {}, "python '{a}.py'"),
    "script that looks like an option": ("name: x\n", "-c.py", {}, "python ./-c.py"),
    "command that is a YAML boolean": (entry("{}", "true"), "main", {}, "true"),
    "uri default without a scheme": (
        entry("{x: {type: uri, default: ''}}", "echo {x}"),
        "main",
        {},
        "echo ''",
    ),
}


def command_of(directory: Path, mlproject: str, name: str, values: dict[str, str]) -> str:
    if mlproject:
        (directory / "MLproject").write_text(mlproject)
    if name.endswith((".py", ".sh", ".R")):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).touch()
    binding = load(directory).entry_point(name).bind(values, cwd=directory)
    return build_command(binding.template, binding.parameters, binding.extra, binding.local)


@pytest.mark.parametrize("case", SAME)
def test_the_command_is_that_of_mlflow(case: str, tmp_path: Path) -> None:
    mlproject, name, values, command = SAME[case]
    assert command_of(tmp_path, mlproject, name, values) == command


@pytest.mark.parametrize("case", MENDED)
def test_the_command_is_what_was_meant(case: str, tmp_path: Path) -> None:
    mlproject, name, values, command = MENDED[case]
    assert command_of(tmp_path, mlproject, name, values) == command
