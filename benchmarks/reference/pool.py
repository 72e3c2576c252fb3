"""The pool of earlier fakes that a discriminator is shown."""

from __future__ import annotations

import random

import torch
from torch import Tensor


class Pool:
    """Keeps up to `size` pictures; once it is full, every second picture is exchanged for one of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept: list[Tensor] = []

    def __call__(self, pictures: Tensor) -> Tensor:
        """(N,3,H,W), what is shown in their place; no gradient passes."""
        shown = []
        for picture in pictures.detach():
            if len(self.kept) < self.size:
                self.kept.append(picture)
            elif random.random() < 0.5:
                place = random.randrange(self.size)
                picture, self.kept[place] = self.kept[place].clone(), picture
            shown.append(picture)
        return torch.stack(shown)
