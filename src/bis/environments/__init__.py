"""IN WHAT a project runs: spec -> lock -> environment.

``detect`` reads what a project declares into an EnvironmentSpec, ``lock`` resolves that to a Lock (kept, so
that it is resolved once), ``realize`` makes the lock an Environment in BIS_HOME (by its digest, built once).
One provider a module makes them: ``uv``, ``conda``, ``container`` and ``local``. Nothing here prints; notes go
through ``notify``.
The environments that are kept are in ``bis.environments.store``, which no run needs.
"""

from __future__ import annotations

from bis.environments.as_of import AsOf
from bis.environments.detection import detect
from bis.environments.environment import Environment
from bis.environments.locks import Lock
from bis.environments.providers import lock, observe, realize, write_lock_file
from bis.environments.spec import ContainerDeclaration, EnvironmentSpec

__all__ = [
    "AsOf",
    "ContainerDeclaration",
    "Environment",
    "EnvironmentSpec",
    "Lock",
    "detect",
    "lock",
    "observe",
    "realize",
    "write_lock_file",
]
