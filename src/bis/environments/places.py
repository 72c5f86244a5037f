"""The places of environments: their state, what killed builds have left, what is shared with a cache."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from bis.environments.environment import STATE_FILE, lock_path
from bis.file_locks import exclusive_if_free
from bis.home_files import replace_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bis.environments.locks import Lock

LOCK_COPY = "bis-lock.json"
"""The lock of an environment, inside of it."""


def write_state(prefix: Path, lock: Lock, *, python: str, more: Mapping[str, object] | None = None) -> None:
    """Write the lock into an environment that is whole, and its state, with which it counts as one.

    No fsync, which would wait for thousands of links: a state that a crash cuts short is not read as one.
    """
    (prefix / LOCK_COPY).write_text(json.dumps(lock.to_dict()), encoding="utf-8")
    state = {
        "format": 1,
        "digest": lock.digest,
        "manager": lock.manager,
        "python": python,
        "packages": len(lock.packages),
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **(more or {}),
    }
    replace_text(prefix / STATE_FILE, json.dumps(state), durable=False)


def protect(prefix: Path) -> None:
    """Make installed files read-only: on Linux they are hard links into uv's cache, an edit would go there.

    The run does not wait for it: a fifth of the time of a build is spent on looking at every file.
    """
    if sys.platform != "linux":
        return
    find = [
        "find",
        *(
            str(path)
            for name in ("bin", "lib", "share", "etc", "include")
            if (path := prefix / name).is_dir()
        ),
        "-type",
        "f",
        "-links",
        "+1",
        "-perm",
        "/222",
        "-exec",
        "chmod",
        "a-w",
        "{}",
        "+",
    ]
    threading.Thread(target=_run_quietly, args=(find,), name="bis-protect", daemon=True).start()


def _run_quietly(command: Sequence[str]) -> None:
    subprocess.run(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)


def sweep(prefix: Path) -> None:
    """Remove what killed builds have left: of this environment (its lock is held), and of others."""
    for leftover in prefix.parent.glob("*.building-*"):
        owner = leftover.with_name(leftover.name.partition(".building-")[0])
        if owner == prefix:
            shutil.rmtree(leftover, ignore_errors=True)
            continue
        with exclusive_if_free(lock_path(owner)) as free:
            if free:
                shutil.rmtree(leftover, ignore_errors=True)
