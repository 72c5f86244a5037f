"""bis: run a machine-learning project, record all that decided the result, and run it again."""

from __future__ import annotations

from bis._version import __version__

__all__ = ["__version__"]
