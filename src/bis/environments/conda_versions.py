"""conda's match specifications (``name=1.2=build``, ``name >=1,<2``) and their PEP 440 equivalents.

The grammar is that of conda's MatchSpec and VersionSpec documentation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_SPEC = re.compile(
    r"(?:(?P<channel>[^\s\[\]]+)::)?"
    r"(?P<name>[A-Za-z0-9_][A-Za-z0-9_.-]*)"
    r"\s*(?P<rest>[^\[\]]*?)\s*"
    r"(?P<bracket>\[[^\]]*\])?"
)
_BRACKET_KEY = re.compile(r"(\w+)\s*=\s*(?:'([^']*)'|\"([^\"]*)\"|([^,\]\s]+))")
_CLAUSE = re.compile(r"(?P<operator>===?|~=|!=|<=|>=|<|>|=)?\s*(?P<version>[\w.*+!-]+)")


@dataclass(frozen=True)
class CondaSpec:
    """One conda dependency, taken apart."""

    name: str
    version: str = ""
    """conda's version specification, empty for any."""
    build: str = ""
    channel: str = ""
    text: str = field(default="", compare=False, repr=False)
    """All of it as written."""


def parse(text: str) -> CondaSpec | None:
    """Take a dependency apart; None when it is not one.

    >>> parse("conda-forge::numpy=1.21=py38_0")
    CondaSpec(name='numpy', version='=1.21', build='py38_0', channel='conda-forge')
    """
    text = text.split("#", maxsplit=1)[0].strip()
    match = _SPEC.fullmatch(text)
    if not match:
        return None
    version, build = _version_and_build(match["rest"])
    found = {key: a or b or c for key, a, b, c in _BRACKET_KEY.findall(match["bracket"] or "")}
    return CondaSpec(
        match["name"],
        found.get("version", version),
        found.get("build", build),
        match["channel"] or found.get("channel", ""),
        text,
    )


def _version_and_build(rest: str) -> tuple[str, str]:
    """Split ``=1.2=build``, ``==1.2 build`` or ``1.2 build``; a range keeps its spaces out."""
    rest = re.sub(r"\s*([,|])\s*", r"\1", rest)
    rest = re.sub(r"([=<>!~])\s+", r"\1", rest)
    version, _, build = rest.partition(" ")
    if not build and "," not in version:
        exact = re.fullmatch(r"(={1,2}[^=<>!~]+)=([^=<>!~]+)", version)
        if exact:
            version, build = exact[1], exact[2]
    return ("" if version in {"*", "=*", "==*"} else version), build.strip()


def to_pep440(version: str, *, exact: bool = False) -> str | None:
    """Return the PEP 440 specifier of a conda version, "" for any, or None when there is none.

    ``exact`` says that a build string followed, which makes ``=1.2.3`` that one version. ``1.2`` and
    ``==1.2`` are exact in conda, ``=1.2`` and ``1.2.*`` are not.

    >>> to_pep440("=1.2"), to_pep440("1.2.*"), to_pep440(">=1,<2.0a0"), to_pep440("1.2|1.3")
    ('==1.2.*', '==1.2.*', '>=1,<2.0a0', None)
    """
    if "|" in version or "(" in version:
        return None
    clauses = [_clause(part, exact=exact) for part in version.split(",") if part]
    return None if None in clauses else ",".join(clause for clause in clauses if clause)


def _clause(text: str, *, exact: bool) -> str | None:
    match = _CLAUSE.fullmatch(text.strip())
    if not match:
        return None
    operator, version = match["operator"] or "", match["version"]
    if version == "*":
        return ""
    starred = version.endswith("*")
    bare = version.rstrip("*").rstrip(".") if starred else version
    if "*" in bare or not bare:
        return None
    if operator in {"", "=", "==", "==="}:
        fuzzy = starred or (operator == "=" and not exact)
        return f"=={bare}.*" if fuzzy else f"=={bare}"
    if operator == "!=":
        return f"!={version}"
    return f"{operator}{bare}"
