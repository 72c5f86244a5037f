"""Names and passwords in addresses: what a project, a lock or a message has of them is taken out."""

from __future__ import annotations

import re

USER = re.compile(r"(?<=://)[^/@\s]+@")
"""The ``user:password@`` of an address, wherever in a text it stands."""


def without_user(text: str) -> str:
    """Return the text with ``user:password@`` taken out of every address in it."""
    return USER.sub("", text)
