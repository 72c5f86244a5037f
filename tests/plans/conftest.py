"""A plan to work with, and a home."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis.environments import Lock
from bis.home import Home
from bis.plans import Plan, PlannedSource

if TYPE_CHECKING:
    from pathlib import Path

LOCK = Lock(
    manager="uv",
    python="3.11.7",
    python_requested="3.11",
    platform="linux-x86_64-glibc2.36",
    requirements="alpha==1.0 \\\n    --hash=sha256:" + 64 * "a" + "\n",
    options=("--index-url=https://example.org/simple", "--pre"),
    as_of="2024-05-01T12:00:00Z",
    notes=("a note",),
)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def plan() -> Plan:
    """A plan with something in every field."""
    return Plan(
        source=PlannedSource(40 * "1", "sub/project", "https://example.org/r.git", 40 * "2", dirty=True),
        entry_point="main",
        template="python train.py {data} {alpha}",
        parameters={"data": "data.csv", "alpha": "0.5", "more": "é 'x'", "table": "https://example.org/t"},
        extra=("more",),
        environment=LOCK,
        seed=7,
        level="strict",
        local={"data": "/home/somebody/project/data.csv"},
        in_tree={"data": "sub/project/data.csv"},
        downloads={"table": "https://example.org/t"},
        variables={"OMP_NUM_THREADS": "1"},
        removed_variables=("PYTHONDONTWRITEBYTECODE",),
        secrets=("TOKEN",),
    )
