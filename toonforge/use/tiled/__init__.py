"""Pictures of any size in bounded memory, without seams.

A picture that fits memory is computed whole. Otherwise the network is traced, and computed layer by layer in strips of
rows: convolutions read the rows beyond a strip's border, norms gather their statistics over the whole picture first,
and whatever takes all places at once, such as attention over a bottleneck, is computed whole. The result is that of
the whole picture. Networks that cannot be traced are computed in overlapping tiles, which is an approximation; its
error is measured and said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from toonforge.use.tiled.tiles import Tiles

if TYPE_CHECKING:
    import torch

    from toonforge.use.model import Model

__all__ = ["Tiles"]


def ignore(text: str) -> None:
    """A note that nobody wants to read."""


def compute(
    model: Model,
    pictures: torch.Tensor,
    to: str | None = None,
    tiles: Tiles | None = None,
    note: Callable[[str], None] = ignore,
    check: Callable[[], None] | None = None,
    part: Callable[[int, int], None] | None = None,
) -> torch.Tensor:
    """Translate pictures of any size.

    Args:
        model: what translates.
        pictures: N,3,H,W in [-1, 1].
        to: the domain to translate to; the recipe's first when left out.
        tiles: when and how to compute in parts; where the memory asks for it when left out.
        note: told in a sentence when pictures are computed in parts. Where that is an approximation, its error is
            said, as a warning of Python's where nobody listens.
        check: called often, in this thread: between parts, and between a network's functions where it is computed
            whole. What it raises ends the computation, and is raised here.
        part: called with the number of parts that are done and of all, after each part; from 1 again for every picture
            and every network of the translation, and not at all for what is computed whole.

    Returns:
        N,3,H,W in [-1, 1], on the pictures' device.

    Raises:
        RunError: for a domain that is not offered, or pictures of which it cannot be computed.
    """
    from toonforge.use.tiled.any_size import at_any_size

    return at_any_size(model, pictures, to, tiles or Tiles(), note, check, part)
