"""What a store refuses, with the code by which MLflow's clients tell one refusal from another."""

from __future__ import annotations

from bis.errors import TrackingError


class RefusedError(TrackingError):
    """A request that the store will not carry out; ``code`` is MLflow's error code.

    A server answers with that code, and a caller can tell "there is none" from "it is there already".
    """

    def __init__(
        self, message: str, *, code: str = "INVALID_PARAMETER_VALUE", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code


def invalid(message: str, *, hint: str | None = None) -> RefusedError:
    """A value that cannot be taken."""
    return RefusedError(message, hint=hint)


def absent(message: str) -> RefusedError:
    """Something that was asked for and is not there."""
    return RefusedError(message, code="RESOURCE_DOES_NOT_EXIST")


def taken(message: str) -> RefusedError:
    """Something that was to be made and is there already."""
    return RefusedError(message, code="RESOURCE_ALREADY_EXISTS")
