"""py-rattler, the only place that knows it: solving, installing, activating. Its interface moves with each release.

It is imported when an environment is resolved or built, never to run in one that is there: it costs 0.1 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003  # of a field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import rattler
from rattler.config import Config
from rattler.exceptions import GatewayError, InstallerError, InvalidMatchSpecError, SolverError
from rattler.install import install as install_records
from rattler.lock import LockFile
from rattler.networking import Client
from rattler.package_cache import PackageCache, ValidationMode
from rattler.shell import ActivationVariables, Shell, activate
from rattler.virtual_package import VirtualPackage, VirtualPackageOverrides

from bis.environments.conda.packages import Package

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rattler.install.installer import InstallerReporter

    from bis.environments.conda.progress import Progress
    from bis.environments.conda.settings import Settings

__all__ = [
    "Caches",
    "ChannelError",
    "Conflict",
    "InstallError",
    "Problem",
    "UnreadableSpecError",
    "activation_script",
    "install",
    "is_cached",
    "platform",
    "solve",
]


class EngineError(Exception):
    """What rattler has said, as text."""


class ChannelError(EngineError):
    """A channel cannot be asked."""


class Conflict(EngineError):  # a word of its own
    """There is no solution; the text has the reasons."""


class InstallError(EngineError):
    """Packages cannot be fetched or linked."""


class UnreadableSpecError(EngineError):
    """A match specification is none."""


@dataclass(frozen=True)
class Caches:
    """Where rattler keeps what it has fetched."""

    packages: Path
    repodata: Path

    @classmethod
    def below(cls, cache: Path) -> Caches:
        """In a cache of ours, or where ``RATTLER_CACHE_DIR`` says."""
        shared = os.environ.get("RATTLER_CACHE_DIR")
        root = Path(shared).absolute() if shared else cache / "conda"
        return cls(root / "pkgs", root / "repodata")


@dataclass(frozen=True)
class Problem:
    """What is to be solved."""

    channels: tuple[str, ...]
    """Addresses, the one that counts most first."""
    specs: tuple[str, ...]
    constraints: tuple[str, ...]
    """What holds for packages that are chosen, and asks for none."""
    as_of: datetime | None
    add_pip: bool
    strict: bool


def platform() -> str:
    """Return conda's word for this platform, as ``linux-64``."""
    return str(rattler.Subdir.current())


def _of_machine() -> list[rattler.GenericVirtualPackage]:
    """What this machine has that packages ask for, as ``__glibc``; CONDA_OVERRIDE_* counts."""
    found = VirtualPackage.detect(VirtualPackageOverrides.from_env())
    return [each.into_generic() for each in found]


def solve(
    problem: Problem, *, settings: Settings, mirrors: Mapping[str, Sequence[str]], caches: Caches
) -> list[Package]:
    """Return the packages of a solution, their addresses with credentials.

    Raises Conflict, ChannelError, UnreadableSpecError.
    """
    try:
        specs = [rattler.MatchSpec(each, strict=False) for each in problem.specs]
    except InvalidMatchSpecError as error:
        raise UnreadableSpecError(str(error)) from error
    caches.repodata.mkdir(parents=True, exist_ok=True, mode=0o700)  # it notes addresses, tokens among them
    with _certificates(settings):
        gateway = rattler.Gateway(cache_dir=caches.repodata, client=_client(settings, mirrors))
    solution = rattler.solve(
        [rattler.Channel(each) for each in problem.channels],
        specs,
        gateway,
        virtual_packages=_of_machine(),
        channel_priority=rattler.ChannelPriority.Strict
        if problem.strict
        else rattler.ChannelPriority.Disabled,
        exclude_newer=problem.as_of,
        timestamp_policy="allow-missing",
        channel_relations="disabled",  # the project names its channels, and no channel names others
        add_pip_as_python_dependency=problem.add_pip,
        constraints=[rattler.MatchSpec(each) for each in problem.constraints],
    )
    try:
        with _certificates(settings):
            records = asyncio.run(solution)
    except SolverError as error:
        raise Conflict(str(error)) from error
    except (GatewayError, OSError) as error:
        raise ChannelError(str(error)) from error
    here = platform()
    return [_package(record, here) for record in records]


