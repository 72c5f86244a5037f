"""Which seed and level a run has: the user's word, else that of the enclosing run, else 0 and ``seed``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from bis.errors import UsageError, did_you_mean
from bis.plans.levels import LEVELS
from bis.plans.plan import MAXIMUM_SEED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bis.plans.levels import Level

RANDOM = "random"


def read_seed(text: str, *, name: str = "--seed") -> int:
    """A seed as it is written: a number of 0 to 4294967295, or ``random`` for a new one; raises UsageError."""
    written = text.strip()
    if written == RANDOM:
        return int.from_bytes(os.urandom(4), "big")
    if written.isascii() and written.isdigit() and int(written) <= MAXIMUM_SEED:
        return int(written)
    raise UsageError(
        f"{name} {text!r} is no seed", hint=f"Give a number of 0 to {MAXIMUM_SEED}, or {RANDOM!r}."
    )


def read_level(text: str, *, name: str = "--level") -> Level:
    """A level by its name; raises UsageError with those that there are."""
    if text not in LEVELS:
        raise UsageError(
            f"{name}: there is no level {text!r}",
            hint=did_you_mean(text, LEVELS) or f"There are: {', '.join(LEVELS)}.",
        )
    return text


def chosen_seed(asked: int | None, environ: Mapping[str, str]) -> int:
    """The seed that was asked for, else that of ``BIS_SEED`` (an enclosing run sets it), else 0."""
    if asked is None:
        return read_seed(environ.get("BIS_SEED") or "0", name="BIS_SEED")
    if not 0 <= asked <= MAXIMUM_SEED:
        raise UsageError(f"{asked} is no seed", hint=f"Give a number of 0 to {MAXIMUM_SEED}.")
    return asked


def chosen_level(asked: str | None, environ: Mapping[str, str]) -> Level:
    """The level that was asked for, else that of ``BIS_LEVEL`` (an enclosing run sets it), else ``seed``."""
    if asked is None:
        return read_level(environ.get("BIS_LEVEL") or "seed", name="BIS_LEVEL")
    return read_level(asked, name="level")
