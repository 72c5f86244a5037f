from __future__ import annotations

import pytest

from bis.plans import Request, decides
from bis.plans.levels import TABLE
from bis.plans.prepare import decided_variables
from bis.plans.variables import core_count, recorded_variables

CALLER = {"OMP_NUM_THREADS": "3", "TZ": "Asia/Tokyo", "MY_SWITCH": "on", "AWS_SECRET_ACCESS_KEY": "s"}


@pytest.mark.parametrize("name", ["OMP_NUM_THREADS", "LC_ALL", "TZ", "PYTHONHASHSEED", "MKL_CBWR"])
def test_what_decides_is_known_by_name(name: str) -> None:
    assert decides(name)


@pytest.mark.parametrize("name", ["HOME", "PATH", "AWS_SECRET_ACCESS_KEY", "MLFLOW_TRACKING_TOKEN", "USER"])
def test_what_may_be_secret_is_not_recorded(name: str) -> None:
    assert not decides(name)


def test_everything_that_a_level_sets_decides() -> None:
    assert all(decides(held.name) for held in TABLE)


def test_only_what_decides_is_recorded() -> None:
    assert recorded_variables(CALLER) == {"OMP_NUM_THREADS": "3", "TZ": "Asia/Tokyo"}


def test_a_random_hash_seed_is_as_good_as_none() -> None:
    assert recorded_variables({"PYTHONHASHSEED": "random"}) == {}
    assert recorded_variables({"PYTHONHASHSEED": "5"}) == {"PYTHONHASHSEED": "5"}


def test_at_observe_the_variables_are_the_callers() -> None:
    found, absent = decided_variables(Request("x", level="observe"), CALLER)
    assert (found, absent) == ({"OMP_NUM_THREADS": "3", "TZ": "Asia/Tokyo"}, ())


def test_at_seed_the_callers_choice_goes_before_the_levels() -> None:
    found, _ = decided_variables(Request("x", seed=4), CALLER)
    assert (found["OMP_NUM_THREADS"], found["PYTHONHASHSEED"]) == ("3", "4")
    assert decided_variables(Request("x"), {})[0]["OMP_NUM_THREADS"] == str(core_count())


def test_at_strict_the_level_goes_before_the_callers_choice_unless_that_was_named() -> None:
    found, _ = decided_variables(Request("x", level="strict"), CALLER)
    assert (found["OMP_NUM_THREADS"], found["TZ"]) == ("1", "UTC")
    kept, _ = decided_variables(Request("x", level="strict", keep=("OMP_NUM_THREADS",)), CALLER)
    assert kept["OMP_NUM_THREADS"] == "3"


def test_what_the_user_names_is_recorded_and_its_absence_too() -> None:
    found, absent = decided_variables(Request("x", level="observe", keep=("MY_SWITCH", "OTHER")), CALLER)
    assert found["MY_SWITCH"] == "on"
    assert absent == ("OTHER",)


def test_a_deciding_variable_of_an_env_file_is_recorded() -> None:
    request = Request("x", level="observe", env_file={"TZ": "UTC", "PASSWORD": "p"})
    assert decided_variables(request, CALLER)[0] == {"OMP_NUM_THREADS": "3", "TZ": "UTC"}
