"""Pictures made of nothing but a seed: to try a recipe, to test a plugin, to measure speed without a disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from toonforge.components import Dataset, Shape, component, param
from toonforge.data.transforms import to_tensor

if TYPE_CHECKING:
    import numpy as np
    import torch


@component
class Synthetic(Dataset):
    """Coloured rectangles on slopes of colour, drawn from each item's number; every field differs."""

    fields: Mapping[str, tuple[str, ...]] = param(
        lambda: {"photo": ("photo",), "anime": ("anime",)},
        doc="group -> its batch fields; groups are drawn independently, the fields of one group together",
    )
    count: int = param(16, doc="training pictures of each group; a quarter as many for validation", at_least=4, tiny=8)
    image_size: int = param(256, doc="height and width", unit="pixels", at_least=4, at_most=8192, tiny=64)

    def groups(self) -> Mapping[str, Mapping[str, Shape]]:
        """As `fields` says."""
        size = self.image_size
        return {group: dict.fromkeys(fields, (3, size, size)) for group, fields in self.fields.items()}

    def verify(self) -> None:
        """There is nothing to be missing."""

    def build(self, split: str) -> SyntheticSource:
        """The pictures of one part; training and validation share none."""
        return SyntheticSource(self.fields, self.count if split == "train" else self.count // 4, self.image_size, split)


class SyntheticSource:
    """See `toonforge.components.ImageSource`."""

    def __init__(self, groups: Mapping[str, tuple[str, ...]], count: int, size: int, split: str) -> None:
        self.groups, self.size, self.split = groups, size, split
        self.sizes: Mapping[str, int] = dict.fromkeys(groups, count)

    @property
    def draws_alone(self) -> bool:
        """Items draw from nothing but their own generator; of a class made from this one that is not known."""
        return type(self) is SyntheticSource

    def item(self, group: str, index: int, rng: np.random.Generator | None) -> dict[str, torch.Tensor]:
        """Fields of one item, mirrored by `rng` now and then."""
        flip = rng is not None and bool(rng.integers(2))
        return {
            field: self._picture(group, field, index).flip(-1) if flip else self._picture(group, field, index)
            for field in self.groups[group]
        }

    def name(self, group: str, index: int) -> str:
        """The part and the number."""
        return f"{self.split}-{index}"

    def _picture(self, group: str, field: str, index: int) -> torch.Tensor:
        import numpy as np

        words = (f"{self.split}/{group}".encode(), field.encode())
        rng = np.random.default_rng([index, *(int.from_bytes(word, "big") for word in words)])
        slope = np.linspace(rng.integers(0, 256, 3), rng.integers(0, 256, 3), self.size)
        picture = np.repeat(slope[:, None], self.size, 1)
        for _ in range(4):
            (top, left), sides = rng.integers(0, self.size, 2), rng.integers(1, self.size, 2)
            picture[top : top + sides[0], left : left + sides[1]] = rng.integers(0, 256, 3)
        return to_tensor(picture.astype(np.uint8))
