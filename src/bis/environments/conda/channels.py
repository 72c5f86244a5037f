"""Channels: from what people write to addresses, and what of an address is kept in a lock.

A channel has two addresses. The one that is asked carries the user's mirror and credentials. The one that is kept,
its canonical address, has none of both: a channel that goes by a name is kept by that name, as conda-lock does.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from bis.environments.conda.settings import DEFAULT_ALIAS, DEFAULT_CHANNELS, Settings, with_variables
from bis.environments.credentials import USER, without_user

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = re.compile(r"(https?://[^/\s]+)/t/([^/\s\"']+)")
_ONLY_VARIABLES = re.compile(r"(?:[$]\{?\w+\}?:?){1,2}")
_OF_ANACONDA = re.compile(r"/(pkgs/(?:main|r|msys2|free|pro|archive))$")
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

NO_DEFAULTS = "nodefaults"


@dataclass(frozen=True)
class Channel:
    """A channel of one address."""

    canonical: str
    """What a lock says; without credentials, without a slash at the end."""
    address: str
    """What is asked, with credentials."""
    mirrors: tuple[str, ...] = ()
    """Further addresses of the same packages."""


def without_credentials(text: str) -> str:
    """Return the text with ``user:password@`` and ``/t/TOKEN`` taken out of every address in it.

    >>> without_credentials("https://me:pw@host/t/tk-123/team/noarch")
    'https://host/team/noarch'
    """
    return _TOKEN.sub(r"\1", without_user(text))


def as_kept(written: str) -> str:
    """A channel as a lock has it: without credentials, but with the variables that hold some.

    >>> as_kept("https://host/t/${TOKEN}/team"), as_kept("https://host/t/tk-123/team")
    ('https://host/t/${TOKEN}/team', 'https://host/team')
    """
    found = USER.sub(lambda match: match[0] if _ONLY_VARIABLES.fullmatch(match[0][:-1]) else "", written)
    return _TOKEN.sub(lambda match: match[0] if _ONLY_VARIABLES.fullmatch(match[2]) else match[1], found)


def used_variables(text: str) -> list[str]:
    """The names of the variables that an address as written refers to."""
    return [a or b for a, b in _VARIABLE.findall(text)]


@dataclass(frozen=True)
class Channels:
    """Answers where a channel is, by the user's settings; ``directory`` is that of the project."""

    settings: Settings
    environ: Mapping[str, str]
    directory: Path | None = None

    @classmethod
    def here(cls, settings: Settings, directory: Path | None = None) -> Channels:
        """With the variables of this process."""
        return cls(settings, os.environ, directory)

    def wanted(self, declared: Iterable[str]) -> tuple[str, ...]:
        """The channels to look in, as written: the declared ones, then the user's own unless ``nodefaults``.

        Without any it is conda-forge.
        """
        named = list(declared)
        own = [] if NO_DEFAULTS in named else list(self.settings.channels)
        found = dict.fromkeys(each for each in (*named, *own) if each != NO_DEFAULTS)
        return tuple(found) or ("conda-forge",)

    def resolve(self, text: str) -> tuple[Channel, ...]:
        """The addresses of a channel as written; several for ``defaults`` and other collections of channels."""
        name = with_variables(text.strip(), self.environ).rstrip("/")
        if "://" in name:
            return (self._of_address(name),)
        if name.startswith("."):
            return (self._inside(name),)
        if name.startswith(("/", "~")):
            return (self._of_address(Path(name).expanduser().resolve().as_uri()),)
        several = self.settings.custom_multichannels.get(name)
        if name == "defaults" and several is None:
            several = self.settings.default_channels
        if several is not None:
            return tuple(channel for each in several for channel in self.resolve(each))
        return (self._of_name(name),)

    def _inside(self, path: str) -> Channel:
        """A channel in the project, which is kept by its place there: it is found again in every checkout."""
        directory = self.directory or Path.cwd()
        canonical = f"./{os.path.normpath(path)}"
        return Channel(canonical, (directory / path).resolve().as_uri())

    def _of_address(self, address: str) -> Channel:
        plain = without_credentials(address)
        default = f"{DEFAULT_ALIAS}/"
        if plain.startswith(default) and plain == address:
            return self._of_name(plain.removeprefix(default))
        anaconda = _OF_ANACONDA.search(plain)
        canonical = f"https://repo.anaconda.com/{anaconda[1]}" if anaconda and "file:" not in plain else plain
        return Channel(canonical, self._with_token(address))

    def _of_name(self, name: str) -> Channel:
        canonical = f"{DEFAULT_ALIAS}/{quote(name)}"
        bases = self.settings.mirrored_channels.get(name)
        if bases:
            first, *others = (self._with_token(each.rstrip("/")) for each in bases)
            return Channel(canonical, first, tuple(others))
        head = next(
            (each for each in _heads(name) if each in self.settings.custom_channels),
            None,
        )
        base = self.settings.custom_channels[head] if head else self.settings.channel_alias
        return Channel(canonical, self._with_token(f"{_as_address(base).rstrip('/')}/{quote(name)}"))

    def _with_token(self, address: str) -> str:
        """Put in the token that ``anaconda login`` has left for the server of an address without credentials."""
        address = _as_address(address)
        if not address.startswith("http") or address != without_credentials(address):
            return address
        host = urlsplit(address).netloc
        token = _anaconda_tokens(self.environ).get(host)
        return address.replace(host, f"{host}/t/{token}", 1) if token else address

    def asked(self, canonical: str, known: Iterable[Channel] = ()) -> Channel:
        """The channel of a canonical address, as the user's settings, or those of ``known``, reach it now."""
        for channel in (*known, *self._configured()):
            if channel.canonical == canonical:
                return channel
        if canonical.startswith("."):
            return self._inside(canonical)
        if canonical.startswith(f"{DEFAULT_ALIAS}/"):
            return self._of_name(unquote(canonical.removeprefix(f"{DEFAULT_ALIAS}/")))
        return Channel(canonical, self._with_token(canonical))

    def _configured(self) -> list[Channel]:
        written = (*self.settings.channels, *self.settings.default_channels)
        several = self.settings.custom_multichannels.values()
        named = (*written, *(each for group in several for each in group))
        return [channel for each in named for channel in self.resolve(each)]


def is_defaults(canonical: str) -> bool:
    """Whether a channel is one of Anaconda's own, which have terms of their own."""
    return canonical in DEFAULT_CHANNELS or canonical.startswith("https://repo.anaconda.com/")


def _heads(name: str) -> list[str]:
    """``a/b/label/dev`` and what it begins with, the longest first."""
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]


def _as_address(text: str) -> str:
    return Path(text).as_uri() if text.startswith("/") else text


def _anaconda_tokens(environ: Mapping[str, str]) -> dict[str, str]:
    """Tokens by host of the channels: anaconda-client keeps them in files named by the address of its API."""
    home = Path(environ.get("HOME") or Path.home())
    folders = (home / ".continuum/anaconda-client/tokens", home / ".local/share/binstar")
    found = {}
    for file in (file for folder in folders for file in folder.glob("*.token")):
        host = urlsplit(unquote(file.name.removesuffix(".token"))).netloc
        try:
            token = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue
        if host and token:
            found[host.replace("api.", "conda.", 1)] = token
    return found
