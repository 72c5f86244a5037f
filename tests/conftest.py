"""What every room's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bis_command import Bis

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bis(tmp_path: Path) -> Bis:
    """The bis command with an empty home."""
    return Bis(home=tmp_path / "bis home", cwd=tmp_path)
