"""Sets of plain objects come in the order of their addresses."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bis.execution.addresses import fixed_addresses

ORDER = """
class Thing: pass
things = [Thing() for _ in range(50)]
print([things.index(thing) for thing in set(things)], id(things))
"""


def order() -> str:
    command = [sys.executable, "-I", "-S", "-c", ORDER]
    return subprocess.check_output(command, env={"PYTHONHASHSEED": "0"}, text=True)


def test_objects_have_the_same_addresses_each_time() -> None:
    with fixed_addresses() as fixed:
        if not fixed:
            pytest.skip("this system keeps address randomization on")
        first, second = order(), order()
    assert first == second


def test_it_is_on_again_afterwards() -> None:
    with fixed_addresses():
        pass
    assert len({order() for _ in range(5)}) > 1


def test_it_says_so_where_the_system_has_no_such_thing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with fixed_addresses() as fixed:
        assert not fixed
