"""bis: run a machine-learning project, record all that decided the result, and run it again.

    import bis

    run = bis.run("https://host/user/repo", version="v1.2", parameters={"alpha": 0.5})
    print(run.status, run.metrics)

Errors are those of ``bis.errors``. What is not used is not imported: ``import bis`` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bis._version import __version__

if TYPE_CHECKING:
    from typing import Any

    from bis.api import run
    from bis.backends.project_run import ProjectRun

__all__ = ["ProjectRun", "__version__", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":
        from bis.api import run

        return run
    if name == "ProjectRun":
        from bis.backends.project_run import ProjectRun

        return ProjectRun
    raise AttributeError(f"module 'bis' has no attribute {name!r}")
