"""Which names the server answers to, and from which pages of a browser.

A page of another site can make its own name point to this machine (DNS rebinding), so the name in ``Host``
has to be one of the server's. It is parsed, never matched by its beginning: ``10.evil.com`` is a name and no
address. An address cannot be made to point elsewhere, so it is safe where the server is meant for others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCAL_NAMES = frozenset({"localhost"})

_AUTHORITY = re.compile(
    rb"(?:\[(?P<v6>[0-9A-Fa-f:.]{2,45})\]|(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})))"
    rb"(?::(?P<port>[0-9]{1,5}))?"
)
_ORIGIN = re.compile(rb"(?P<scheme>https?)://(?P<authority>[^/?#@\\\s]+)")
_DEFAULT_PORTS = {b"http": 80, b"https": 443}
_OTHER_SITES = frozenset((b"cross-site", b"same-site"))
_MOST_KNOWN = 64

Name = str | IPv4Address | IPv6Address
Authority = tuple[Name, int | None]


@dataclass(frozen=True)
class Hosts:
    """The server's own names.

    ``every_address``: any address of a machine is taken for one of this one, for a server that others reach;
    without it, only the loopback addresses.
    """

    names: frozenset[str] = LOCAL_NAMES
    every_address: bool = False
    _known: dict[bytes, Authority] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def named(names: Iterable[str], *, every_address: bool = False) -> Hosts:
        """These names beside ``localhost``; an address that is given as a name is one of them."""
        return Hosts(LOCAL_NAMES | {_plain(name) for name in names}, every_address)

    def accepts(self, host: bytes) -> bool:
        """Whether ``host``, a name or address with or without a port, means this server."""
        return host in self._known or self._is_own(host)

    def _is_own(self, host: bytes) -> bool:
        found = parse_authority(host)
        if found is None or not self._is_own_name(found[0]):
            return False
        if len(self._known) < _MOST_KNOWN:  # a client sends the same one each time
            self._known[host] = found
        return True

    def _is_own_name(self, name: Name) -> bool:
        if str(name) in self.names:
            return True
        return not isinstance(name, str) and (self.every_address or name.is_loopback)


def parse_authority(text: bytes) -> Authority | None:
    """The name or address, and the port if there is one; None for what is neither."""
    match = _AUTHORITY.fullmatch(text)
    if match is None:
        return None
    port = int(match["port"]) if match["port"] else None
    if port is not None and port > 65535:
        return None
    if match["v6"]:
        try:
            return IPv6Address(match["v6"].decode()), port
        except ValueError:
            return None
    name = _plain(match["name"].decode())
    try:
        return ip_address(name), port
    except ValueError:
        return name, port


def is_from_elsewhere(host: bytes, origin: bytes | None, site: bytes | None) -> bool:
    """Whether a browser sent the request for a page of another origin than ``host``.

    ``origin`` and ``site`` are the headers ``Origin`` and ``Sec-Fetch-Site``, which only browsers send. Another
    port of the same machine is another origin, and so is ``null``.
    """
    if site in _OTHER_SITES:
        return True
    if origin is None:
        return False
    match = _ORIGIN.fullmatch(origin)
    page = parse_authority(match["authority"]) if match else None
    here = parse_authority(host)
    if match is None or page is None or here is None:
        return True
    default = _DEFAULT_PORTS[
        match["scheme"]
    ]  # a proxy may have taken the TLS away: the scheme does not count
    return (page[0], page[1] or default) != (here[0], here[1] or default)


def _plain(name: str) -> str:
    """A name without case and without the dot of the root."""
    return name.lower().removesuffix(".")
