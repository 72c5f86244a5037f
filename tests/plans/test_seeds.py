from __future__ import annotations

import pytest

from bis.errors import UsageError
from bis.plans import chosen_level, chosen_seed, read_level, read_seed


@pytest.mark.parametrize(("text", "seed"), [("0", 0), (" 42 ", 42), ("007", 7), ("4294967295", 2**32 - 1)])
def test_a_seed_is_a_number(text: str, seed: int) -> None:
    assert read_seed(text) == seed


@pytest.mark.parametrize("text", ["", "-1", "4294967296", "1.5", "rand", "1e3", "²", "0x10"])
def test_what_is_no_seed_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no seed"):
        read_seed(text)


def test_a_random_seed_is_another_each_time() -> None:
    seeds = {read_seed("random") for _ in range(8)}
    assert len(seeds) > 1
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_a_run_inside_a_run_has_its_seed_and_level_unless_told_otherwise() -> None:
    outer = {"BIS_SEED": "5", "BIS_LEVEL": "strict"}
    assert (chosen_seed(None, outer), chosen_level(None, outer)) == (5, "strict")
    assert (chosen_seed(6, outer), chosen_level("observe", outer)) == (6, "observe")
    assert (chosen_seed(None, {}), chosen_level(None, {})) == (0, "seed")


def test_a_level_that_is_none_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no level 'strickt'") as caught:
        read_level("strickt")
    assert caught.value.hint == "Did you mean 'strict'?"


def test_a_bad_variable_is_named() -> None:
    with pytest.raises(UsageError, match="BIS_SEED 'x' is no seed"):
        chosen_seed(None, {"BIS_SEED": "x"})
    with pytest.raises(UsageError, match="BIS_LEVEL: there is no level 'x'"):
        chosen_level(None, {"BIS_LEVEL": "x"})
    with pytest.raises(UsageError, match="-3 is no seed"):
        chosen_seed(-3, {})
