"""From ``docker_env`` to an image that is here."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from bis.environments.as_of import AsOf
from bis.environments.container.engine import EngineNotRunningError, engines, find_engine
from bis.environments.container.locked import PROJECT, LockedContainer
from bis.environments.environment import Environment
from bis.environments.locks import Lock, keep, key_of, read_kept
from bis.errors import BuildError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bis.environments.container.engine import Engine, Image
    from bis.environments.spec import ContainerDeclaration, EnvironmentSpec
    from bis.home import Home

    T = TypeVar("T")

DOCKERFILE = "Dockerfile"
_PASSED_OVER = frozenset((".git", "__pycache__", "mlruns"))


def lock(
    spec: EnvironmentSpec,
    *,
    as_of: AsOf,
    home: Home,
    notify: Callable[[str], None],
    upgrade: bool = False,
) -> Lock:
    """Return the image that the project's name means: the one of the first run, found, pulled or built.

    An image that is here is taken; else the Dockerfile beside MLproject is built, where there is one; else the name
    is pulled. ``upgrade`` pulls or builds anew. Raises BuildError when none can be had, or no engine answers.
    """
    declared = cast("ContainerDeclaration", spec.container)
    for note in spec.notes:
        notify(note)
    if as_of.asked:
        notify("an image has no date: --as-of has no effect on it")
    key = key_of(spec, AsOf.latest(), {}, [_context_stamp(spec.directory, declared)])
    kept = None if upgrade else read_kept(home, key)
    if kept is not None:
        return kept
    image, dockerfile = answering(
        lambda engine: _found(engine, spec.directory, declared, notify, upgrade=upgrade)
    )
    found = LockedContainer(
        image=declared.image,
        image_id=image.identifier,
        repo_digest=image.repo_digest,
        dockerfile=dockerfile,
        with_project=declared.with_project,
        volumes=declared.volumes,
        copied=declared.copied,
        variables=declared.variables,
        arguments=declared.arguments,
    )
    system = os.uname()
    made = Lock("container", "", None, f"{system.sysname.lower()}-{system.machine}", container=found)
    keep(home, key, made)
    return made


def realize(
    lock: Lock,
    *,
    home: Home,  # noqa: ARG001  # of the Provider
    notify: Callable[[str], None],
    directory: Path | None = None,
    show_progress: bool = False,
) -> Environment:
    """Return the environment of a locked image, which is pulled or built again when it is not here.

    Raises BuildError when it cannot be had, or what can be had is another one; UsageError when a variable that is
    copied from the caller is not set.
    """
    locked = cast("LockedContainer", lock.container)
    _require_copied(locked)
    begun = time.monotonic()
    engine, was_here = answering(lambda engine: (engine, engine.image(locked.image_id) is not None))
    if not was_here:
        _fetch_again(engine, locked, directory, notify, show=show_progress)
    return Environment(
        lock,
        manager="container",
        prefix=None,
        python=None,
        created=not was_here,
        seconds=0.0 if was_here else time.monotonic() - begun,
        engine=engine.executable,
    )


def answering(ask: Callable[[Engine], T]) -> T:
    """What the engine answers; where it does not run and the user has named none, what the next one answers."""
    first = find_engine()
    candidates = engines() if first.is_default else [first]
    for engine in candidates[:-1]:
        with suppress(EngineNotRunningError):
            return ask(engine)
    return ask(candidates[-1])


def _found(
    engine: Engine,
    directory: Path,
    declared: ContainerDeclaration,
    notify: Callable[[str], None],
    *,
    upgrade: bool,
) -> tuple[Image, str]:
    """The image that is declared, and the Dockerfile that it was built from, "" for none."""
    base, dockerfile = _base(engine, directory, declared, notify, upgrade=upgrade)
    if not declared.with_project:
        return base, dockerfile
    notify(f"Building an image with the project from {declared.image}")
    return _with_project(engine, directory, base), dockerfile


def _base(
    engine: Engine,
    directory: Path,
    declared: ContainerDeclaration,
    notify: Callable[[str], None],
    *,
    upgrade: bool,
) -> tuple[Image, str]:
    here = engine.image(declared.image)
    if here is not None and not upgrade:
        return here, ""
    if here is None and (directory / DOCKERFILE).is_file():
        notify(f"There is no image {declared.image} here: building it from {DOCKERFILE}")
        return engine.build(directory / DOCKERFILE, directory), DOCKERFILE
    notify(f"Pulling {declared.image}")
    try:
        with _logged_in(engine, declared) as login:
            return engine.pull(declared.image, login=login), ""
    except BuildError as error:
        if here is None or isinstance(error, EngineNotRunningError):
            raise
        notify(f"{error.message}: the one that is here is taken")
        return here, ""


def _with_project(engine: Engine, directory: Path, base: Image) -> Image:
    """An image with a copy of the project, as ``mlflow run --build-image`` makes one; .dockerignore is honoured."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bis-image-") as name:
        dockerfile, begin = Path(name) / DOCKERFILE, f"localhost/bis/base:{base.identifier[-64:]}"
        engine.tag(base.identifier, begin)  # not every engine can begin with an id
        dockerfile.write_text(f"FROM {begin}\nCOPY . {PROJECT}/\nWORKDIR {PROJECT}/\n", encoding="utf-8")
        return engine.build(dockerfile, directory)


