"""Installs the conda packages of a lock, from the cache or from where the user's settings reach their channels."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from bis.environments.conda import engine, packages
from bis.environments.conda.channels import without_credentials
from bis.errors import BuildError
from bis.file_digests import sha256_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bis.environments.conda.channels import Channel, Channels
    from bis.environments.conda.packages import LockedConda, Package
    from bis.environments.conda.progress import Progress
    from bis.home import Home

_known: dict[str, Channel] = {}
"""Channels whose credentials stand in the project's file: a lock may not hold them, and this process needs them."""


def remember(channels: Iterable[Channel]) -> None:
    """Keep, for this process, how to reach channels."""
    _known.update(
        {channel.canonical: channel for channel in channels if channel.address != channel.canonical}
    )


def install_conda(text: str, prefix: Path, *, channels: Channels, home: Home, progress: Progress) -> None:
    """Install at ``prefix``; a package that arrives damaged is fetched once more.

    Raises BuildError that names the package or channel, HomeError for a full disk.
    """
    try:
        locked = packages.from_text(text)
    except ValueError as error:
        raise BuildError(
            f"the environment's lock cannot be read: {error}", hint="Resolve it anew: bis run --upgrade."
        ) from error
    asked = _asked(locked, channels)
    reached = [
        dataclasses.replace(each, url=f"{asked[each.channel].address}/{each.file}")
        for each in locked.packages
    ]
    caches = engine.Caches.below(home.ensure(home.cache))
    mirrors = {each.address: [each.address, *each.mirrors] for each in asked.values() if each.mirrors}
    with_addresses = packages.to_text(
        reached, channels=[each.address for each in asked.values()], platform=engine.platform(), source="."
    )
    for attempt in (1, 2):
        _check_local_files(reached, caches)
        try:
            engine.install(
                with_addresses,
                prefix,
                settings=channels.settings,
                mirrors=mirrors,
                caches=caches,
                progress=progress,
                checked=attempt == 2,
            )
        except engine.InstallError as error:
            from bis.environments.conda import failures

            if attempt == 1 and failures.is_damaged(error):
                shutil.rmtree(prefix, ignore_errors=True)
                continue
            raise failures.not_installed(error, reached) from error
        break
    if progress.failed_scripts:
        raise BuildError(
            f"the script that sets up {', '.join(progress.failed_scripts)} after linking has failed",
            hint="The package is not made for this machine, or its script is faulty: declare another version.",
        )
    _hide_credentials(prefix, asked.values())


def _asked(locked: LockedConda, channels: Channels) -> dict[str, Channel]:
    """How to reach each channel that a package is from, by its canonical address."""
    written = [channel for each in locked.channels for channel in channels.resolve(each)]
    found = {}
    for canonical in dict.fromkeys(package.channel for package in locked.packages):
        found[canonical] = _known.get(canonical) or channels.asked(canonical, written)
    return found


def _check_local_files(reached: Iterable[Package], caches: engine.Caches) -> None:
    """Compare packages of ``file://`` channels with their hashes: rattler does so for downloads only."""
    for package in reached:
        if not package.url.startswith("file:") or not package.sha256 or engine.is_cached(package, caches):
            continue
        path = Path(unquote(urlsplit(package.url).path))
        if not path.is_file():
            from bis.environments.conda import failures

            raise failures.gone(package)
        if sha256_of(path) != package.sha256:
            from bis.environments.conda import failures

            raise failures.damaged(package)


def _hide_credentials(prefix: Path, asked: Iterable[Channel]) -> None:
    """Take credentials out of what rattler has noted of each package."""
    if all(without_credentials(each.address) == each.address for each in asked):
        return
    for path in (prefix / "conda-meta").glob("*.json"):
        text = path.read_text("utf-8")
        hidden = re.sub(r'(?<=")https?://[^"]*(?=")', lambda match: without_credentials(match[0]), text)
        if hidden != text:
            path.unlink()  # not to write into what may be a hard link
            path.write_text(hidden, encoding="utf-8")
