"""Levels of determinism: which environment variables each sets."""

from __future__ import annotations

from typing import Literal

Level = Literal["observe", "seed", "strict"]
LEVELS: tuple[Level, ...] = ("observe", "seed", "strict")


def variables_of(level: Level, seed: int, cores: int) -> dict[str, str]:
    """The variables that ``level`` sets for a run with ``seed`` on a machine with so many ``cores``."""
    if level == "observe":
        return {}
    return {"PYTHONHASHSEED": str(seed), "OMP_NUM_THREADS": str(1 if level == "strict" else cores)}
