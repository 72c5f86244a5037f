"""One container for one command: its words, its variables, its end."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from bis.environments.container.locked import PROJECT
from bis.errors import ExecutionError, UsageError
from bis.execution.container.mounts import Mount, Translation, of_volumes, volumes
from bis.execution.container.workspace import Workspace
from bis.execution.variables import CLIENT, PROBE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bis.environments import Environment
    from bis.environments.container.locked import LockedContainer
    from bis.home import Home
    from bis.plans import Plan
    from bis.sources import Source

_INSIDE = Path(__file__).parent / "inside"
_REPORT = "/bis/report"
_HOME = "/bis/home"
_OF_THE_ENGINE = re.compile(
    r"PATH$|HOME$|USER$|TMPDIR$|LD_|XDG_|DOCKER_|CONTAINER|BUILDAH_|STORAGE_|REGISTRY_|SSL_|NOTIFY_|LISTEN_"
)
"""Variables that the engine itself reads: those of the command do not reach it through its own."""
_OF_TRACKING = re.compile(r"MLFLOW_TRACKING_|MLFLOW_S3_|AWS_|AZURE_STORAGE_")
_OURS = frozenset(("name", "rm", "d", "detach", "cidfile", "i", "t", "it", "interactive", "tty", "pull"))


class ContainerStart:
    """What a container of the run is started with. Made before the command starts; ``finish`` when it has ended.

    ``steps`` has the artifact directories of the steps before it, which it may read.
    """

    def __init__(
        self,
        environment: Environment,
        original: Source,
        *,
        plan: Plan,
        downloaded: Mapping[str, str],
        steps: Mapping[str, str],
        running: Path,
        home: Home,
        run_id: str,
        notify: Callable[[str], None],
    ) -> None:
        self._locked = cast("LockedContainer", environment.lock.container)
        self._engine = cast("str", environment.engine)
        self._running = running
        self._plan = plan
        self._name = f"bis-{run_id[:12]}-{os.urandom(3).hex()}"
        self._run_id = run_id
        self._volumes = volumes(self._locked.volumes, project=original.directory, environ=os.environ)
        self._arguments = _arguments(self._locked.arguments, is_podman=self._is_podman)
        self._downloaded = dict(downloaded)
        self._steps = dict(steps)
        self._workspace = Workspace(original, running / "work", home, notify)
        self._sockets = Path(tempfile.mkdtemp(prefix="bis-"))  # the path of a socket may have 107 bytes

    @property
    def source(self) -> Source:
        """The source that the command works in: a copy."""
        return self._workspace.source

    @property
    def socket(self) -> Path:
        """Where the tracking server of the run is to listen."""
        return self._sockets / "tracking"

    def command(self) -> str:
        """The command with the path parameters where they are in the container."""
        places = {**self._plan.local, **self._downloaded}
        inside = {name: f"{PROJECT}/{path}" for name, path in self._plan.in_tree.items()}
        return self._plan.command({**places, **inside})

    def words(self, variables: Mapping[str, str], report: Path) -> tuple[list[str], dict[str, str]]:
        """The words before ``bash -c COMMAND``, and the variables of the engine that has them.

        ``variables`` are those of the command. Their values are in no word: each goes by its name, or, where the engine
        reads a variable of that name itself, through a file that only the user can read.
        """
        variables = {**self._handed_down(), **variables, **self._own_variables()}
        variables["PYTHONPATH"] = variables["PYTHONPATH"].removeprefix(str(PROBE)).removeprefix(os.pathsep)
        if not variables["PYTHONPATH"]:  # the image may have its own
            del variables["PYTHONPATH"]
        own = {name: value for name, value in variables.items() if _OF_THE_ENGINE.match(name)}
        words = [self._engine, "run", "--rm", "--name", self._name, "--label", f"bis.run={self._run_id}"]
        words += ["--log-driver", "none", "--workdir", self._workdir(), *self._user()]
        for mount in self._mounts(report):
            words += mount.words()
        for text in self._volumes:
            words += ["--volume", text]
        for name in sorted(variables.keys() - own.keys()):
            words += ["--env", name]
        if own:
            words += ["--env-file", str(self._env_file(own))]
        words += [*self._arguments, self._locked.image_id.removeprefix("sha256:")]
        by_name = {name: value for name, value in variables.items() if name not in own}
        return [*words, "sh", "/bis/inside/init.sh"], {**os.environ, **by_name}

    @property
    def clean_up(self) -> list[str]:
        """The words that remove the container, whatever it does."""
        return [self._engine, "rm", "--force", *(("--time", "0") if self._is_podman else ()), self._name]

    def finish(self, report: Path) -> None:
        """Put what the probe has seen into the words of this machine: files of the image are locked with it."""
        shutil.rmtree(self._sockets, ignore_errors=True)
        self._workspace.link_beside()
        own = [Mount(report, _REPORT), Mount(PROBE, "/bis/probe"), Mount(_INSIDE, "/bis/inside")]
        translation = Translation([*self._mounts(report), *own, *of_volumes(self._volumes)])
        for file in report.glob("*.jsonl"):
            _translate(file, translation, self._workspace)

    @property
    def _is_podman(self) -> bool:
        return _is_podman(self._engine)

    def _workdir(self) -> str:
        return f"{PROJECT}/{self.source.subdirectory}".rstrip("/")

    def _mounts(self, report: Path) -> list[Mount]:
        found = [
            *([] if self._locked.with_project else self._workspace.mounts(PROJECT)),
            Mount(PROBE, "/bis/probe"),
            Mount(CLIENT, "/bis/client"),
            Mount(_INSIDE, "/bis/inside"),
            Mount(self._sockets, "/bis/socket", writable=True),
            Mount(report, _REPORT, writable=True),
        ]
        inputs = {**self._plan.local, **self._downloaded}
        found += [Mount(Path(path), path) for name, path in inputs.items() if name not in self._plan.in_tree]
        found += [Mount(Path(path), path) for path in self._steps.values() if Path(path).is_dir()]
        if os.getuid() != 0:
            home = self._running / "home"
            home.mkdir(exist_ok=True)
            found.append(Mount(home, _HOME, writable=True))
        return found

    def _user(self) -> list[str]:
        """The caller's own user: what the command writes belongs to nobody else."""
        words = ["--user", f"{os.getuid()}:{os.getgid()}"]
        if self._is_podman:
            words += ["--security-opt", "label=disable"]  # else SELinux keeps the mounts from the container
            if os.getuid() != 0:
                words += ["--userns", "keep-id"]
        return words

    def _handed_down(self) -> dict[str, str]:
        """What a client needs to speak to a server that is not ours, and to what keeps its artifacts."""
        return {name: value for name, value in os.environ.items() if _OF_TRACKING.match(name)}

    def _own_variables(self) -> dict[str, str]:
        copied = {name: os.environ[name] for name in self._locked.copied if name in os.environ}
        found = {**dict(self._locked.variables), **copied, "BIS_REPORT": _REPORT}
        if os.getuid() != 0:
            found.setdefault("HOME", _HOME)
        return found

    def _env_file(self, variables: Mapping[str, str]) -> Path:
        broken = sorted(name for name, value in variables.items() if "\n" in value)
        if broken:
            raise UsageError(f"the variable {broken[0]} has several lines, which no container engine takes")
        path = self._running / "engine.env"
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in variables.items())
        return path


