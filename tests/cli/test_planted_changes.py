"""One change is planted between two runs; ``bis diff`` has to name the layer, and the file or package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bis_command import Bis, write_project

if TYPE_CHECKING:
    from pathlib import Path

MLPROJECT = """\
python_env: python_env.yaml
entry_points:
  main:
    parameters: {alpha: {type: float, default: 0.5}}
    command: "python main.py {alpha}"
  clock: {command: "python clock.py > out.txt"}
"""
MAIN = """\
import random, sys
from pathlib import Path
data = Path("../data.bin").read_bytes()
print(sys.argv[1], random.random(), data, list({"a", "b", "c", "d"}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "data.bin").write_bytes(b"\x00\x01\x02\x03")
    files = {
        "main.py": MAIN,
        "clock.py": "import time\nprint(time.time_ns())\n",
        "python_env.yaml": "dependencies: []\n",
        ".gitignore": "out.txt\n",
    }
    return write_project(tmp_path / "project", MLPROJECT, files)


def first_cause(bis: Bis, before: dict[str, Any], after: dict[str, Any]) -> tuple[str, str]:
    """The layer that ``bis diff`` names first, and everything it says of it."""
    causes = bis("diff", before["run_id"], after["run_id"], "--json").json["causes"]
    assert causes, "no cause was named"
    return causes[0]["layer"], str(causes[0])


def test_nothing(bis: Bis, project: Path) -> None:
    before, after = bis.run_json(project), bis.run_json(project)
    result = bis("diff", before["run_id"], after["run_id"], "--json")
    assert (result.status, result.json["verdict"], result.json["causes"]) == (0, "IDENTICAL", [])


def test_the_code(bis: Bis, project: Path) -> None:
    before = bis.run_json(project)
    (project / "main.py").write_text(MAIN.replace("random.random()", "2 * random.random()"))
    layer, words = first_cause(bis, before, bis.run_json(project))
    assert layer == "source"
    assert "main.py" in words
    assert "2 * random.random()" in words


def test_an_untracked_file(bis: Bis, project: Path) -> None:
    before = bis.run_json(project)
    (project / "new_module.py").write_text("VALUE = 1\n")
    layer, words = first_cause(bis, before, bis.run_json(project))
    assert layer == "source"
    assert "new_module.py" in words


def test_a_parameter(bis: Bis, project: Path) -> None:
    layer, words = first_cause(bis, bis.run_json(project), bis.run_json(project, "-P", "alpha=0.6"))
    assert layer == "parameters"
    assert "alpha" in words


def test_one_byte_of_data(bis: Bis, project: Path, tmp_path: Path) -> None:
    before = bis.run_json(project)
    (tmp_path / "data.bin").write_bytes(b"\x00\x01\x02\x04")
    layer, words = first_cause(bis, before, bis.run_json(project))
    assert layer == "inputs"
    assert "data.bin" in words


def test_a_package_release(bis: Bis, project: Path) -> None:
    (project / "python_env.yaml").write_text("python: '3.11'\ndependencies: [six]\n")
    before, after = (bis.run_json(project, "--as-of", day) for day in ("2020-06-01", "2024-06-01"))
    layer, words = first_cause(bis, before, after)
    assert layer == "environment"
    assert "six" in words
    assert "1.15.0" in words


def test_the_interpreter(bis: Bis, project: Path) -> None:
    before, after = (bis.run_json(project, "--as-of", day) for day in ("2022-12-01", "2024-12-01"))
    assert before["environment"]["python"] != after["environment"]["python"]
    layer, words = first_cause(bis, before, after)
    assert layer == "interpreter"
    assert before["environment"]["python"] in words


@pytest.mark.parametrize(
    ("variable", "one", "other", "layer"),
    [
        ("OMP_NUM_THREADS", "1", "2", "fingerprint"),
        ("OPENBLAS_CORETYPE", "Haswell", "Nehalem", "fingerprint"),
        ("PYTHONHASHSEED", "1", "2", "seed"),
        ("TZ", "UTC", "America/Bogota", "variables"),
    ],
)
def test_a_variable(bis: Bis, project: Path, variable: str, one: str, other: str, layer: str) -> None:
    before, after = (bis.run_json(project, **{variable: value}) for value in (one, other))
    named, words = first_cause(bis, before, after)
    assert named == layer
    assert variable in words


def test_the_seed(bis: Bis, project: Path) -> None:
    layer, words = first_cause(
        bis, bis.run_json(project, "--seed", "1"), bis.run_json(project, "--seed", "2")
    )
    assert layer == "seed"
    assert "seed" in words


def test_the_clock(bis: Bis, project: Path) -> None:
    before, after = bis.run_json(project, "-e", "clock"), bis.run_json(project, "-e", "clock")
    layer, words = first_cause(bis, before, after)
    assert layer in ("nothing recorded differs", "not deterministic")
    assert "time" in words
