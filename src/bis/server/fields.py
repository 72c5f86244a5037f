"""What a request asks for: JSON or query fields, checked as they are taken, in the words of MLflow's own
server.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from bis.tracking.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from enum import Enum
    from typing import Any, NoReturn

E = TypeVar("E", bound="Enum")

MOST_JSON_DEPTH = 64
"""How deep the objects and lists of a request may lie in each other; MLflow's have four levels."""

_SEE = "See the API docs for more information about request parameters."


class Fields:
    """The fields of a request, or of an object in it. Those that nobody takes are ignored, as in MLflow.

    Values of a query are texts, so a number or a truth value may come as a text everywhere.
    """

    def __init__(self, values: Mapping[str, Any], size_bytes: int = 0) -> None:
        self.values = values
        """What came, unchecked."""
        self.size_bytes = size_bytes
        """The length of the body that they came in."""

    def words(self, names: Iterable[str]) -> dict[str, str]:
        """Those of the named fields that are a text or a number, as text."""
        values = {name: self.values[name] for name in names if name in self.values}
        return {
            name: str(value)
            for name, value in values.items()
            if isinstance(value, (str, int)) and value != ""
        }

    def text(self, name: str) -> str:
        """A text; "" when it is absent or null."""
        value = self.values.get(name)
        if value is None:
            return ""
        if isinstance(value, list) and value and isinstance(value[-1], str):
            value = value[-1]  # a query's field that is there several times
        if not isinstance(value, str):
            self._refuse(name, value)
        _check_text(name, value)
        return value

    def required(self, name: str) -> str:
        """A text that must be there and not be empty."""
        value = self.text(name)
        if not value:
            raise _missing(name)
        return value

    def run_id(self) -> str:
        """The run: clients send ``run_id``, old ones ``run_uuid``."""
        return self.text("run_id") or self.text("run_uuid") or self.required("run_id")

    def version(self) -> int:
        """The number of a model's version, which is a text."""
        text = self.required("version")
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise invalid(f"Model version must be an integer, got '{text[:100]}'")
        return int(text)

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A whole number of 64 bits; ``default`` when it is absent or null."""
        value = self.values.get(name)
        if isinstance(value, list) and value:
            value = value[-1]
        if value is None:
            return default
        number = _integer(value)
        if number is None or not -(2**63) <= number < 2**63:
            self._refuse(name, value)
        return number

    def whole(self, name: str, default: int) -> int:
        """A whole number, with a default that is one."""
        value = self.integer(name, default)
        return default if value is None else value

    def required_integer(self, name: str) -> int:
        """A whole number that must be there."""
        value = self.integer(name)
        if value is None:
            raise _missing(name)
        return value

    def required_number(self, name: str) -> float:
        """A number that must be there; NaN and the infinities come as texts."""
        value = self.values.get(name)
        if value is None:
            raise _missing(name)
        if isinstance(value, str):
            try:
                return float(value)  # reads NaN, Infinity and -Infinity too
            except ValueError:
                self._refuse(name, value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._refuse(name, value)
        try:
            return float(value)
        except OverflowError:
            self._refuse(name, value)

    def boolean(self, name: str, *, default: bool = False) -> bool:
        """A truth value; ``default`` when it is absent."""
        value = self.values.get(name)
        if isinstance(value, list) and value:
            value = value[-1]
        if value is None:
            return default
        if value in (True, "true", "True"):
            return True
        if value in (False, "false", "False"):
            return False
        return self._refuse(name, value)

    def texts(self, name: str) -> list[str]:
        """A list of texts; empty when it is absent."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._refuse(name, value)
        for item in value:
            _check_text(name, item)
        return value

    def objects(self, name: str) -> list[Fields]:
        """A list of objects; empty when it is absent."""
        return [Fields(item) for item in self.dicts(name)]

    def dicts(self, name: str) -> list[dict[str, Any]]:
        """A list of objects, whose fields are unchecked."""
        value = self.values.get(name)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self._refuse(name, value)
        return value

    def nested(self, name: str) -> Fields:
        """An object that must be there."""
        value = self.values.get(name)
        if value is None:
            raise _missing(name)
        if not isinstance(value, dict):
            self._refuse(name, value)
        return Fields(value)

    def choice(self, name: str, choices: type[E], default: E) -> E:
        """One of an enumeration's names."""
        value = self.text(name)
        if not value:
            return default
        if value not in choices.__members__:
            self._refuse(name, value)
        return choices[value]

    def max_results(self, default: int, most: int) -> int:
        """How many results are wanted, in bounds."""
        number = self.integer("max_results")
        if number is None:
            return default
        if not 1 <= number <= most:
            raise invalid(
                f"Invalid value {number} for parameter 'max_results' supplied. It must be at least 1 and at"
                f" most {most}."
            )
        return number

    def _refuse(self, name: str, value: object) -> NoReturn:
        shown = json.dumps(value, default=str)  # no deeper than MOST_JSON_DEPTH
        raise invalid(f"Invalid value {shown[:200]} for parameter '{name}' supplied. {_SEE}")


def _missing(name: str) -> Exception:
    return invalid(f"Missing value for required parameter '{name}'. {_SEE}")


def check_depth(value: object) -> None:
    """Refuse objects and lists that lie too deep in each other."""
    level = [value]
    for _ in range(MOST_JSON_DEPTH):
        level = [
            child
            for one in level
            for child in (one.values() if isinstance(one, dict) else one if isinstance(one, list) else ())
            if isinstance(child, (dict, list))
        ]
        if not level:
            return
    raise invalid(f"Bad Request. The body has more than {MOST_JSON_DEPTH} levels.")


def _check_text(name: str, text: str) -> None:
    if "\0" in text or not _is_unicode(text):
        raise invalid(f"Invalid value for parameter '{name}' supplied: it cannot be stored as text. {_SEE}")


def _is_unicode(text: str) -> bool:
    """Whether the text can be written as UTF-8; JSON can hold halves of surrogate pairs."""
    return text.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in text)


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) < 25:
        try:
            return int(value)
        except ValueError:
            return None
    return None
