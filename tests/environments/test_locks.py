from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from bis.environments import Lock, locks
from bis.environments.locks import LockedPath

if TYPE_CHECKING:
    from bis.home import Home

LOCK = Lock(
    manager="uv",
    python="3.8.18",
    python_requested="3.8",
    platform="linux-x86_64-glibc2.36",
    requirements="six==1.16.0 \\\n    --hash=sha256:aa\nray[tune]==2.0 \\\n    --hash=sha256:bb\n"
    "direct @ https://h/direct-1.0.whl \\\n    --hash=sha256:cc\n",
    unhashed=f"lp @ git+https://h/lp@{'a' * 40}\n",
    local=(LockedPath("pkg", "[x]", editable=True, digest="dd"),),
    options=("--extra-index-url=https://h/simple", "--no-binary=six"),
    variables=(("LEVEL", "3"),),
    undated=("six",),
    as_of="2024-05-01T00:00:00Z",
    as_of_origin="commit",
    notes=("a note",),
)


def test_a_lock_is_the_same_after_writing_and_reading() -> None:
    assert Lock.from_dict(json.loads(json.dumps(LOCK.to_dict()))) == LOCK


@pytest.mark.parametrize(
    "change",
    [
        {"python": "3.8.17"},
        {"platform": "linux-aarch64-glibc2.36"},
        {"requirements": "six==1.16.0 \\\n    --hash=sha256:ab\n"},
        {"unhashed": ""},
        {"local": (LockedPath("pkg", "[x]", editable=True, digest="ee"),)},
        {"options": ("--no-binary=attrs",)},
        {"variables": ()},
        {"manager": "local"},
    ],
)
def test_the_digest_covers_all_that_decides(change: dict[str, object]) -> None:
    assert dataclasses.replace(LOCK, **change).digest != LOCK.digest  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"notes": ()},
        {"as_of": None},
        {"options": ("--index-url=https://mirror/simple", "--no-binary=six")},
        {"python_requested": None},
    ],
)
def test_the_digest_is_the_same_on_any_mirror_and_day(change: dict[str, object]) -> None:
    assert dataclasses.replace(LOCK, **change).digest == LOCK.digest  # type: ignore[arg-type]


def test_packages_are_listed_with_versions_and_commits() -> None:
    assert LOCK.packages == {"six": "1.16.0", "ray": "2.0", "direct": "direct-1.0.whl", "lp": "a" * 40}


def test_a_lock_of_another_format_is_not_read() -> None:
    with pytest.raises(ValueError, match="not a lock of format"):
        Lock.from_dict({**LOCK.to_dict(), "format": 99})


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 1, "who": 2}'])
def test_a_kept_lock_that_was_damaged_is_as_none(home: Home, text: str) -> None:
    home.ensure(home.locks)
    (home.locks / "key.json").write_text(text)
    assert locks.read_kept(home, "key") is None


def test_a_kept_lock_is_read_back(home: Home) -> None:
    locks.keep(home, "key", LOCK)
    assert locks.read_kept(home, "key") == LOCK
    assert [path.name for path in home.locks.iterdir()] == ["key.json"]
