"""The pool's working part: keeps pictures, swaps them, and can be saved."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from toonforge.errors import Problem, RunError
from toonforge.names import shape_text

SIZE = 50


class ImagePool:
    """Yields each picture as it is while filling up; later swaps it for a stored one with probability 1/2.

    Draws from torch's global random state (CPU), in the order of the pictures of a batch: one uniform number a
    picture once the pool is full, and a position when it swaps, as the original CycleGAN code does.
    """

    def __init__(self) -> None:
        self.pictures: list[torch.Tensor] = []

    def __call__(self, pictures: torch.Tensor, size: float = SIZE) -> torch.Tensor:
        """Pictures (N,C,H,W) of the batch or of earlier ones, detached. `size` is how many are kept, 0 for off."""
        pictures = pictures.detach()
        if size == 0:
            return pictures
        if self.pictures and self.pictures[0].device != pictures.device:  # just loaded from a checkpoint
            self.pictures = [stored.to(pictures.device) for stored in self.pictures]
        if self.pictures and self.pictures[0].shape != pictures.shape[1:]:
            raise RunError(
                Problem(
                    message="the pool holds pictures of another shape: a checkpoint of something else was loaded",
                    found=shape_text(self.pictures[0].shape),
                    expected=shape_text(pictures.shape[1:]),
                    hint="remove that checkpoint's folder, so that the resume takes the one before",
                )
            )
        return torch.stack([self._swap(picture, int(size)) for picture in pictures])

    def _swap(self, picture: torch.Tensor, size: int) -> torch.Tensor:
        if len(self.pictures) < size:
            self.pictures.append(picture.clone())
            return picture
        if torch.rand(()).item() <= 0.5:
            return picture
        position = int(torch.randint(size, ()).item())
        stored, self.pictures[position] = self.pictures[position], picture.clone()
        return stored.to(picture.dtype)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """`pictures` (stored,C,H,W), or nothing when none is stored."""
        return {"pictures": torch.stack(self.pictures)} if self.pictures else {}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what `state_dict` gave; `ValueError` where that holds no pictures."""
        if "pictures" in state and state["pictures"].ndim != 4:
            raise ValueError(f"pictures of shape {list(state['pictures'].shape)}")
        self.pictures = [picture.clone() for picture in state["pictures"]] if "pictures" in state else []
