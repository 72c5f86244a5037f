"""Unmodified scripts come out the same again, in every Python that is here. With libraries: test_seed_libraries.py."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from bis.execution.variables import PROBE
from execution.interpreters import interpreters
from execution.seeding import run_script

if TYPE_CHECKING:
    from pathlib import Path

PYTHONS = [python for python in interpreters() if not re.search(r"3\.6", python)]

UNSEEDED = """
    import random
    print(random.random(), random.gauss(0, 1), random.Random().random(), random.sample(range(100), 5))
    random.seed()
    print(random.random())
    print({"alpha", "beta", "gamma", "delta"})
"""

SELF_SEEDED = """
    import random
    random.seed(7)
    print(random.random())
    state = random.getstate()
    print(random.random(), random.Random("text").random())
    random.setstate(state)
    print(random.random(), random.seed.__name__, random.Random.seed.__doc__ is not None)
"""

ENTROPY = """
    import os, random, secrets, ssl, tempfile, uuid
    random.random()
    print(os.urandom(8), secrets.token_hex(8), uuid.uuid4(), random.SystemRandom().random(), ssl.RAND_bytes(8))
    print(tempfile.mktemp())
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_an_unseeded_script_comes_out_the_same_again(python: str, tmp_path: Path) -> None:
    assert run_script(python, UNSEEDED, tmp_path) == run_script(python, UNSEEDED, tmp_path)


def test_every_python_draws_the_same_numbers(tmp_path: Path) -> None:
    drawn = {run_script(python, "import random; print(random.random())", tmp_path) for python in PYTHONS}
    assert len(drawn) == 1


def test_another_seed_draws_other_numbers(tmp_path: Path) -> None:
    lines = [run_script(sys.executable, UNSEEDED, tmp_path, seed=seed).split() for seed in (0, 1, 2**32 - 1)]
    assert len({line[0] for line in lines}) == len({line[1] for line in lines}) == 3


def test_an_observed_script_is_not_seeded(tmp_path: Path) -> None:
    first, second = (run_script(sys.executable, UNSEEDED, tmp_path, level="observe") for _ in range(2))
    assert first != second


@pytest.mark.parametrize("python", PYTHONS)
def test_a_script_that_seeds_itself_is_as_without_bis(python: str, tmp_path: Path) -> None:
    assert run_script(python, SELF_SEEDED, tmp_path) == run_script(python, SELF_SEEDED, tmp_path, level=None)


@pytest.mark.parametrize("python", PYTHONS)
def test_entropy_for_security_stays_random(python: str, tmp_path: Path) -> None:
    first, second = (run_script(python, ENTROPY, tmp_path).split() for _ in range(2))
    assert not set(first) & set(second)


def test_it_says_what_was_seeded_and_by_whom(tmp_path: Path) -> None:
    code = """
        import bis_seed
        print(bis_seed.seeded())
        import random
        print(bis_seed.seeded())
        random.seed(1)
        print(bis_seed.seeded())
    """
    assert run_script(sys.executable, code, tmp_path) == "[]\n['random']\n['random (program)']\n"


@pytest.mark.parametrize("name", ["random", "torch", "tensorflow", "tempfile"])
def test_a_module_of_the_project_with_a_known_name_is_left_alone(name: str, tmp_path: Path) -> None:
    (tmp_path / f"{name}.py").write_text("answer = 42\n")
    assert run_script(sys.executable, f"import {name}; print({name}.answer)", tmp_path) == "42\n"


@pytest.mark.parametrize(
    ("release", "known"),
    [
        ((1, 19), []),
        ((1, 24), ["AVX512F", "AVX512_SKX"]),
        ((2, 3), ["AVX512F", "AVX512_SKX"]),
        ((2, 4), ["X86_V4"]),
    ],
)
def test_numpy_is_told_of_the_kernels_that_it_and_the_processor_have(
    release: tuple[int, int], known: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(PROBE))
    from bis_kernels import known_features

    wanted = ["AVX512F", "AVX512_KNL", "AVX512_SKX", "AVX512_SPR", "X86_V4"]
    assert known_features(release, {"avx2", "avx512f", "avx512dq"}, wanted) == known


def test_keras_and_tensorflow_are_given_a_seed(tmp_path: Path) -> None:
    (tmp_path / "tensorflow").mkdir()
    (tmp_path / "tensorflow" / "__init__.py").write_text("from tensorflow import random\n")
    (tmp_path / "tensorflow" / "random.py").write_text("given = []\nset_seed = given.append\n")
    code = "import tensorflow, bis_seed; print(tensorflow.random.given, bis_seed.seeded()[-1])"
    first = run_script(sys.executable, code, tmp_path)
    assert re.fullmatch(r"\[\d+\] tensorflow\n", first)
    assert first == run_script(sys.executable, code, tmp_path)
    assert first != run_script(sys.executable, code, tmp_path, seed=1)
