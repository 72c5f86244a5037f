"""The provider of containers: an image is found, pulled or built, and locked by what it holds.

The image that a name means is kept from the first run on, as every environment that is not pinned: a tag that moves
changes nothing until ``--upgrade``.
"""

from bis.environments.container.provider import lock, realize

__all__ = ["lock", "realize"]
