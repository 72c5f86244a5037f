"""Pickles and joblib files: the same state or not, and nothing of them is ever executed."""

from __future__ import annotations

import collections
import contextlib
import pickle
import pickletools
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bis.repeat.comparison import Bounds, Verdict
from bis.repeat.comparison.formats import compare_files
from bis.repeat.comparison.pickle_state import PickleError, read_pickles
from bis.repeat.comparison.pickles import compare_pickle
from bis.repeat.comparison.tally import Context, Finding
from bis.repeat.comparison.volatile import RunWords
from seeded_environments import stack_python

EQUAL, CLOSE, DIFFERENT = Verdict.EQUAL, Verdict.CLOSE, Verdict.DIFFERENT
MODELS = Path(__file__).with_name("pickled_models.py")


def find(one: Any, other: Any, *, protocols: tuple[int, int] = (4, 4), rtol: float = 0.0) -> Finding:
    first, second = (
        pickle.dumps(value, protocol) for value, protocol in zip((one, other), protocols, strict=True)
    )
    finding = compare_pickle(first, second, Context(bounds=Bounds(rtol)))
    assert finding is not None
    return finding


class Model:
    """Something with a state."""

    def __init__(self, **state: object) -> None:
        self.__dict__.update(state)


VALUES: list[Any] = [
    None, True, 1, -(2**80), 1.5, float("nan"), "text", b"bytes", bytearray(b"x"), (), (1, 2, 3, 4), [1, [2]],
    {"a": 1, 2: "b", None: 3, True: 4}, {1, "a"}, frozenset({2}), collections.OrderedDict(a=1), Model(x=1, y=[2]),
    range(3), complex(1, 2), Exception("x"), collections.deque([1]),
]  # fmt: skip


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_state_is_equal_to_itself_in_every_protocol(value: Any, protocol: int) -> None:
    assert find(value, value, protocols=(protocol, protocol)).verdict is EQUAL


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"x", "y", "z"}, {"z", "y", "x"}),
        (["ab", "".join(["a", "b"])], ["ab", "ab"]),  # shared or not, the text is the same
        (Model(x=1, y=2), Model(y=2, x=1)),
        ({"fit_time": 1.0, "x": 1}, {"fit_time": 2.0, "x": 1}),
    ],
)
def test_order_sharing_and_durations_do_not_count(one: Any, other: Any) -> None:
    assert find(one, other).verdict is EQUAL


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ({"a": 1}, {"a": 2}, "a: 1 and 2"),
        ([1, 2], [1, 2, 3], "the object has 2 and 3 items"),
        ({"a": 1}, {"b": 1}, "a is only in the first, b is only in the second"),
        ([1, 2], [2, 1], "[0]: 1 and 2, [1]: 2 and 1"),
        ({1, 2}, {1, 3}, "2 and 3"),
        (Model(x=1), Model(x=2), "x: 1 and 2"),
        (Model(x=1), collections.OrderedDict(), "the object"),
        (1, 1.0, "1 and 1.0"),
        (True, 1, "True and 1"),
        (b"a", b"b", "b'a' and b'b'"),
        ("a", "b", "'a' and 'b'"),
    ],
)
def test_what_differs_is_said(one: Any, other: Any, reason: str) -> None:
    finding = find(one, other)
    assert finding.verdict is DIFFERENT
    assert reason in finding.reason


def test_numbers_have_the_tolerance() -> None:
    finding = find({"w": [1.0, 2.0]}, {"w": [1.0, 2.0001]}, rtol=1e-3)
    assert finding.verdict is CLOSE
    assert finding.absolute == pytest.approx(1e-4)
    assert find([float(i) for i in range(99)], [i + 1e-9 for i in range(99)], rtol=1e-6).verdict is DIFFERENT


def test_states_with_cycles_come_to_an_end() -> None:
    def cycle(value: int) -> list[Any]:
        around: list[Any] = [value]
        around.append(around)
        return around

    assert find(cycle(1), cycle(1)).verdict is EQUAL
    assert find(cycle(1), cycle(2)).verdict is DIFFERENT


def test_a_state_may_be_very_deep() -> None:
    deep = b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b"."
    assert compare_pickle(deep, deep.replace(b"\x80\x04", b"\x80\x05"), Context()) is not None


class Danger:
    """Unpickling it would make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_nothing_of_a_pickle_is_executed(tmp_path: Path) -> None:
    finding = find(Danger(tmp_path / "one"), Danger(tmp_path / "two"))
    assert finding.verdict is DIFFERENT
    assert list(tmp_path.iterdir()) == []


def test_a_class_that_is_not_here_is_no_hindrance() -> None:
    first = b"\x80\x04\x8c\x04nope\x8c\x05Thing\x93)\x81}\x8c\x01xK\x01sb."
    finding = compare_pickle(first, first.replace(b"K\x01", b"K\x02"), Context())
    assert finding is not None
    assert finding.reason == "x: 1 and 2"


WHOLE = pickle.dumps({"a": [1, 2.5, "text"], "b": {1, 2}, "c": Model(x=1)})


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=8))
def test_damaged_pickles_are_told_and_nothing_else(cut: int, more: bytes) -> None:
    data = WHOLE[:cut] + more + WHOLE[cut + len(more) :]
    with contextlib.suppress(PickleError):
        read_pickles(data)
    assert compare_files("m.pkl", WHOLE, data, Context()).verdict in Verdict


@pytest.mark.parametrize("cut", range(2, len(WHOLE) - 1, 7))
def test_a_pickle_that_is_cut_off_is_compared_by_its_bytes(cut: int) -> None:
    finding = compare_files("m.pkl", WHOLE, WHOLE[:cut], Context())
    assert finding.verdict is DIFFERENT


def test_optimized_pickles_are_equal() -> None:
    assert compare_files("m.pkl", WHOLE, pickletools.optimize(WHOLE), Context()).verdict is EQUAL


@pytest.mark.parametrize("stack", ["3.7", "3.8", "3.13"])
def test_real_models_are_compared_by_their_state(tmp_path: Path, stack: str) -> None:
    """The same forest and pipeline with other memo, set order and paths; then fitted to data a hair away."""
    python = stack_python(stack)
    folders = [tmp_path / name for name in ("first", "second", "near")]
    for seed, folder in enumerate(folders):
        folder.mkdir()
        subprocess.run(
            [python, str(MODELS), str(folder), folder.name], check=True, env={"PYTHONHASHSEED": str(seed)}
        )
    first, second, near = folders
    names = sorted(file.name for file in first.iterdir())
    assert len(names) >= 8
    for name in names:
        for other, worst in ((second, EQUAL), (near, CLOSE)):
            context = Context(RunWords((str(first),)), RunWords((str(other),)), Bounds(1e-6))
            finding = compare_files(name, (first / name).read_bytes(), (other / name).read_bytes(), context)
            assert finding.verdict <= worst, (name, finding)
        exact = Context(RunWords((str(first),)), RunWords((str(near),)))
        finding = compare_files(name, (first / name).read_bytes(), (near / name).read_bytes(), exact)
        assert finding.verdict is DIFFERENT, (name, finding)
        assert finding.absolute is not None
        assert 0 < finding.absolute < 1e-6
