"""Calls a function before or after a module is imported, and leaves everything else to Python.

Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.abc import Loader
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Amend = Callable[[Any], None]

_amendments: dict[str, list[Amend]] = {}
_preparations: dict[str, Amend] = {}


def after(name: str, amend: Amend) -> None:
    """Call ``amend`` with the module ``name`` as soon as it is loaded; at once when it is loaded already."""
    module = sys.modules.get(name)
    if module is not None:
        _try(amend, module)
        return
    _find()
    _amendments.setdefault(name, []).append(amend)


def before(name: str, prepare: Amend) -> None:
    """Call ``prepare`` with the spec of the module ``name`` when it is found, before any of it is loaded."""
    _find()
    _preparations[name] = prepare


def _find() -> None:
    if not _amendments and not _preparations:
        sys.meta_path.insert(0, _Finder())


def _try(amend: Amend, module: Any) -> None:
    try:
        amend(module)
    except Exception:  # noqa: S110 (a module of another kind under that name: it stays as it is)
        pass


class _Finder:
    """Finds nothing itself: it wraps the loader of a few modules."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        amendments, prepare = _amendments.get(name), _preparations.get(name)
        if amendments is None and prepare is None:
            return None
        for finder in sys.meta_path:  # those of editable packages too
            found = None if finder is self else finder.find_spec(name, path, target)
            if found is not None:
                if prepare is not None:
                    _try(prepare, found)
                if amendments and hasattr(found.loader, "exec_module"):
                    found.loader = _Loader(found.loader, amendments)  # type: ignore[arg-type,assignment]
                return found
        return None


class _Loader:
    def __init__(self, loader: Loader, amendments: list[Amend]) -> None:
        self._loader = loader
        self._amendments = amendments

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        module.__spec__.loader = module.__loader__ = self._loader  # as if nothing had been between
        self._loader.exec_module(module)
        for amend in self._amendments:
            _try(amend, module)

    def __getattr__(self, name: str) -> Any:
        """``get_source`` and the like, for tools that ask while the module loads."""
        return getattr(self._loader, name)