def check(environment: Environment, project: Path) -> None:
    """Raise UsageError for volumes and options of the engine that no container can be started with."""
    locked = cast("LockedContainer", environment.lock.container)
    volumes(locked.volumes, project=project, environ=os.environ)
    _arguments(locked.arguments, is_podman=_is_podman(environment.engine or ""))


def _is_podman(engine: str) -> bool:
    return Path(engine).name.startswith("podman")


def _arguments(given: tuple[tuple[str, str], ...], *, is_podman: bool) -> list[str]:
    """``-A`` as options of the engine: one letter with one dash, as in MLflow."""
    words: list[str] = []
    for name, value in given:
        if name in _OURS:
            raise UsageError(f"-A {name} cannot be set: bis starts and ends the container itself")
        if name == "gpus" and is_podman:
            words += ["--device", f"nvidia.com/gpu={value or 'all'}"]
        else:
            words.append(f"-{name}" if len(name) == 1 else f"--{name}")
            words += [value] if value else []
    return words


def _translate(file: Path, translation: Translation, workspace: Workspace) -> None:
    """Rewrite the report of one process; lines about files of the image are left out."""
    try:
        lines = file.read_text("ascii", "replace").splitlines()
    except OSError as error:
        raise ExecutionError(f"what the container did cannot be read: {error}") from error
    kept = [text for line in lines if (text := _translated(line, translation, workspace)) is not None]
    aside = file.with_suffix(".new")
    aside.write_text("".join(f"{text}\n" for text in kept), encoding="ascii")
    aside.replace(file)


def _translated(line: str, translation: Translation, workspace: Workspace) -> str | None:
    try:
        said: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("kind") not in ("read", "write", "list"):
        return line
    outside = translation.outside(str(said.get("path", "")))
    if outside is None:
        return None
    copy = workspace.copy_of(outside) if said["kind"] == "read" else outside
    if copy != outside:  # by a volume that is a folder of the project
        said |= _stamp(copy)
    return json.dumps({**said, "path": copy})


def _stamp(path: str) -> dict[str, int]:
    """What the probe says of a file that it has seen opened."""
    status = os.stat(path)  # noqa: PTH116 (a word of the report)
    return {
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "inode": status.st_ino,
    }
