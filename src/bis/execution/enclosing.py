"""The run that encloses this process, for a bis that was started inside it: what it was given, and how to take it back.

A command finds variables of bis's own making: where to track, what the probe is told, its environment. A bis that the
command starts belongs to none of that: it has to find what the caller of the first bis had, and what the script
itself has set. So each run writes down what it changed, in a file that only its user can read.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bis.execution.variables import CREDENTIALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping, Sequence

    from bis.environments import Environment
    from bis.sources import Source

VARIABLE = "BIS_NESTED"
"""Names the file in the variables of a command."""
FILE = "nested.json"
_OWN = frozenset(
    {
        VARIABLE,
        "BIS_LINEAGE",
        "BIS_REPORT",
        "BIS_TRACKING_URI",
        "MLFLOW_RUN_ID",
        "MLFLOW_TRACKING_TOKEN",
        "MLFLOW_TRACKING_URI",
    }
)
"""Of the enclosing run alone, whatever the script has done to them."""
_HANDED_ON = frozenset({"BIS_RUN_ID", "BIS_SEED", "BIS_LEVEL", "MLFLOW_EXPERIMENT_ID"})
_MAIN = "from bis.nested import main;main()"
_BOOT = "import sys;del sys.path[0];sys.path.append({folder!r});" + _MAIN
"""How this bis is started again: not by ``-m``, which would import a ``bis`` of the current folder."""
_SOURCE_FIELDS = (
    "uri",
    "name",
    "kind",
    "subdirectory",
    "version",
    "commit",
    "branch",
    "repo_url",
    "dirty",
    "tree",
)


@dataclass(frozen=True)
class Enclosing:
    """What a run has written down for the runs that are started inside it."""

    run_id: str
    home: str
    command: tuple[str, ...] = ()
    """What starts a nested run: the words before the two descriptors."""
    put: Mapping[str, str | None] = field(default_factory=dict)
    """The variables that bis gave another value, and that value (None: taken away)."""
    before: Mapping[str, str | None] = field(default_factory=dict)
    """The same variables as the caller had them."""
    of_environment: tuple[str, ...] = ()
    """Those that make the run's environment the active one."""
    folders: tuple[str, ...] = ()
    """What bis has put on PYTHONPATH: the probe, and the code of editable packages."""
    manager: str = ""
    trace: str = "audit"
    kill_after_s: float = 5.0
    backends: tuple[str, ...] = ("local",)
    repeats: str | None = None
    """The run that this one repeats: its children have the locks of that run's children."""
    quiet: bool = False
    root: str = ""
    source: Mapping[str, Any] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Keep it in a file of the user's alone."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(vars(self), file)

    def restore(self, environ: MutableMapping[str, str], *, keep_environment: bool = False) -> None:
        """Put back the variables that bis has changed and the script has not.

        ``keep_environment``: the run's own environment stays the active one, as ``--env-manager local`` means it
        inside a run.
        """
        kept = self.of_environment if keep_environment else ()
        python_path = environ.get("PYTHONPATH")
        for name, value in self.before.items():
            if name not in _OWN and (name in kept or environ.get(name) != self.put.get(name)):
                continue
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
        self._restore_python_path(
            environ, python_path, self.folders[:1] if keep_environment else self.folders
        )
        environ["BIS_HOME"] = self.home

    def _restore_python_path(
        self, environ: MutableMapping[str, str], found: str | None, folders: Iterable[str]
    ) -> None:
        left = [folder for folder in (found or "").split(os.pathsep) if folder and folder not in folders]
        environ.pop("PYTHONPATH", None)
        if left:
            environ["PYTHONPATH"] = os.pathsep.join(left)

    def source_of(self, directory: Path) -> Source | None:
        """The source of a project in the tree of this run: the same snapshot. None for one that lies elsewhere."""
        from datetime import datetime

        from bis.sources import Source

        if not self.root or not self.source.get("tree"):
            return None
        within = os.path.relpath(os.path.realpath(directory), os.path.realpath(self.root))
        if within == ".." or within.startswith("../"):
            return None
        time = self.source.get("committed_at")
        fields: dict[str, Any] = {name: self.source[name] for name in _SOURCE_FIELDS}
        fields["subdirectory"] = "" if within == "." else within
        root = Path(self.root)
        return Source(
            directory=root / within,
            root=root,
            committed_at=datetime.fromisoformat(time) if time else None,
            **fields,
        )


def enclosing_run(environ: Mapping[str, str]) -> Enclosing | None:
    """What the enclosing run wrote down; None outside of a run, and where its file cannot be seen (a container)."""
    path = environ.get(VARIABLE)
    if not path:
        return None
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        for name in ("command", "of_environment", "folders", "backends"):
            document[name] = tuple(document[name])
        return Enclosing(**document)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def boot_command() -> tuple[str, ...]:
    """The words that start a nested run with this interpreter and this bis."""
    folder = str(Path(__file__).parents[2])
    return (sys.executable, "-c", _BOOT.format(folder=folder))


def is_nested_bis(argv: Sequence[str]) -> bool:
    """Whether a process of a run was the bis of a run inside it, which has a record of its own."""
    return len(argv) > 2 and argv[2].endswith(_MAIN)


def changed_variables(
    caller: Mapping[str, str], given: Mapping[str, str], named: Iterable[str]
) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """What bis gave other values than the caller had, with the value now and the one before.

    Those ``named`` by ``--env-file`` are handed on, and are in no document. Nor are credentials: a run inside finds the
    store of the home without them, and has a server's as they are.
    """
    left_alone = _HANDED_ON.union(named)
    names = [
        name for name in {*caller, *given} if name not in left_alone and caller.get(name) != given.get(name)
    ]
    kept = [name for name in names if name not in CREDENTIALS]
    put: dict[str, str | None] = {name: given.get(name) for name in kept}
    before: dict[str, str | None] = {name: caller.get(name) for name in kept}
    return put, before | dict.fromkeys(set(names).intersection(CREDENTIALS), None)


def environment_names(environment: Environment, caller: Mapping[str, str]) -> tuple[str, ...]:
    """The variables that the environment changes."""
    changed = environment.variables(caller)
    return tuple(name for name in {*changed, *caller} if changed.get(name) != caller.get(name))


def source_document(source: Source) -> dict[str, Any]:
    """What of a source its nested runs share."""
    time = source.committed_at
    document = {name: getattr(source, name) for name in _SOURCE_FIELDS}
    return {**document, "committed_at": time.isoformat() if time else None}
