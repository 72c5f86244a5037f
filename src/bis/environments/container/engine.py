"""docker or podman: found, asked, and their words made fit for the user."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bis.environments.credentials import without_user
from bis.errors import BuildError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

ENGINES = ("docker", "podman")
"""In the order in which they are looked for."""
VARIABLE = "BIS_CONTAINER_ENGINE"
_NOT_RUNNING = (
    "Cannot connect to the Docker daemon",
    "Is the docker daemon running",
    "unable to connect to Podman",
)
_MAY_NOT = ("permission denied while trying to connect",)
_ABSENT = (
    "manifest unknown",
    "not found",
    "repository does not exist",
    "name unknown",
    "did not resolve to an alias",
    "pull access denied",
    "requested access to the resource is denied",
    "invalid reference format",
)
_UNREACHABLE = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "TLS handshake timeout",
    "no route to host",
)
_DISK_FULL = ("no space left on device", "disk quota exceeded")


class EngineNotRunningError(BuildError):
    """The engine is installed, and does not answer."""


@dataclass(frozen=True)
class Image:
    """An image that the engine has."""

    identifier: str
    """``sha256:`` and 64 hex digits: the digest of its configuration, which names its layers."""
    repo_digest: str
    """``NAME@sha256:...``, as its registry knows it; "" for one that was built here."""


@dataclass(frozen=True)
class Engine:
    """One of ``ENGINES``, as it is installed here."""

    name: str
    executable: str
    is_default: bool = False
    """Whether the user has named none: another one may answer for it."""

    def image(self, reference: str) -> Image | None:
        """The image of that name or id, or None when the engine has none. Raises EngineNotRunningError."""
        done = self._run(["image", "inspect", reference])
        if done.returncode != 0:
            self._raise_if_down(done.stderr)
            return None
        (found, *_) = json.loads(done.stdout)
        identifier = found["Id"] if found["Id"].startswith("sha256:") else f"sha256:{found['Id']}"
        digests = [each for each in found.get("RepoDigests") or () if not each.startswith("localhost/")]
        return Image(identifier, digests[0] if digests else "")

    def pull(self, reference: str, *, show: bool = False, login: Path | None = None) -> Image:
        """Fetch an image; ``login`` is a directory with credentials. Raises BuildError that says why it cannot."""
        done = self._run(["pull", reference], show=show, variables=_login_variables(login))
        found = self.image(reference) if done.returncode == 0 else None
        if found is None:
            raise self._explained(f"the image {reference} cannot be had", done.stderr or "")
        return found

    def build(self, dockerfile: Path, context: Path, *, show: bool = False) -> Image:
        """Build an image; layers whose content is the same are reused. Raises BuildError with the last words."""
        import tempfile

        with tempfile.TemporaryDirectory(prefix="bis-image-") as name:
            written = f"{name}/id"
            words = ["build", "--iidfile", written, "--file", str(dockerfile)]
            if self.name == "podman":  # equal content is an equal image, on any day
                words += ["--timestamp", "0"]
            done = self._run([*words, str(context)], show=show, variables={"SOURCE_DATE_EPOCH": "0"})
            if done.returncode != 0:
                what = f"the image of {dockerfile.name} cannot be built"
                raise self._explained(what, done.stderr or done.stdout or "", is_named=False)
            with open(written, encoding="ascii") as file:  # noqa: PTH123
                identifier = file.read().strip()
        found = self.image(identifier)
        if found is None:
            raise BuildError(f"{self.name} has built the image {identifier[:19]} and does not have it")
        return found

    def tag(self, identifier: str, name: str) -> None:
        """Give an image a name, by which a Dockerfile can begin with it."""
        self._run(["tag", identifier.removeprefix("sha256:"), name])

    def log_in(self, credentials: Mapping[str, str], directory: Path) -> None:
        """Prove who asks to a registry, as ``docker_auth`` of MLflow says: ``username``, ``password``, ``registry``.

        What the engine keeps of it goes into ``directory``, and not to the user's own configuration.
        """
        words = ["login", "--username", credentials.get("username", ""), "--password-stdin"]
        words += [credentials["registry"]] if credentials.get("registry") else []
        done = self._run(words, given=credentials.get("password", ""), variables=_login_variables(directory))
        if done.returncode != 0:
            raise self._explained("the registry does not accept docker_auth", done.stderr)

    def _run(
        self,
        words: Sequence[str],
        *,
        show: bool = False,
        variables: Mapping[str, str] | None = None,
        given: str | None = None,
    ) -> subprocess.CompletedProcess[Any]:
        try:
            return subprocess.run(
                [self.executable, *words],
                env={**os.environ, **(variables or {})},
                input=given,
                stdin=subprocess.DEVNULL if given is None else None,
                stdout=None if show else subprocess.PIPE,
                stderr=None if show else subprocess.PIPE,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise BuildError(f"cannot run {self.executable}: {error.strerror}") from error

    def _raise_if_down(self, errors: str) -> None:
        if any(sign in errors for sign in _NOT_RUNNING):
            raise EngineNotRunningError(
                f"{self.name} is installed, but its engine is not running",
                hint=f"Start it, or choose another one: --container-engine {_other(self.name)}.",
            )
        if any(sign in errors for sign in _MAY_NOT):
            raise EngineNotRunningError(
                f"{self.name} does not let you in",
                hint="Join its group (docker), or use podman: --container-engine podman",
            )

    def _explained(self, what: str, errors: str, *, is_named: bool = True) -> BuildError:
        """The error for the engine's words; ``is_named``: ``what`` has the name of the image that it looked for."""
        self._raise_if_down(errors)
        errors = without_user(errors)
        if any(sign in errors for sign in _DISK_FULL):
            return BuildError(f"{what}: the disk is full", hint=f"Free some space: {self.name} system prune")
        if is_named and any(sign in errors for sign in _UNREACHABLE):
            return BuildError(
                f"{what}: its registry does not answer", hint="Look at the network, and try again."
            )
        if is_named and any(sign in errors for sign in _ABSENT):
            return BuildError(
                f"{what}: there is none of that name here, and its registry has none or does not show it",
                hint=f"Look at the name, or log in first ({self.name} login), or put a Dockerfile beside MLproject.",
            )
        last = [line for line in errors.strip().splitlines() if line.strip()][-8:]
        return BuildError("\n  ".join([f"{what}:", *last]) if last else what)


