"""Parameters: what an entry point declares, and whether a value is of the declared type.

MLflow compares the type only with ``path`` and ``uri``. Here a value that the *user* passes is checked, so
that a mistake is found before anything is built; a default is passed as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bis.errors import ParameterError, Position

if TYPE_CHECKING:
    from collections.abc import Callable

_TRUE_AND_FALSE = frozenset({"true", "false", "1", "0", "yes", "no"})


@dataclass(frozen=True)
class Parameter:
    """A declared parameter. ``default`` is None when a value is required; ``type`` is as written."""

    name: str
    type: str
    default: str | None
    description: str | None = None
    choices: tuple[str, ...] | None = None
    minimum: float | None = None
    maximum: float | None = None
    position: Position | None = None

    @property
    def is_path(self) -> bool:
        """Whether the value names a file or directory, which is made local and absolute."""
        return self.type == "path"

    def check(self, value: str) -> None:
        """Raise ParameterError unless ``value`` is of the type, among the choices and within the limits.

        The text of the default always passes: a file may say ``{type: int, default: "None"}``.
        """
        if value == self.default:
            return
        fault = self._fault(value)
        if fault:
            raise ParameterError(f"{_shown(value)} for parameter {self.name!r}: {fault}", where=self.position)

    @property
    def default_fault(self) -> str | None:
        """Why the default would be refused, were it passed by the user; None when it would not."""
        return None if self.default is None else self._fault(self.default)

    def _fault(self, value: str) -> str | None:
        fault = type_fault(self.type, value)
        if fault:
            return fault
        if self.choices is not None and not any(_same(value, choice) for choice in self.choices):
            return f"expected one of {', '.join(self.choices)}"
        return self._limit_fault(value)

    def _limit_fault(self, value: str) -> str | None:
        if self.minimum is None and self.maximum is None:
            return None
        number = _number(value)
        if number is None:
            return "expected a number, as it has a min or a max"
        if self.minimum is not None and not number >= self.minimum:
            return f"expected at least {self.minimum:g}"
        if self.maximum is not None and not number <= self.maximum:
            return f"expected at most {self.maximum:g}"
        return None


def _shown(value: str) -> str:
    return repr(value if len(value) <= 80 else value[:77] + "...")


def type_fault(type_name: str, value: str) -> str | None:
    """Why ``value`` is not of the type, or None when it is (or the type is unknown, which takes any text).

    >>> type_fault("int", "1.5")
    'expected a whole number, as 10 or -3'
    """
    check = TYPES.get(type_name)
    return check(value) if check else None


def is_known_type(type_name: str) -> bool:
    """Whether bis knows the type; ``list[...]`` of anything is known and not looked into."""
    return type_name in TYPES or (type_name.startswith("list[") and type_name.endswith("]"))


def has_scheme(value: str) -> bool:
    """Whether ``value`` begins as a URI does: ``scheme:`` (RFC 3986, section 3.1)."""
    scheme, colon, _ = value.partition(":")
    allowed = scheme.replace("+", "").replace("-", "").replace(".", "")
    return bool(colon) and scheme.isascii() and scheme[:1].isalpha() and allowed.isalnum()


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _same(value: str, choice: str) -> bool:
    number = _number(value)
    return value == choice or (number is not None and number == _number(choice))


def _float_fault(value: str) -> str | None:
    return None if _number(value) is not None else "expected a number, as 0.01, 1e-3, inf or nan"


def _int_fault(value: str) -> str | None:
    # 10.0 is refused, as the argparse type=int of the script behind it would refuse it
    try:
        int(value)
    except ValueError:
        return "expected a whole number, as 10 or -3"
    return None


def _bool_fault(value: str) -> str | None:
    return None if value.lower() in _TRUE_AND_FALSE else "expected true or false (or 1, 0, yes, no)"


def _uri_fault(value: str) -> str | None:
    return None if has_scheme(value) else "expected a URI, as https://host/file or s3://bucket/key"


def _any_text(_value: str) -> None:
    return None


TYPES: dict[str, Callable[[str], str | None]] = {
    "string": _any_text,
    "str": _any_text,
    "path": _any_text,  # its existence is checked where it is resolved
    "uri": _uri_fault,
    "float": _float_fault,
    "number": _float_fault,
    "int": _int_fault,
    "integer": _int_fault,
    "bool": _bool_fault,
    "boolean": _bool_fault,
}
