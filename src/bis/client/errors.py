"""What goes wrong between a script and its tracking server."""

from __future__ import annotations


class TrackingError(Exception):
    """The message says what is wrong, and what to do about it. The server cannot be reached, or gives no sense."""


class RefusedError(TrackingError):
    """The server understood, and refused. ``error_code`` is MLflow's, such as ``INVALID_PARAMETER_VALUE``."""

    def __init__(self, message: str, error_code: str) -> None:
        super().__init__(message)
        self.error_code = error_code
