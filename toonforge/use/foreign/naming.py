"""What imported networks and translations are called, by the names of their files and of the checkpoint's parts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

_NETWORK = re.compile(r"(?:^|[_.-]|net)([GDF](?:_(?:A2B|B2A|[AB]))?)(?=[_.-]|$)")
_WORDS = {"generator": "G", "gen": "G", "discriminator": "D", "disc": "D"}
_DOMAINS = {"A": "B", "B": "A", "A2B": "B", "B2A": "A"}
"""The end of a generator's name -> what it translates to: in CycleGAN's code G_A takes A and makes B."""
INPUT = "picture"


def network_name(path: Path, part: str, kind: str, taken: Iterable[str]) -> str:
    """A name for a network: that of its part ("state_dict.netG_A"), else that of its file ("latest_net_G_A.pth").

    Args:
        kind: the registry of its component: "generators" or another.
        taken: names that are given already.
    """
    initial = "G" if kind == "generators" else "D"
    name = initial
    for text in (part.rpartition(".")[2], path.stem):
        found = _NETWORK.search(text)
        word = next((short for long, short in _WORDS.items() if text.lower().startswith(long)), None)
        if found and found[1][0] in ("GF" if initial == "G" else "D"):
            name = found[1]
            break
        if word == initial:
            break
    names = set(taken)
    number = 2
    unique = name
    while unique in names:
        unique, number = f"{name}_{number}", number + 1
    return unique


def domain_of(network: str) -> str:
    """What a generator translates to where nobody says: "B" of G_A, "translated" of G."""
    return _DOMAINS.get(network.partition("_")[2], "translated")
