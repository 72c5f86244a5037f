"""The table of routes: (method, path) -> the function that answers.

A handler takes a ``Call`` and gives the JSON of the reply. Paths are written without what stands before them:
``/api/2.0``, ``/api/2.0/preview`` (MLflow 1.x), ``/api/3.0``, and the same with ``ajax-api``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bis.server.encoding import Encoder, Json
    from bis.server.fields import Fields
    from bis.tracking.sqlite import SqliteStore


@dataclass(frozen=True)
class Call:
    """One request: its fields, and what is needed to answer it. ``parts`` are the names in the path."""

    store: SqliteStore
    fields: Fields
    encoder: Encoder
    parts: tuple[str, ...] = ()


Handler = Callable[[Call], "Json"]
Routes = dict[tuple[str, str], Handler]

PREFIX = re.compile(r"/(?:ajax-)?api/[23]\.0/(?:preview/)?(.*)", re.DOTALL)
"""Everything before a path of the table."""


class Table:
    """Finds the handler of a request; ``*`` in a path stands for one segment."""

    def __init__(self, *tables: Routes) -> None:
        self._exact: Routes = {}
        self._open: list[tuple[str, list[str], Handler]] = []
        for (method, path), handler in (item for table in tables for item in table.items()):
            if "*" in path:
                self._open.append((method, path.split("/"), handler))
            else:
                self._exact[method, path] = handler
        self.paths = frozenset(path for _, path in self._exact)
        """The paths that have no name in them: few, so that requests can be counted by them."""

    def find(self, method: str, path: str) -> tuple[Handler, tuple[str, ...]] | None:
        """The handler and the segments that ``*`` stood for; None when there is no such route."""
        exact = self._exact.get((method, path))
        if exact is not None:
            return exact, ()
        segments = path.split("/")
        for known, pattern, handler in self._open:
            if known == method and len(pattern) == len(segments):
                parts = tuple(have for want, have in zip(pattern, segments, strict=True) if want == "*")
                if [
                    part if want == "*" else want for want, part in zip(pattern, segments, strict=True)
                ] == segments:
                    return handler, parts
        return None