def _package(record: rattler.RepoDataRecord, here: str) -> Package:
    return Package(
        record.name.normalized,
        str(record.version),
        str(record.build),
        here,
        record.url,
        sha256=record.sha256.hex() if record.sha256 else "",
        md5=record.md5.hex() if record.md5 else "",
        depends=tuple(record.depends),
    )


def install(
    text: str,
    prefix: Path,
    *,
    settings: Settings,
    mirrors: Mapping[str, Sequence[str]],
    caches: Caches,
    progress: Progress,
    checked: bool = False,
) -> None:
    """Install the packages of a lock's text, whose addresses are those to ask; raise InstallError, ValueError.

    ``checked`` compares the cache with its hashes first, which takes as long as the installation.
    """
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "conda-lock.yml"
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        locked = LockFile.from_path(file)
    environment = locked.default_environment()
    records = environment.conda_repodata_records_for_platform(locked.platforms()[0]) if environment else []
    try:
        with _certificates(settings):
            asyncio.run(
                install_records(
                    records or [],
                    prefix,
                    package_cache=_package_cache(caches, checked=checked),
                    installed_packages=[],
                    execute_link_scripts=True,
                    show_progress=False,
                    client=_client(settings, mirrors),
                    reporter=cast("InstallerReporter", progress),
                )
            )
    except (InstallerError, OSError) as error:
        raise InstallError(str(error)) from error


def _package_cache(caches: Caches, *, checked: bool) -> PackageCache:
    """The cache; ``checked``: what is in it is compared with its hashes, and fetched again where it differs."""
    caches.packages.mkdir(parents=True, exist_ok=True)
    mode = ValidationMode.full() if checked else ValidationMode.skip()
    return PackageCache.new_layered([caches.packages], validation_mode=mode)


def is_cached(package: Package, caches: Caches) -> bool:
    """Whether the cache has a package, by the hash that rattler notes beside each: a number, then the SHA-256."""
    note = caches.packages / f"{package.name}-{package.version}-{package.build}.lock"
    try:
        return note.read_bytes()[8:40].hex() == package.sha256 and note.with_suffix("").is_dir()
    except OSError:
        return False


def activation_script(prefix: Path) -> str:
    """Return the text for bash that activates an environment."""
    return activate(prefix, ActivationVariables(None, ["/usr/bin", "/bin"]), Shell.bash).script


@contextlib.contextmanager
def _certificates(settings: Settings) -> Iterator[None]:
    """Have rattler trust the user's file of certificates: it is told by a variable, which a run must not inherit."""
    if not isinstance(settings.ssl_verify, str):
        yield
        return
    before = os.environ.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = settings.ssl_verify
    try:
        yield
    finally:
        if before is None:
            del os.environ["SSL_CERT_FILE"]
        else:
            os.environ["SSL_CERT_FILE"] = before


def _client(settings: Settings, mirrors: Mapping[str, Sequence[str]]) -> Client:
    """A client with the user's proxies, certificates and mirrors; credentials are rattler's own affair."""
    lines = []
    if settings.ssl_verify is False:
        lines.append("tls-no-verify = true")
    elif isinstance(settings.ssl_verify, str):
        lines.append('tls-root-certs = "system"')
    proxies = {name: settings.proxies[name] for name in ("http", "https") if settings.proxies.get(name)}
    if proxies:
        lines += ["[proxy-config]", *(f"{name} = {json.dumps(url)}" for name, url in proxies.items())]
    if mirrors:
        lines += [
            "[mirrors]",
            *(f"{json.dumps(url)} = {json.dumps(list(more))}" for url, more in mirrors.items()),
        ]
    return Client.from_config(Config.from_toml("\n".join(lines)))
