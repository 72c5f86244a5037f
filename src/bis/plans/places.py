"""Fresh directories in which plans are executed again; those that a killed bis left are swept by the next one."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from bis.file_locks import exclusive, exclusive_if_free

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bis.home import Home

_LOCK = "lock"
"""Held by the bis that uses the place: the kernel gives it back, whatever ends that."""
_KEPT = "kept"
"""Marks a place that the user wants to look at."""
_GATE = "reruns.lock"
"""Beside the places: held while one is made or swept."""


@contextlib.contextmanager
def fresh_place(home: Home, name: str, *, keep: bool = False) -> Iterator[Path]:
    """A new directory in the home's ``reruns``, which is removed afterwards unless it is to be kept."""
    import shutil  # not on the way of a first run

    place = home.ensure(home.reruns) / name
    with contextlib.ExitStack() as held:
        with exclusive(home.root / _GATE):  # nobody sweeps a place between its making and its lock
            _sweep(home)
            place.mkdir()
            if not keep:
                held.callback(shutil.rmtree, place, ignore_errors=True)
            held.enter_context(exclusive(place / _LOCK))
        if keep:
            (place / _KEPT).touch()
        yield place


def unique_name(start: str) -> str:
    """A name for a place that no other has."""
    return f"{start[:12]}-{os.urandom(4).hex()}"


def _sweep(home: Home) -> None:
    """Remove the places whose bis was killed."""
    import shutil

    for place in home.reruns.iterdir() if home.reruns.is_dir() else ():
        if not (place / _LOCK).is_file() or (place / _KEPT).exists():
            continue  # of an older bis, or kept
        with exclusive_if_free(place / _LOCK) as is_left:
            if is_left:
                shutil.rmtree(place, ignore_errors=True)
