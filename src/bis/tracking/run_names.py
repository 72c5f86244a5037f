"""Names for runs that were given none: two words, easy to say."""

from __future__ import annotations

import os

_ADJECTIVES = """
able amber ancient aqua autumn bold brave breezy bright brisk calm candid careful cheerful clean clever cool
coral  crisp curious daring dapper deep eager early earnest easy fair fancy fast fearless fine fluent fond
free fresh  gentle glad golden grand green handy happy hardy honest humble jolly keen kind lively loyal
lucky mellow merry  mighty neat nimble noble open patient placid plucky polite proud quick quiet rapid ready
rosy royal rustic salty  serene sharp shiny silent silver simple sleek smart smooth snug solid spry steady
still stout sunny swift tidy  tranquil trusty upbeat vivid warm wise witty young zesty
"""
_NOUNS = """
acorn alder ant aspen badger bass bat beaver bee birch bison brook carp cedar cicada cliff clover cobra colt
comet  condor coot crab crane crow cub deer dove duck eagle eel elk elm falcon fawn fern finch fir fish
fjord flint fox  frog gecko glen goat goose grouse gull hare hawk hazel heron hill horse ibis iris jay kelp
kite koala lake lark  larch lemur lily linden llama loon lynx maple mare marsh meadow mole moose moss moth
newt oak orca otter owl ox  panda peak pine plover pond poplar quail rain ram raven reed river robin rook
rose seal shore shrew skua slug snail  sparrow spruce squid stag stoat stork storm swan teal thrush toad
trout tulip vale vole wasp whale willow wolf  wren yak yew zebra
"""


def random_run_name() -> str:
    """Two words, as ``brisk-heron``; from the system's entropy, so that no seed of the user's is touched."""
    return f"{_chosen(_ADJECTIVES)}-{_chosen(_NOUNS)}"


def _chosen(words: str) -> str:
    known = words.split()
    return known[int.from_bytes(os.urandom(4), "big") % len(known)]
