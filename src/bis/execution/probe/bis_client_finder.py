"""Makes ``import bis`` work in a script that bis runs, where no bis is installed: the package of ``bis_light``.

It is asked last, so that a module ``bis`` of the project's own, and a bis that is installed, go before. Standard
library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_HERE = os.path.dirname(os.path.abspath(__file__))
_LIGHT = os.path.join(_HERE, "bis_light.py")
_CLIENTS = (
    os.path.join(os.path.dirname(os.path.dirname(_HERE)), "client"),
    os.path.join(os.path.dirname(_HERE), "client"),  # in a container
)


def install() -> None:
    """Answer for ``bis`` when nothing else does, in a process that belongs to a run of bis."""
    if os.environ.get("BIS_RUN_ID"):
        sys.meta_path.append(_Finder)


class _Finder:
    """Finds ``bis`` and the modules of ``bis.client``. It lists no folder: the record of a run would say so."""

    @staticmethod
    def find_spec(
        name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "bis":
            return _package(name, _LIGHT, [])
        if not name.startswith("bis.client") or getattr(sys.modules.get("bis"), "__file__", None) != _LIGHT:
            return None
        module = "__init__" if name == "bis.client" else name.rpartition(".")[2]
        for folder in _CLIENTS:
            file = os.path.join(folder, module + ".py")
            if os.path.isfile(file):
                return _package(name, file, [] if name == "bis.client" else None)
        return None


def _package(name: str, file: str, directories: list[str] | None) -> ModuleSpec | None:
    from importlib.util import spec_from_file_location

    return spec_from_file_location(name, file, submodule_search_locations=directories)
