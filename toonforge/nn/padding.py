"""Any picture size for networks that need multiples: pad by repeating the border, crop what comes out."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from toonforge.nn.shapes import up_to_multiple
from toonforge.nn.tracing import at_least, clamped_range, known

__all__ = ["pad_to_multiple", "middle", "PadToMultiple", "zero"]


def pad_to_multiple(x: torch.Tensor, multiple: int, minimum: int = 1) -> torch.Tensor:
    """(N,C,H,W) with its border repeated, evenly on opposite sides, until both sides are multiples.

    For encoders, which yield no picture that could be cropped again: `middle` crops what a decoder makes of it.

    Args:
        multiple: sides of what comes out are multiples of this.
        minimum: and not below this.

    Examples:
        >>> import torch
        >>> from toonforge.nn.padding import middle, pad_to_multiple
        >>> padded = pad_to_multiple(torch.rand(1, 3, 30, 50), 16)
        >>> padded.shape, middle(padded, 30, 50).shape
        (torch.Size([1, 3, 32, 64]), torch.Size([1, 3, 30, 50]))
    """
    height, width = x.shape[-2:]
    if not (known(height) and known(width)):
        return _repeated(x, _grown(height, multiple, minimum), _grown(width, multiple, minimum))
    down = up_to_multiple(height, multiple, minimum) - height
    across = up_to_multiple(width, multiple, minimum) - width
    if not down and not across:
        return x
    top, left = down // 2, across // 2
    return nn.functional.pad(x, (left, across - left, top, down - top), mode="replicate")


def middle(x: torch.Tensor, height: Any, width: Any) -> torch.Tensor:
    """The middle of (N,C,H,W): (N,C,height,width), where `pad_to_multiple` left the picture.

    Examples:
        >>> import torch
        >>> from toonforge.nn.padding import middle
        >>> middle(torch.arange(16.0).view(1, 1, 4, 4), 2, 2)
        tensor([[[[ 5.,  6.],
                  [ 9., 10.]]]])
    """
    rows, columns = x.shape[-2:]
    if not all(map(known, (rows, columns, height, width))):
        x = x.index_select(2, torch.arange(height, device=x.device) + (rows - height) // 2)
        return x.index_select(3, torch.arange(width, device=x.device) + (columns - width) // 2)
    if (rows, columns) == (height, width):
        return x
    top, left = (rows - height) // 2, (columns - width) // 2
    return x[..., top : top + height, left : left + width]


def _repeated(x: torch.Tensor, rows: Any, columns: Any) -> torch.Tensor:
    """(N,C,rows,columns) around a picture whose sides are not known yet: pixels are picked by their positions."""
    height, width = x.shape[-2:]
    x = x.index_select(2, clamped_range(-((rows - height) // 2), rows, height, x.device))
    return x.index_select(3, clamped_range(-((columns - width) // 2), columns, width, x.device))


def _grown(side: Any, multiple: int, minimum: int) -> Any:
    # `up_to_multiple` divides a negative number, which ONNX rounds to the other side.
    units = (side + multiple - 1) // multiple
    return at_least(units, -(-minimum // multiple)) * multiple


class PadToMultiple(nn.Module):
    """Base of picture-to-picture networks; `body` sees sides that are multiples, callers see the input's size.

    Replication works for any width; reflection fails as soon as the padding is wider than the picture. A picture that
    already fits is passed on untouched.

    Args:
        multiple: sides of what `body` sees are multiples of this.
        minimum: and not below this.
        residual: yield input + 2 body(input) in place of body(input), clamped to [-1, 1] except in training: with a
            last layer of zeros the network starts as the identity, and 2 is enough to turn black into white.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from toonforge.nn.padding import PadToMultiple
        >>> class Halving(PadToMultiple):
        ...     def __init__(self):
        ...         super().__init__(2)
        ...         self.down, self.up = nn.AvgPool2d(2), nn.Upsample(scale_factor=2)
        ...
        ...     def body(self, x):
        ...         return self.up(self.down(x))
        >>> Halving()(torch.rand(1, 3, 31, 17)).shape
        torch.Size([1, 3, 31, 17])
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
            y = middle(self.body(pad_to_multiple(x, self.multiple, self.minimum)), height, width)
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
        rows, columns = (_grown(side, self.multiple, self.minimum) for side in (height, width))
        y = self.body(_repeated(x, rows, columns))
        y = y.index_select(2, torch.arange(height, device=x.device) + (rows - height) // 2)
        return y.index_select(3, torch.arange(width, device=x.device) + (columns - width) // 2)


@torch.no_grad()
def zero(layer: nn.Module) -> None:
    """Set every parameter of a network's last layer to 0.

    Examples:
        >>> from torch import nn
        >>> from toonforge.nn.padding import zero
        >>> layer = nn.Conv2d(8, 3, 3)
        >>> zero(layer)
        >>> layer.weight.abs().max().item()
        0.0
    """
    for parameter in layer.parameters():
        parameter.zero_()