@contextmanager
def _logged_in(engine: Engine, declared: ContainerDeclaration) -> Iterator[Path | None]:
    """A directory with what the registry has accepted, for as long as an image is pulled; None without docker_auth."""
    if not declared.login:
        yield None
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="bis-login-") as name:
        engine.log_in(declared.login, Path(name))
        yield Path(name)


def _fetch_again(
    engine: Engine,
    locked: LockedContainer,
    directory: Path | None,
    notify: Callable[[str], None],
    *,
    show: bool,
) -> None:
    """Bring a locked image back. Raises BuildError when it cannot be had, or when it is another one."""
    short = locked.image_id[:19]
    if locked.repo_digest and not locked.with_project:
        notify(f"Pulling {locked.repo_digest}")
        found = engine.pull(locked.repo_digest, show=show)
    elif directory is not None and (locked.dockerfile or locked.with_project):
        notify(f"The image {short} is not here: building it again")
        found = _built_again(engine, locked, directory, show=show)
    else:
        raise BuildError(
            f"the image {locked.image} ({short}) is not here, and it came from no registry",
            hint=f"Bring it with `{engine.name} save` and `{engine.name} load`.",
        )
    if found.identifier != locked.image_id:
        raise BuildError(
            f"the image {locked.image} can be had, but it is not the one that the run had"
            f" ({found.identifier[:19]}, not {short})",
            hint=f"Bring that one with `{engine.name} save` and `{engine.name} load`, or run the project anew.",
        )


def _built_again(engine: Engine, locked: LockedContainer, directory: Path, *, show: bool) -> Image:
    if locked.dockerfile:
        base = engine.build(directory / locked.dockerfile, directory, show=show)
    else:
        base = engine.image(locked.image) or engine.pull(locked.repo_digest or locked.image, show=show)
    return _with_project(engine, directory, base) if locked.with_project else base


def _require_copied(locked: LockedContainer) -> None:
    missing = [name for name in locked.copied if name not in os.environ]
    if missing:
        raise UsageError(
            f"docker_env copies {', '.join(missing)} from your environment, and it is not set there",
            hint=f"Set it first: export {missing[0]}=...",
        )


def _context_stamp(directory: Path, declared: ContainerDeclaration) -> str:
    """A hash that changes when an image that is built from the directory may be another one; "" where none is built."""
    if not declared.with_project and not (directory / DOCKERFILE).is_file():
        return ""
    digest = hashlib.sha256()
    for path, status in _files(directory, ""):
        digest.update(
            f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_mode}\n".encode(
                errors="surrogateescape"
            )
        )
    return digest.hexdigest()


def _files(directory: Path, below: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(directory / below) as entries:
        for entry in sorted(entries, key=lambda each: each.name):
            if entry.name in _PASSED_OVER:
                continue
            path = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _files(directory, f"{path}/")
            else:
                yield path, entry.stat(follow_symlinks=False)
