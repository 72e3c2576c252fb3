"""Which of the chosen tricks find nothing to do in a recipe's networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

from torch import nn

from toonforge.nn.few_pixels import FEW
from toonforge.nn.quick import QUICK
from toonforge.nn.winograd import WinogradConv2d
from toonforge.speed.layout import is_arranged

LAYERS: Mapping[str, tuple[type[nn.Module], ...]] = {
    # Not sequences, which are there in nearly every network and are quick only where a norm follows a convolution.
    "quick-norms": tuple(quick for plain, quick in QUICK.items() if plain is not nn.Sequential),
    "winograd": (WinogradConv2d,),
    "matrix-convolutions": tuple(FEW.values()),
}
"""Trick -> the classes of the layers that compute by it."""


def idle(networks: Iterable[nn.Module]) -> list[str]:
    """The tricks of layers and layouts that none of these networks, which are `arranged`, has a use for."""
    known = [*networks]
    kinds = {type(module) for module in chain.from_iterable(network.modules() for network in known)}
    layers = [trick for trick, classes in LAYERS.items() if kinds.isdisjoint(classes)]
    return layers if any(map(is_arranged, known)) else [*layers, "channels-last"]
