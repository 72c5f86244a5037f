"""The table of routes: method and path, the function that answers, and what goes in and out.

A handler takes a ``Call`` and gives the JSON of the reply. Paths are written without what stands before them:
``/api/2.0``, ``/api/2.0/preview`` (MLflow 1.x), ``/api/3.0``, and the same with ``ajax-api``. ``{name}`` in a
path is one segment. What goes in and out is written in the notation of ``shapes``; the OpenAPI document is made
from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.server.encoding import Encoder, Json
    from bis.server.fields import Fields
    from bis.tracking.sql_store import SqlStore


@dataclass(frozen=True)
class Call:
    """One request: its fields, and what is needed to answer it. ``parts`` are the names in the path."""

    store: SqlStore
    fields: Fields
    encoder: Encoder
    parts: tuple[str, ...] = ()


Handler = Callable[[Call], "Json | bytes"]
"""Gives the JSON of the reply, or its text where the objects would take too much memory."""


@dataclass(frozen=True)
class Route:
    """One endpoint. ``writes``: whether the answer may change the store."""

    method: str
    path: str
    answer: Handler
    takes: str
    gives: str
    writes: bool


Routes = tuple[Route, ...]


def reads(method: str, path: str, answer: Handler, takes: str = "", gives: str = "") -> Route:
    """An endpoint that leaves the store as it is; some are POST for the size of what they take."""
    return Route(method, path, answer, takes, gives, writes=False)


def writes(method: str, path: str, answer: Handler, takes: str = "", gives: str = "") -> Route:
    """An endpoint that changes the store."""
    return Route(method, path, answer, takes, gives, writes=True)


PREFIX = re.compile(r"/(?:ajax-)?api/[23]\.0/(?:preview/)?(.*)", re.DOTALL)
"""Everything before a path of the table."""


class Table:
    """Finds the route of a request."""

    def __init__(self, *tables: Routes) -> None:
        self.routes: Routes = tuple(route for table in tables for route in table)
        self._exact: dict[tuple[str, str], Route] = {}
        self._open: list[tuple[list[str], Route]] = []
        for route in self.routes:
            if "{" in route.path:
                self._open.append((route.path.split("/"), route))
            else:
                self._exact[route.method, route.path] = route
        self.paths = frozenset(path for _, path in self._exact)
        """The paths that have no name in them: few, so that requests can be counted by them."""

    def find(self, method: str, path: str) -> tuple[Route, tuple[str, ...]] | None:
        """The route and the names in the path; None when there is no such route."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, ()
        segments = path.split("/")
        if "\0" in path:  # no name has it, and not every database takes it
            return None
        for pattern, route in self._open:
            if route.method == method and (parts := _parts(pattern, segments)) is not None:
                return route, parts
        return None

    def methods(self, path: str) -> list[str]:
        """The methods that this path has; none when there is no such path."""
        found = {method for method, known in self._exact if known == path}
        segments = path.split("/")
        found |= {route.method for pattern, route in self._open if _parts(pattern, segments) is not None}
        return sorted(found)


def _parts(pattern: list[str], segments: list[str]) -> tuple[str, ...] | None:
    """What the names of the pattern stand for; None when the path is another one."""
    if len(pattern) != len(segments):
        return None
    pairs = list(zip(pattern, segments, strict=True))
    if any(want != have and not want.startswith("{") for want, have in pairs):
        return None
    return tuple(have for want, have in pairs if want.startswith("{"))
