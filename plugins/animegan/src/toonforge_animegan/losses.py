"""AnimeGANv2's style and colour terms (tools/ops.py of the authors' code). Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge import Expr
from toonforge.components import Loss, Shape, component, param
from toonforge.errors import ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

YUV = (
    (0.299, 0.587, 0.114),
    (-0.14714119, -0.28886916, 0.43601035),
    (0.61497538, -0.51496512, -0.10001026),
)
"""Of RGB in [0, 1], as `tf.image.rgb_to_yuv`; U and V are around 0."""


@component
class Style(Loss):
    """Mean absolute difference of the Gram matrices of two feature maps (Gatys et al., 2016): texture without place.

    A Gram matrix holds the products of all pairs of channels, averaged over pixels and divided by the channels' number.
    """

    draws = False

    input: Expr = param(doc="feature map of what was made: `V(fake)`")
    target: Expr = param(doc="feature map of a picture in the style, of as many channels: `V(gray(anime))`")

    def check(self, **shapes: Shape) -> None:
        """Both must have as many channels; sides may differ."""
        ours, theirs = shapes["input"], shapes["target"]
        if len(ours) != 3 or len(theirs) != 3 or ours[0] != theirs[0]:
            raise ShapeError(
                f"input and target must be feature maps of as many channels, found {'x'.join(map(str, ours))} and "
                f"{'x'.join(map(str, theirs))}"
            )

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input` and `target`, (N,C,H,W) each."""
        from torch.nn import functional

        def gram(x: torch.Tensor) -> torch.Tensor:
            rows = x.flatten(2)  # N,C,H*W
            return rows @ rows.transpose(1, 2) / (rows.shape[1] * rows.shape[2])

        def style(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            return functional.l1_loss(gram(input), gram(target))

        return style


@component
class Colour(Loss):
    """Keeps colours: in YUV, the mean absolute difference of Y and Huber's loss of U and of V, added."""

    draws = False

    input: Expr = param(doc="what was made, RGB")
    target: Expr = param(doc="the picture whose colours it should keep, of the same shape")

    def check(self, **shapes: Shape) -> None:
        """Both must be RGB pictures of one size."""
        if shapes["input"] != shapes["target"]:
            listed = " and ".join("x".join(map(str, shape)) for shape in shapes.values())
            raise ShapeError(f"input and target must have one shape, found {listed}")
        if len(shapes["input"]) != 3 or shapes["input"][0] != 3:
            raise ShapeError(f"colours are of RGB pictures, found {'x'.join(map(str, shapes['input']))}")

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input` and `target`, (N,3,H,W) in [-1, 1]."""
        import torch
        from torch.nn import functional

        def yuv(x: torch.Tensor) -> torch.Tensor:
            return torch.einsum("kc,nchw->knhw", x.new_tensor(YUV), (x + 1) / 2)

        def colour(input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
            ours, theirs = yuv(input), yuv(target)
            luma = functional.l1_loss(ours[0], theirs[0])
            return luma + functional.huber_loss(ours[1], theirs[1]) + functional.huber_loss(ours[2], theirs[2])

        return colour
