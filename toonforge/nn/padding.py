"""Any picture size for networks that need multiples: pad by repeating the border, crop what comes out."""

from __future__ import annotations

import torch
from torch import nn

from toonforge.nn.shapes import up_to_multiple


class PadToMultiple(nn.Module):
    """Base of picture-to-picture networks; `body` sees sides that are multiples, callers see the input's size.

    Replication works for any width; reflection fails as soon as the padding is wider than the picture. A picture that
    already fits is passed on untouched.

    Args:
        multiple: sides of what `body` sees are multiples of this.
        minimum: and not below this.
        residual: yield input + 2 body(input) in place of body(input), clamped to [-1, 1] except in training: with a
            last layer of zeros the network starts as the identity, and 2 is enough to turn black into white.
    """

    def __init__(self, multiple: int, minimum: int = 1, residual: bool = False) -> None:
        super().__init__()
        self.multiple, self.minimum, self.residual = multiple, minimum, residual

    def body(self, x: torch.Tensor) -> torch.Tensor:
        """The network proper."""
        raise NotImplementedError

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N,C,H,W) to (N,C',H,W) for any H and W from 1 up."""
        height, width = x.shape[-2:]
        down = up_to_multiple(height, self.multiple, self.minimum) - height
        across = up_to_multiple(width, self.multiple, self.minimum) - width
        if not down and not across:
            y = self.body(x)
        else:
            top, left = down // 2, across // 2
            padded = nn.functional.pad(x, (left, across - left, top, down - top), mode="replicate")
            y = self.body(padded)[..., top : top + height, left : left + width]
        if not self.residual:
            return y
        # Clamping in training would stop the gradient of every pixel that has gone too far.
        return x + 2 * y if self.training else (x + 2 * y).clamp(-1, 1)


@torch.no_grad()
def zero(layer: nn.Module) -> None:
    """Set every parameter of a network's last layer to 0."""
    for parameter in layer.parameters():
        parameter.zero_()
