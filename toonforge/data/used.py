"""A data set without what nobody uses: groups are left out whole, fields of the others are not read or filtered."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

from toonforge.components import DrawsAlone, ImageSource, Locates, Narrows

if TYPE_CHECKING:
    import numpy as np
    import torch


def only_used(source: ImageSource, groups: Mapping[str, Mapping[str, object]], fields: Set[str]) -> ImageSource:
    """The source's groups that hold one of these fields, without further fields where the source can leave them out.

    Order and augmentation of what remains stay what they are. Where no field is named, everything remains.
    """
    kept = [group for group, theirs in groups.items() if fields & theirs.keys()]
    if not kept:
        return source
    return Used(source.only(frozenset(fields)) if isinstance(source, Narrows) else source, kept)


class Used:
    """Some groups of a source; see `toonforge.components.ImageSource`."""

    def __init__(self, source: ImageSource, groups: list[str]) -> None:
        self.source = source
        self.sizes: Mapping[str, int] = {group: source.sizes[group] for group in groups}

    @property
    def draws_alone(self) -> bool:
        """As the source's items do; no, where it does not say."""
        return isinstance(self.source, DrawsAlone) and self.source.draws_alone

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> Mapping[str, torch.Tensor]:
        """The source's own item."""
        return self.source.item(group, index, rng)

    def name(self, group: str, index: int) -> str:
        """The source's own name."""
        return self.source.name(group, index)

    def where(self, group: str, index: int) -> Mapping[str, str]:
        """What the source knows; nothing where it does not say."""
        return self.source.where(group, index) if isinstance(self.source, Locates) else {}
