"""Losses that need a network itself: a distance between feature maps, a penalty on a discriminator's gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.components import Loss, Shape, component, param
from toonforge.losses.shapes import a_picture, same_shape
from toonforge.recipe.expr import Expr, Network

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch
    from torch import nn


@component
class FeatureL1(Loss):
    """Content or perceptual loss: mean absolute difference of two pictures' feature maps (Johnson et al., 2016).

    The same as `l1` between `V(input)` and `V(target)`. The feature network comes from `[networks]`, stays frozen as
    no phase updates it, and says itself which of its layers it yields; of several the mean is taken.
    """

    input: Expr = param(doc="what was made")
    target: Expr = param(doc="the picture whose content it should keep")
    features: Network = param(doc="name of the feature network in [networks]")
    relative: bool = param(
        False,
        doc="divide each picture's difference by the mean absolute value of its target's map: layers count alike",
    )

    def check(self, **shapes: Shape) -> None:
        """Both pictures must have one shape."""
        same_shape(**shapes)

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `input`, `target` and the module `features`."""
        from torch.nn import functional

        def share(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            # Of each picture by itself: a batch in parts, or on several processes, has the same mean of these.
            difference = functional.l1_loss(a, b, reduction="none").flatten(1).mean(1)
            return (difference / b.abs().flatten(1).mean(1)).mean()

        term = share if self.relative else functional.l1_loss

        def feature_l1(input: torch.Tensor, target: torch.Tensor, features: nn.Module) -> torch.Tensor:
            ours, theirs = features(input), features(target)
            if not isinstance(ours, tuple):
                ours, theirs = (ours,), (theirs,)
            terms = [term(a, b) for a, b in zip(ours, theirs)]
            return sum(terms[1:], terms[0]) / len(terms)

        return feature_l1


@component
class GradientPenalty(Loss):
    """WGAN-GP (Gulrajani et al., 2017): the gradient's norm should be `norm` between real and fake pictures.

    For each sample a point on the line from real to fake is drawn from torch's random state; both ends are constants.
    """

    discriminator: Network = param(doc="name of the discriminator")
    real: Expr = param(doc="real pictures")
    fake: Expr = param(doc="generated pictures of the same shape")
    norm: float = param(1.0, doc="the wanted norm of the gradient", at_least=0, source="WGAN-GP, equation 3")

    def check(self, **shapes: Shape) -> None:
        """Both pictures must have one shape."""
        same_shape(**shapes)
        a_picture("real", shapes["real"])

    def build(self) -> Callable[..., torch.Tensor]:
        """A function of `real`, `fake` (N,C,H,W) and the module `discriminator`."""
        import torch

        norm = self.norm

        def gradient_penalty(real: torch.Tensor, fake: torch.Tensor, discriminator: nn.Module) -> torch.Tensor:
            real, fake = real.detach(), fake.detach()
            share = torch.rand(len(real), 1, 1, 1, device=real.device, dtype=real.dtype)
            between = (share * real + (1 - share) * fake).requires_grad_()
            logits = discriminator(between)
            (gradient,) = torch.autograd.grad(logits.sum(), between, create_graph=True)
            # Summing squares in float32 or wider: a bf16 sum over all pixels would lose most of its digits.
            # vector_norm has a gradient of 0 where the norm is 0, where a square root's would be infinite.
            wide = torch.promote_types(gradient.dtype, torch.float32)
            norms: torch.Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1, dtype=wide)
            return (norms - norm).square().mean()

        return gradient_penalty
