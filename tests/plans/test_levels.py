"""The variables of each level."""

from __future__ import annotations

from pathlib import Path

import pytest

from bis.plans.levels import CORES, LEVELS, SEED, TABLE, Held, variables_of


def test_observe_sets_nothing() -> None:
    assert variables_of("observe", 3, 8) == {}


@pytest.mark.parametrize("level", LEVELS[1:])
def test_the_order_of_sets_follows_the_seed(level: str) -> None:
    assert variables_of(level, 3, 8)["PYTHONHASHSEED"] == "3"  # type: ignore[arg-type]


def test_seed_has_a_thread_for_each_core_and_changes_no_kernel() -> None:
    variables = variables_of("seed", 0, 8, machine="x86_64")
    assert {value for name, value in variables.items() if name.endswith("_NUM_THREADS")} == {"8"}
    assert variables["LOKY_MAX_CPU_COUNT"] == "8"
    assert not {"OPENBLAS_CORETYPE", "TZ", "LC_ALL", "GLIBC_TUNABLES"} & set(variables)


def test_strict_has_one_thread_whatever_the_machine() -> None:
    variables = variables_of("strict", 0, 8, machine="x86_64", avx2=True)
    threads = {value for name, value in variables.items() if "THREAD" in name or "CPU_COUNT" in name}
    assert threads == {"1"}
    assert variables == variables_of("strict", 0, 64, machine="x86_64", avx2=True)


def test_strict_sets_all_that_seed_sets() -> None:
    assert set(variables_of("seed", 0, 8)) <= set(variables_of("strict", 0, 8))


def test_kernels_are_named_for_the_processors_that_have_them() -> None:
    new = variables_of("strict", 0, 8, machine="x86_64", avx2=True)
    old = variables_of("strict", 0, 8, machine="x86_64", avx2=False)
    other = variables_of("strict", 0, 8, machine="aarch64")
    assert (new["OPENBLAS_CORETYPE"], old["OPENBLAS_CORETYPE"]) == ("Haswell", "Nehalem")
    assert "OPENBLAS_CORETYPE" not in other


def test_each_variable_is_in_the_table_once() -> None:
    names = [held.name for held in TABLE]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("held", TABLE, ids=lambda held: held.name)
def test_the_page_has_what_each_level_sets(held: Held) -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "levels.md"
    row = next(line for line in page.read_text().splitlines() if f"`{held.name}`" in line)
    _, _, at_seed, at_strict, _, _ = row.split("|")
    words = {SEED: "the seed", CORES: "the cores", None: ""}
    assert at_seed.strip().strip("`") == words.get(held.seed, held.seed)
    if held.name != "NPY_DISABLE_CPU_FEATURES":  # the list is long
        assert at_strict.strip().strip("`") == words.get(held.strict, held.strict)