def _other(name: str) -> str:
    return next(each for each in ENGINES if each != name)


def _login_variables(directory: Path | None) -> dict[str, str]:
    """Where docker and podman keep what a registry has accepted."""
    if directory is None:
        return {}
    return {"DOCKER_CONFIG": str(directory), "REGISTRY_AUTH_FILE": str(directory / "auth.json")}


def find_engine() -> Engine:
    """The engine that BIS_CONTAINER_ENGINE names (``--container-engine``), else the first that is installed.

    Raises UsageError for a name that is none, BuildError where there is none.
    """
    named = os.environ.get(VARIABLE) or None
    if named is not None and named not in ENGINES:
        raise UsageError(
            f"there is no container engine {named!r}; there are {', '.join(ENGINES)}",
            hint=did_you_mean(named, ENGINES),
        )
    found = engines(named)
    if not found:
        none = f"{named} is not installed" if named else "neither docker nor podman is installed"
        raise BuildError(f"{none}, and the project runs in a container", hint="Install podman or docker.")
    return found[0]


def engines(named: str | None = None) -> list[Engine]:
    """Those that are installed, in the order in which they are taken."""
    paths = [(name, shutil.which(name)) for name in ([named] if named else ENGINES)]
    return [Engine(name, path, is_default=named is None) for name, path in paths if path]
