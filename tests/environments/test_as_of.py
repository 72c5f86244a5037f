from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest

from bis.environments import AsOf
from bis.errors import HomeError, UsageError

if TYPE_CHECKING:
    from bis.home import Home


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-01", "2024-05-01T23:59:59Z"),
        ("2024-05-01T12:00:00Z", "2024-05-01T12:00:00Z"),
        ("2024-05-01T12:00:00+02:00", "2024-05-01T10:00:00Z"),
        ("2024-05-01T12:00:00", "2024-05-01T12:00:00Z"),
        ("latest", None),
        ("LATEST", None),
    ],
)
def test_the_option_is_read(text: str, expected: str | None) -> None:
    assert AsOf.option(text).text == expected


@pytest.mark.parametrize("text", ["", "yesterday", "2024-13-01", "01.05.2024"])
def test_a_date_that_cannot_be_read_is_wrong_use(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        AsOf.option(text)
    assert "latest" in (caught.value.hint or "")


def test_the_date_of_a_commit_is_taken_in_utc() -> None:
    committed = datetime(2024, 5, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert AsOf.commit(committed).text == "2024-04-30T23:00:00Z"


def test_the_time_of_the_first_run_is_kept_by_declaration(home: Home) -> None:
    first = AsOf.first_run().settled("a" * 64, home, upgrade=False)
    kept = home.locks / f"{'a' * 32}.first-run.json"
    kept.write_text('{"first_run": "2024-05-01T00:00:00+00:00"}')
    assert first.time
    assert AsOf.first_run().settled("a" * 64, home, upgrade=False).text == "2024-05-01T00:00:00Z"
    assert AsOf.first_run().settled("b" * 64, home, upgrade=False).text != "2024-05-01T00:00:00Z"


def test_an_upgrade_begins_anew(home: Home) -> None:
    home.ensure(home.locks)
    (home.locks / f"{'a' * 32}.first-run.json").write_text('{"first_run": "2024-05-01T00:00:00+00:00"}')
    settled = AsOf.first_run().settled("a" * 64, home, upgrade=True)
    assert settled.time
    assert settled.time.year > 2024
    assert AsOf.first_run().settled("a" * 64, home, upgrade=False) == settled


@pytest.mark.parametrize("text", ["", "{", "[]", '{"first_run": 3}'])
def test_a_record_that_was_cut_short_is_begun_anew(home: Home, text: str) -> None:
    home.ensure(home.locks)
    (home.locks / f"{'a' * 32}.first-run.json").write_text(text)
    assert AsOf.first_run().settled("a" * 64, home, upgrade=False).time


def test_a_home_that_is_a_file_is_a_clear_error(home: Home) -> None:
    home.root.write_text("")
    with pytest.raises(HomeError, match="cannot make"):
        AsOf.first_run().settled("a" * 64, home, upgrade=False)
