"""When the minor versions of Python were released: the data of "the newest Python that was a year old then".

Source: the release schedules PEP 494, 537, 569, 596, 619, 664, 693, 719, 745 and 790 (final releases).
"""

from __future__ import annotations

from datetime import date

RELEASED = {
    (3, 6): date(2016, 12, 23),
    (3, 7): date(2018, 6, 27),
    (3, 8): date(2019, 10, 14),
    (3, 9): date(2020, 10, 5),
    (3, 10): date(2021, 10, 4),
    (3, 11): date(2022, 10, 24),
    (3, 12): date(2023, 10, 2),
    (3, 13): date(2024, 10, 7),
    (3, 14): date(2025, 10, 7),
    (3, 15): date(2026, 10, 1),
}


def newest_a_year_old(on: date) -> tuple[int, int]:
    """The newest minor version that had been out for a year; the oldest of the table before that."""
    return max((minor for minor in RELEASED if was_a_year_old(minor, on)), default=min(RELEASED))


def was_a_year_old(minor: tuple[int, int], on: date) -> bool:
    """True when the minor version had been out for a year; one that the table does not know is new."""
    released = RELEASED.get(minor)
    return released is not None and (on - released).days >= 365
