"""PythonRequest: the Python that a project declares, in pip's, conda's and MLflow's ways of writing it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bis.errors import SpecError

Version = tuple[int, ...]

_CLAUSE = re.compile(
    r"(?P<operator>===?|~=|!=|<=|>=|<|>|=)?\s*(?P<numbers>\d+(?:\.\d+){0,2})(?P<star>\.?\*)?"
)


@dataclass(frozen=True)
class _Clause:
    operator: str
    numbers: Version

    def admits(self, version: Version) -> bool:
        begins_alike = version[: len(self.numbers)] == self.numbers
        padded = self.numbers + (0,) * (3 - len(self.numbers))
        if self.operator == "=":
            return begins_alike
        if self.operator == "!=":
            return not begins_alike
        if self.operator == "~=":
            return version >= padded and version[: len(self.numbers) - 1] == self.numbers[:-1]
        if self.operator == "<=":
            return version <= padded or begins_alike
        return (
            version > padded and not begins_alike if self.operator == ">" else self._compare(version, padded)
        )

    def _compare(self, version: Version, padded: Version) -> bool:
        return version >= padded if self.operator == ">=" else version < padded


@dataclass(frozen=True)
class PythonRequest:
    """Alternatives of clauses that all have to hold; no alternative: any Python."""

    text: str
    alternatives: tuple[tuple[_Clause, ...], ...]

    @classmethod
    def parse(cls, text: str | None) -> PythonRequest:
        """Read ``3.8``, ``3.8.10``, ``=3.8``, ``3.8.*``, ``>=3.8,<3.12``, ``3.8|3.9``; raise SpecError.

        A build string (``3.8.5=h12_1``, ``3.8.5 h12_1``) is left out. ``==3.8`` admits every 3.8, as no one
        means 3.8.0.
        """
        text = (text or "").strip()
        if text in {"", "*"}:
            return cls("", ())
        alternatives = []
        for part in text.split("|"):
            joined = re.sub(r"\s*,\s*", ",", re.sub(r"([=<>~!])\s+", r"\1", part.strip()))
            clauses = [_clause(each, text) for each in joined.split(",") if each]
            alternatives.append(tuple(clauses))
        return cls(text, tuple(alternatives))

    def admits(self, version: Version) -> bool:
        """True when a full version (three numbers) satisfies the request."""
        return not self.alternatives or any(
            all(clause.admits(version) for clause in clauses) for clauses in self.alternatives
        )

    def could_admit_minor(self, minor: tuple[int, int]) -> bool:
        """True when some patch version of the minor version might satisfy the request."""
        return any(self.admits((*minor, patch)) for patch in range(60))

    @property
    def minor(self) -> tuple[int, int] | None:
        """The one minor version that is asked for, None for a range."""
        numbers = self._only_version()
        return (numbers[0], numbers[1]) if numbers and len(numbers) >= 2 else None

    @property
    def names_patch(self) -> bool:
        """True for one full version, as 3.8.10."""
        numbers = self._only_version()
        return bool(numbers and len(numbers) == 3)

    def of_same_minor(self) -> PythonRequest:
        """Return the request for any patch version of the minor version that is asked for."""
        return PythonRequest.parse(".".join(map(str, self.minor or ())))

    def _only_version(self) -> Version | None:
        if len(self.alternatives) == 1 and len(self.alternatives[0]) == 1:
            clause = self.alternatives[0][0]
            return clause.numbers if clause.operator == "=" else None
        return None


def _clause(text: str, whole: str) -> _Clause:
    without_build = re.sub(r"(?<=[\d*])[= ][A-Za-z0-9_]+$", "", text.strip())
    match = _CLAUSE.fullmatch(without_build)
    if not match:
        raise SpecError(
            f"cannot read the Python version {whole!r}",
            hint="Write it as 3.8, 3.8.10 or >=3.8,<3.12.",
        )
    operator = match["operator"] or "="
    numbers = tuple(int(number) for number in match["numbers"].split("."))
    if operator == "~=" and len(numbers) < 2:
        raise SpecError(f"~= needs two numbers: {whole!r}", hint="Write >=3 instead.")
    return _Clause("=" if operator in {"==", "==="} else operator, numbers)
