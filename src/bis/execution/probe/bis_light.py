"""bis, as a script sees it that bis runs: the functions that log, and ``bis.run``. The rest of bis is not here.

    import bis

    bis.log_metric("loss", 0.2, step=1)

It stands for the package ``bis`` in any environment (``bis_client_finder``). Standard library only, Python 3.7 to 3.14.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing would cost more than all the rest
if TYPE_CHECKING:
    from typing import Any


def __getattr__(name: str) -> Any:
    if name == "run":
        return _nested_run()
    if name.startswith("_") and name != "__all__":
        raise AttributeError("module 'bis' has no attribute {!r}".format(name))
    from importlib import import_module

    client = import_module("bis.client")
    if name == "__all__":
        return [*client.__all__, "run"]
    if name not in client.__all__:
        raise AttributeError(
            "module 'bis' has no attribute {!r} in a script that bis runs; it has {}, run".format(
                name, ", ".join(client.__all__)
            )
        )
    found = getattr(client, name)
    globals()[name] = found
    return found


def _nested_run() -> Any:
    """``bis.run`` of a script: a run nested in its own."""
    from bis_nested import run

    return run


def __dir__() -> list[str]:
    from importlib import import_module

    return sorted([*import_module("bis.client").__all__, "run"])
