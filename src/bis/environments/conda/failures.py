"""rattler's words made fit for the user: what is wrong, where the project asks for it, and the way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bis.environments.conda.channels import NO_DEFAULTS, is_defaults, without_credentials
from bis.environments.resolution_errors import place_of
from bis.errors import BisError, BuildError, HomeError, Position, ResolutionError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from bis.environments.conda.channels import Channel
    from bis.environments.conda.engine import ChannelError, Conflict, InstallError, UnreadableSpecError
    from bis.environments.conda.packages import Package
    from bis.environments.spec import CondaDeclaration, EnvironmentSpec

_LINES = 14
_MISSING = re.compile(r"No candidates were found for ([\w.-]+)")
_VIRTUAL = re.compile(r"(__\w+)(?: [^,\n]*)?, for which no candidates were found")
_NAMED = re.compile(r"[─ ] ([A-Za-z0-9_][\w.-]*) \S+.*(?:can|cannot) be installed")
_DAMAGED = re.compile(
    r"hash mismatch|zip archive|Invalid local file header|unexpected end|corrupt|decompress", re.I
)
_OVERRIDES = {
    "__cuda": "CONDA_OVERRIDE_CUDA",
    "__glibc": "CONDA_OVERRIDE_GLIBC",
    "__osx": "CONDA_OVERRIDE_OSX",
}


def unsolvable(
    conflict: Conflict,
    *,
    spec: EnvironmentSpec,
    as_of: datetime | None,
    channels: Sequence[str],
    later: bool,
) -> BisError:
    """The error for what has no solution; ``later`` says that there is one among newer packages."""
    reasons = without_credentials(str(conflict)).removeprefix("Cannot solve the request because of: ").strip()
    reasons = re.sub(r"\[channel=\"[^\"]*\"\]", "", reasons)
    missing = _MISSING.findall(reasons)
    names = [*missing, *_NAMED.findall(reasons)]
    held = f" as of {as_of:%Y-%m-%d %H:%M} UTC" if as_of else ""
    return ResolutionError(
        f"the declared conda packages cannot be installed together{held}:\n{_shortened(reasons)}"
        if not missing
        else f"no channel has {', '.join(missing)} as declared{held}:\n{_shortened(reasons)}",
        hint=_hint(reasons, channels, spec, missing=bool(missing), later=later),
        where=place_of(spec.file, names),
    )


def _hint(reasons: str, channels: Sequence[str], spec: EnvironmentSpec, *, missing: bool, later: bool) -> str:
    if later:
        return "There are newer packages than that date allows: --as-of latest takes today's."
    virtual = _VIRTUAL.search(reasons)
    if virtual:
        variable = _OVERRIDES.get(virtual[1], "CONDA_OVERRIDE_...")
        return (
            f"{virtual[1]} stands for what a machine has: run it where that is, or state it with {variable}."
        )
    if missing:
        asked = ", ".join(channels)
        has_said = spec.conda is not None and NO_DEFAULTS in spec.conda.channels
        others = has_said or any(map(is_defaults, channels))
        more = "" if others else "; conda itself would also have looked in defaults"
        return f"Check name and version. These channels were asked: {asked}{more}."
    return "Loosen the versions that contradict each other. Of a package, only the first channel that has it counts."


def _shortened(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(
        lines if len(lines) <= _LINES else [*lines[:_LINES], f"... {len(lines) - _LINES} more lines"]
    )


def unreachable(error: ChannelError, channels: Sequence[Channel], spec: EnvironmentSpec) -> BisError:
    """The error for a channel that cannot be asked."""
    text = without_credentials(str(error))
    if _is_full(text):
        return _full()
    plain = [without_credentials(each.address) for each in channels]
    named = next((each for each in plain if each in text), ", ".join(plain))
    reason = text.splitlines()[-1].removeprefix("Caused by: ").strip()
    status = re.search(r"\b(40[13]) ", text)
    hint = "Check the address, the network and the proxy, and run again."
    if status:
        hint = (
            "It wants credentials: a token in the address (/t/TOKEN/), in .condarc, or in RATTLER_AUTH_FILE."
        )
    where = place_of(spec.file, [named.rpartition("/")[2]]) if spec.file else None
    return ResolutionError(f"the channel {named} cannot be reached: {reason}", hint=hint, where=where)


def unreadable(error: UnreadableSpecError, file: Path | None, declared: CondaDeclaration) -> BisError:
    """The error for a dependency that is no match specification."""
    where = declared.dependencies[0][1] if declared.dependencies else None
    return SpecError(
        f"a conda dependency cannot be read: {without_credentials(str(error))}",
        where=where or (Position(file, 1) if file else None),
        hint="Write it as name, name=1.2, name==1.2.3=build or name>=1,<2.",
    )


def without_hash(package: Package, spec: EnvironmentSpec) -> BisError:
    """The error for a package that nothing could hold to what was chosen."""
    return ResolutionError(
        f"the channel {without_credentials(package.channel)} gives no hash for {package.name} {package.version}",
        hint="Index the channel anew, so that its packages can be locked.",
        where=place_of(spec.file, [package.name]),
    )


def is_damaged(error: InstallError) -> bool:
    """Whether a package arrived as another file than the one that was locked, or lies damaged in the cache."""
    text = str(error)
    return bool(_DAMAGED.search(text)) or ("failed to link" in text and "No such file" in text)


def not_installed(error: InstallError, asked: Sequence[Package]) -> BisError:
    """The error for packages that could not be fetched or linked."""
    text = without_credentials(str(error))
    if _is_full(text):
        return _full()
    package = next((each for each in asked if each.file.rpartition("/")[2] in text), None)
    if package and _DAMAGED.search(text):
        return damaged(package)
    if package and re.search(r"\b(404|410)\b|No such file", text) and "failed to fetch" in text:
        return gone(package)
    name = f"{package.name} {package.version}" if package else "a package"
    reason = text.splitlines()[-1].removeprefix("Caused by: ").strip()
    if "failed to fetch" in text:
        where = without_credentials(package.channel) if package else "its channel"
        return BuildError(
            f"the conda package {name} cannot be fetched from {where}: {reason}",
            hint="Check the network, the proxy and the channel's credentials, and run again: what came is kept.",
        )
    return BuildError(f"the conda package {name} cannot be installed: {reason}", hint="Run again.")


def damaged(package: Package) -> BisError:
    """The error for a package that is not the file that was locked."""
    return BuildError(
        f"the conda package {package.name} {package.version} is not the file that was locked (its hash is another)",
        hint=f"Do not trust {without_credentials(package.url)}: it was replaced, or it is damaged.",
    )


def gone(package: Package) -> BisError:
    """The error for a package that its channel does not have any more."""
    return BuildError(
        f"{without_credentials(package.channel)} has no {package.file.rpartition('/')[2]} any more,"
        " and it is not in the cache",
        hint="Name a mirror that has it (mirrored_channels in .condarc), or resolve anew: bis run --upgrade.",
    )


def _is_full(text: str) -> bool:
    return "No space left on device" in text or "Disk quota exceeded" in text or "os error 28" in text


def _full() -> HomeError:
    return HomeError("the disk is full", hint="Free some space; `bis env prune` removes unused environments.")
