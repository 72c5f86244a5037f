"""The generated reference says what the code says."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from docs.pages import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path


def test_the_reference_pages_are_those_of_the_code() -> None:
    checked = subprocess.run(
        [sys.executable, REPOSITORY / "docs" / "reference.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "transcript", sorted((REPOSITORY / "docs" / "pictures").glob("*.txt")), ids=lambda p: p.stem
)
def test_a_picture_shows_the_transcript_beside_it(transcript: Path, tmp_path: Path) -> None:
    script = REPOSITORY / "docs" / "pictures" / "terminal.py"
    drawn = tmp_path / "drawn.svg"
    subprocess.run([sys.executable, script, transcript, drawn], check=True)
    assert drawn.read_text("utf-8") == transcript.with_suffix(".svg").read_text("utf-8")
