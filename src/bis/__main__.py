"""``python -m bis``."""

from __future__ import annotations

from bis.cli.main import run_command_line

run_command_line()
