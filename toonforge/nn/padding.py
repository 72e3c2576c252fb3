"""Any picture size for networks that need multiples: pad by repeating the border, crop what comes out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from toonforge.nn.shapes import up_to_multiple
from toonforge.nn.tracing import at_least, clamped_range, known


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
        if not (known(height) and known(width)):
            y = self._of_any_size(x)
        else:
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

    def _of_any_size(self, x: torch.Tensor) -> torch.Tensor:
        """The same while the network is traced: nothing is decided by sides that are not known yet.

        Pixels are picked by their positions: slices and paddings of unknown sizes would be recorded together with
        whatever torch finds out about the sides of this one picture.
        """
        height, width = x.shape[-2:]
        rows, columns = self._padded(height), self._padded(width)
        top, left = (rows - height) // 2, (columns - width) // 2
        padded = x.index_select(2, clamped_range(-top, rows, height, x.device))
        padded = padded.index_select(3, clamped_range(-left, columns, width, x.device))
        y = self.body(padded)
        y = y.index_select(2, torch.arange(height, device=x.device) + top)
        return y.index_select(3, torch.arange(width, device=x.device) + left)

    def _padded(self, side: Any) -> Any:
        # `up_to_multiple` divides a negative number, which ONNX rounds to the other side.
        units = (side + self.multiple - 1) // self.multiple
        return at_least(units, -(-self.minimum // self.multiple)) * self.multiple


@torch.no_grad()
def zero(layer: nn.Module) -> None:
    """Set every parameter of a network's last layer to 0."""
    for parameter in layer.parameters():
        parameter.zero_()
